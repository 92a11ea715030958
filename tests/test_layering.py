"""Imports run one way, eva_graph_training → eva_graph → eva_graph_tools, and stay light."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = {
    "eva_graph_tools": ROOT / "tools" / "eva_graph_tools",
    "eva_graph": ROOT / "eva_graph",
    "eva_graph_training": ROOT / "training" / "eva_graph_training",
}
"""From the lowest to the highest."""
AGENT_LIBRARIES = {"langgraph", "langchain_core", "langchain", "openai", "httpx", "httpx2"}
MODEL_LIBRARIES = {"torch", "transformers", "trl", "vllm", "datasets", "accelerate", "peft"}
OPTIONAL_LIBRARIES = {"moviepy", "scenedetect", "gradio", "mcp", "ray", "psycopg"}


def imported(source: str, package: str) -> Iterator[str]:
    """Full names of what a module imports anywhere, in functions and for type checkers too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield f"{package}." * bool(node.level) + (node.module or "")


def imports_of(name: str) -> dict[str, set[str]]:
    """Names imported by each module file of a package."""
    return {
        str(path.relative_to(ROOT)): set(imported(path.read_text(encoding="utf-8"), name))
        for path in sorted(PACKAGES[name].rglob("*.py"))
    }


def loaded_by(statement: str) -> set[str]:
    """Top-level packages that a fresh interpreter has loaded after a statement."""
    program = f"{statement}\nimport sys\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    return set(done.stdout.split())


@pytest.mark.parametrize("name", PACKAGES)
def test_nothing_imports_what_lies_above_it(name: str) -> None:
    order = list(PACKAGES)
    above = set(order[order.index(name) + 1 :])
    found = imports_of(name)
    assert found, "the package has modules"
    wrong = {
        path: bad
        for path, names in found.items()
        if (bad := {one for one in names if one.partition(".")[0] in above})
    }
    assert wrong == {}


def test_the_tools_need_neither_an_agent_nor_a_model() -> None:
    wrong = {
        path: bad
        for path, names in imports_of("eva_graph_tools").items()
        if (
            bad := {
                one
                for one in names
                if one.partition(".")[0] in AGENT_LIBRARIES | MODEL_LIBRARIES
                and Path(path).stem not in {"langchain", "mcp"}  # thin adapters, loaded by hand
            }
        )
    }
    assert wrong == {}


def test_dialects_know_nothing_of_what_plays_them() -> None:
    allowed = ("eva_graph.dialects", "eva_graph.blocks", "eva_graph.errors")
    for path, names in imports_of("eva_graph").items():
        if "dialects" in Path(path).parts:
            ours = {name for name in names if name.startswith("eva_graph.")}
            wrong = {name for name in ours if not name.startswith(allowed)}
            assert wrong <= {"eva_graph.policy.protocol"}, path


def test_the_names_of_source_roots_are_free() -> None:
    for name in PACKAGES:
        for path, names in imports_of(name).items():
            roots = {one.partition(".")[0] for one in names}
            assert not roots & {"tools", "training"}, path
    assert not (ROOT / "tools" / "__init__.py").exists()
    assert not (ROOT / "training" / "__init__.py").exists()


def test_importing_the_tools_is_light() -> None:
    loaded = loaded_by("import eva_graph_tools")
    assert "av" in loaded
    assert not loaded & (AGENT_LIBRARIES | MODEL_LIBRARIES | OPTIONAL_LIBRARIES)


@pytest.mark.parametrize("module", ["eva_graph", "eva_graph.testing", "eva_graph.trajectory"])
def test_importing_the_agent_loads_no_model(module: str) -> None:
    loaded = loaded_by(f"import {module}")
    assert "langgraph" in loaded
    assert not loaded & (MODEL_LIBRARIES | OPTIONAL_LIBRARIES | {"openai"})


def test_building_a_graph_for_a_server_loads_no_model() -> None:
    loaded = loaded_by(
        "from eva_graph import build_graph\nbuild_graph('http://127.0.0.1:1/v1', model='m')"
    )
    assert not loaded & (MODEL_LIBRARIES | OPTIONAL_LIBRARIES)


def test_the_training_package_loads_nothing_by_itself() -> None:
    assert not loaded_by("import eva_graph_training") & (MODEL_LIBRARIES | OPTIONAL_LIBRARIES)
