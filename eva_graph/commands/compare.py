"""`eva-graph compare`: two evaluations on the same questions, and whether they differ."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer


def compare(
    first: Annotated[Path, typer.Argument(help="Run of an evaluation, e.g. the baseline's.")],
    second: Annotated[Path, typer.Argument(help="Another on the same questions.")],
    html: Annotated[Path | None, typer.Option(help="Also write an HTML page.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Compare two evaluations, question by question: McNemar's test, difference, what flipped.

    eva-graph compare runs/uniform runs/agent
    """
    from eva_graph.commands.run_table import output_console
    from eva_graph.errors import InvalidRequest
    from eva_graph.evaluation import EvaluationRun, comparison_page, render_comparison
    from eva_graph.evaluation import compare as compared

    one, other = EvaluationRun(first), EvaluationRun(second)
    if one.profile != other.profile:
        print(
            f"{first} was scored by --profile {one.profile} and {second} by {other.profile}: "
            "the scoring is a part of the difference",
            file=sys.stderr,
        )
    result = compared(one.rows(), other.rows())
    if html is not None:
        try:
            html.write_text(comparison_page(result), encoding="utf-8")
        except OSError as error:
            raise InvalidRequest(f"cannot write {html}: {error}") from None
    if as_json:
        print(json.dumps(result.to_json()))
    else:
        output_console().print(render_comparison(result))
