"""A benchmark of small real videos, a server that answers it, and `eva-graph eval` on it.

Every question looks once and then answers; a third of the answers are wrong, always the same ones.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from episodes import answer, look, span
from openai_server import OpenAIServer

from eva_graph.cli import main
from eva_graph.testing import make_clip

OPTIONS = ["red", "green", "blue"]
TIMES = ("seconds", "policy_seconds", "look_seconds", "other_seconds")
_NUMBER = re.compile(r"Question number (\d+)")
_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(
    ["eva_graph.cli", "eva_graph.evaluation", "eva_graph.policy.openai_compatible"]
)


def make_benchmark(
    folder: Path, *, videos: int = 4, questions: int = 3, extra: tuple[dict[str, Any], ...] = ()
) -> list[str]:
    """Write videos and annotations; the arguments of `eval` that name them."""
    (folder / "videos").mkdir(parents=True)
    rows: list[dict[str, Any]] = []
    for number in range(videos):
        name = f"video{number}"
        make_clip(folder / "videos" / f"{name}.mp4", seconds=4 + number, size=(112, 84), fps=2)
        rows += [
            {
                "video": name,
                "question": f"Question number {len(rows) + index}: which colour comes first?",
                "options": OPTIONS,
                "answer": "red",
                "time_reference": [0, 1],
            }
            for index in range(questions)
        ]
    lines = "".join(json.dumps(row) + "\n" for row in [*rows, *extra])
    (folder / "own.jsonl").write_text(lines, encoding="utf-8")
    return ["--annotations", str(folder / "own.jsonl"), "--videos", str(folder / "videos")]


def number_of(body: dict[str, Any]) -> int:
    """Which question a request is about."""
    match = _NUMBER.search(json.dumps(body["messages"]))
    assert match is not None
    return int(match[1])


def reply_to(body: dict[str, Any]) -> str:
    """A look, then the answer: wrong for every third question."""
    turns = sum(message["role"] == "assistant" for message in body["messages"])
    if turns == 0:
        return look(span(0, 4, 2))
    return answer("B" if number_of(body) % 3 == 2 else "A")


def answers_asked(server: OpenAIServer) -> Counter[int]:
    """How often each question's answer was asked for."""
    return Counter(
        number_of(body)
        for body in server.requests
        if any(message["role"] == "assistant" for message in body["messages"])
    )


def start_eval(*arguments: str) -> multiprocessing.process.BaseProcess:
    """`eva-graph eval custom …` in a process of its own, forked where everything is imported."""
    process = _PROCESSES.Process(target=_run, args=(["eval", "custom", *arguments],))
    process.start()
    return process


def run_eval(*arguments: str) -> int:
    """The same, to its end; the exit code."""
    process = start_eval(*arguments)
    process.join()
    assert process.exitcode is not None
    return process.exitcode


def timeless_report(run: Path) -> dict[str, Any]:
    """`report.json` without the clock's part in it."""
    report: dict[str, Any] = json.loads((run / "report.json").read_text(encoding="utf-8"))
    for name in TIMES:
        del report["measures"][name]
    return report


def _run(arguments: list[str]) -> None:
    sys.argv = ["eva-graph", *arguments]
    sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115, PTH123
    main()
