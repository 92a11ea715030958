"""The options of `eva-graph data`: one wording for all its commands."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class LayoutName(StrEnum):
    """How a file of questions is laid out."""

    CUSTOM = "custom"
    LLAVA_VIDEO = "llava-video"
    CG_BENCH = "cg-bench"


class FamilyName(StrEnum):
    """What the teacher is told beside the format."""

    EXPERIENCE = "experience"
    WORKFLOW = "workflow"
    REFLECTIVE = "reflective"
    PLAIN = "plain"


class MixName(StrEnum):
    """What is done where the labels have another share than is wanted."""

    BALANCED = "balanced"
    WEIGHTED = "weighted"


Questions = Annotated[list[Path], typer.Argument(help="Files of questions, JSON or JSON lines.")]
Videos = Annotated[
    list[Path] | None,
    typer.Option(help="Folder with the videos, one or one a file; else paths stand as written."),
]
Layouts = Annotated[
    list[LayoutName] | None,
    typer.Option(help="Layout of the files: one for all, or one for each; custom if absent."),
]
Out = Annotated[Path, typer.Option(help="Folder of the set; the same one goes on with it.")]
PolicySpec = Annotated[
    str, typer.Option(help="Server URL or model folder, nano, or world: the synthetic teacher.")
]
Model = Annotated[str | None, typer.Option(help="Model name at the server.")]
RecipeName = Annotated[str, typer.Option(help="Recipe with the sizes and the episodes' limits.")]
Set = Annotated[
    list[str] | None, typer.Option("--set", help="A setting of the recipe, as data.attempts=2.")
]
Seed = Annotated[int, typer.Option(help="Of order, split and sampling.")]
Workers = Annotated[int, typer.Option(min=1, help="Episodes played at once.")]
Temperature = Annotated[float, typer.Option(min=0.0, help="Of the policy's sampling.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
