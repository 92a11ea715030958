"""The published JSON Schema is the one that the types give, and real records fit it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from episodes import QUESTION, TWO_LOOKS

from eva_graph import VideoAgent
from eva_graph.testing import ScriptedPolicy
from eva_graph.trajectory.json_schema import record_schema, schema_text

PUBLISHED = Path(__file__).parents[2] / "docs" / "trajectory.schema.json"
MAKE = "python -m eva_graph.trajectory.json_schema docs/trajectory.schema.json"


def test_the_published_schema_is_current(tmp_path: Path) -> None:
    assert PUBLISHED.read_text(encoding="utf-8") == schema_text(), f"run: {MAKE}"
    program = [sys.executable, "-m", MAKE.split()[2], str(tmp_path / "schema.json")]
    subprocess.run(program, check=True)
    assert (tmp_path / "schema.json").read_bytes() == PUBLISHED.read_bytes()


def test_a_record_has_exactly_the_fields_of_the_schema(clip: Path, tmp_path: Path) -> None:
    result = VideoAgent(ScriptedPolicy(TWO_LOOKS)).run(clip, QUESTION, record=tmp_path)
    schema = record_schema()
    compare(json.loads(result.trajectory.to_line()), schema, schema["$defs"])


def compare(value: Any, schema: dict[str, Any], models: dict[str, Any]) -> None:
    """Objects of a model have its fields and no others, all the way down."""
    options = [schema, *schema.get("anyOf", ())]
    for option in options:
        model = models.get(option.get("$ref", "").rpartition("/")[2], option)
        if isinstance(value, list) and "items" in model:
            for item in value:
                compare(item, model["items"], models)
        if isinstance(value, dict) and "properties" in model:
            assert set(value) == set(model["properties"]) == set(model["required"])
            for name, item in value.items():
                compare(item, model["properties"][name], models)
