"""Runs one question for a command: steps to stderr as they happen, the result to stdout."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from eva_graph.agent import VideoAgent
from eva_graph.result import RunResult
from eva_graph.terminal import StepPrinter, result_json


def report(
    agent: VideoAgent,
    video: Path,
    question: str,
    *,
    options: Mapping[str, str] | None = None,
    subtitles: Path | None = None,
    as_json: bool = False,
    extra: Callable[[RunResult], dict[str, Any]] | None = None,
) -> RunResult:
    """Ask, print and return the result.

    Args:
        as_json: print one JSON object on stdout, nothing else there.
        extra: adds keys to the JSON object.
    """
    console = Console(stderr=as_json, highlight=False, soft_wrap=True)
    printer = StepPrinter(console)
    result: RunResult | None = None
    for item in agent.stream(video, question, options=options, subtitles=subtitles):
        if isinstance(item, RunResult):
            result = item
        else:
            printer.step(item)
    if result is None:
        raise AssertionError("a stream ends with its result")
    if as_json:
        added = extra(result) if extra else {}
        print(json.dumps({**result_json(result), **added}))
    else:
        printer.result(result)
    return result
