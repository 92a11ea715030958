"""What a package exports exists, is sorted, and is all that its `__init__` imports for others."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = {
    "eva_graph": ROOT,
    "eva_graph_tools": ROOT / "tools",
    "eva_graph_training": ROOT / "training",
}


def module_name(path: Path, root: Path) -> str:
    return ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")


MODULES = {
    module_name(path, root): path
    for package, root in SOURCES.items()
    for path in sorted((root / package).rglob("*.py"))
}


def exported(path: Path) -> list[str] | None:
    """The literal `__all__` of a module."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            names = ast.literal_eval(node.value)
            assert isinstance(names, list)
            return names
    return None


def passed_on(path: Path) -> set[str]:
    """Names that a module imports from this project and does not use itself."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported = {
        alias.asname or alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("eva_graph")
        for alias in node.names
    }
    return imported - {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


WITH_ALL = {name: names for name, path in MODULES.items() if (names := exported(path)) is not None}


def sort_key(name: str) -> tuple[int, str]:
    """Constants, then classes, then the rest, as import sorters do it."""
    plain = name.strip("_")
    return (0 if plain.isupper() else 1 if plain[:1].isupper() else 2, name)


def test_the_public_packages_say_what_they_export() -> None:
    assert {"eva_graph", "eva_graph_tools", "eva_graph.dialects", "eva_graph.errors"} <= set(
        WITH_ALL
    )


@pytest.mark.parametrize("name", WITH_ALL)
def test_all_is_sorted_and_importable(name: str) -> None:
    names = WITH_ALL[name]
    assert names == sorted(set(names), key=sort_key)
    module = importlib.import_module(name)
    assert [one for one in names if not hasattr(module, one)] == []


PACKAGES = [name for name, path in MODULES.items() if path.name == "__init__.py"]


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_exports_what_it_imports(name: str) -> None:
    assert passed_on(MODULES[name]) <= set(WITH_ALL.get(name, ()))


@pytest.mark.parametrize("name", MODULES)
def test_every_module_says_what_it_promises(name: str) -> None:
    tree = ast.parse(MODULES[name].read_text(encoding="utf-8"))
    assert ast.get_docstring(tree), f"{name} has no docstring"
