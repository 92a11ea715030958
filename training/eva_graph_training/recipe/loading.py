"""Reading a recipe: one of the package by its name, or a file; `--set` changes single values.

A file is checked whole before anything runs: an unknown name or an impossible value is one line.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from eva_graph_training.errors import RecipeError
from eva_graph_training.recipe.schema import Recipe


def recipe_names() -> list[str]:
    """Names of the recipes that come with the package."""
    return sorted(one.name.removesuffix(".yaml") for one in _shipped().iterdir() if _is_recipe(one))


def load_recipe(name: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """A recipe with changes.

    Args:
        name: of a recipe of the package, or a YAML file.
        overrides: `key=value` each, the key dotted (`grpo.generation.temperature=0.7`), the value
            as YAML.

    Raises:
        RecipeError: there is no such recipe, it cannot be read, or a value makes no sense.
    """
    settings = _parsed(_text(name), str(name))
    if not isinstance(settings, dict):
        raise RecipeError(f"{name}: a recipe is a table of settings")
    for override in overrides:
        _set(settings, override)
    try:
        return Recipe.model_validate(settings)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "recipe"
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        raise RecipeError(f"{name}: {where}: {_complaint(first)}{more}") from None


def _complaint(error: ErrorDetails) -> str:
    if error["type"] == "tuple_type":
        return f"must be a list, [{error['input']}] for this one alone"
    return error["msg"]


def _text(name: str | Path) -> str:
    shipped = _shipped() / f"{name}.yaml"
    path = Path(name)
    try:
        if path.suffix in (".yaml", ".yml") or path.exists():
            return path.read_text(encoding="utf-8")
        return shipped.read_text(encoding="utf-8")
    except FileNotFoundError:
        known = ", ".join(recipe_names())
        raise RecipeError(f"no recipe {name}: give a YAML file or one of {known}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"cannot read {name}: {error}") from None


def _set(settings: dict[str, Any], override: str) -> None:
    key, equals, value = override.partition("=")
    names = key.strip().split(".")
    if not equals or not all(names):
        raise RecipeError(f"--set takes key=value, not {override!r}")
    place = settings
    for name in names[:-1]:
        inner = place.get(name)
        if not isinstance(inner, dict):
            inner = place[name] = {}
        place = inner
    place[names[-1]] = _parsed(value, f"--set {override}")


def _parsed(text: str, where: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise RecipeError(f"{where} is no YAML: {' '.join(str(error).split())}") from None


def _shipped() -> Traversable:
    return files("eva_graph_training") / "recipes"


def _is_recipe(file: Traversable) -> bool:
    return file.name.endswith(".yaml")
