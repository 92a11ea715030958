"""The published JSON Schema of the record, generated from its types.

python -m eva_graph.trajectory.json_schema docs/trajectory.schema.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from eva_graph.trajectory.schema import TRAJECTORY_VERSION, Trajectory


def record_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a record line as this eva-graph writes it."""
    schema = Trajectory.model_json_schema(mode="serialization")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"eva_graph trajectory record, version {TRAJECTORY_VERSION}",
        **{name: value for name, value in schema.items() if name != "title"},
    }


def schema_text() -> str:
    """The schema as it is published."""
    return json.dumps(record_schema(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(schema_text(), encoding="utf-8")
