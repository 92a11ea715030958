"""Questions about a clip and a teacher behind HTTP, for the builds of `eva-graph data`.

The question is always which colour is shown at a second; the teacher knows it from
`clip_colour` and behaves as the second says, so that every count of a build is known beforehand.
"""

from __future__ import annotations

import json
import multiprocessing
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from episodes import answer, look, span

from eva_graph.testing import clip_colour
from eva_graph_training.data.blind import BLIND_SYSTEM
from eva_graph_training.data.experience import SUMMARY_SYSTEM

SEED = 100
SECONDS = range(1, 8)
SUMMARY = "A scan, then one frame at the time that was asked about."
_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(["eva_graph_training.data.sft_set"])


def question(second: int) -> str:
    """What is asked."""
    return f"Which colour is shown at {second} seconds?"


def write_questions(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    """JSON lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def colour_rows(clip: Path, seconds: Sequence[int] = SECONDS) -> list[dict[str, Any]]:
    """One open question for each second."""
    return [
        {
            "question_id": f"{clip.stem}-{second}",
            "video": clip.name,
            "question": question(second),
            "answer": clip_colour(second),
        }
        for second in seconds
    ]


def text_of(message: dict[str, Any]) -> str:
    """The text of a message of a request."""
    content = message["content"]
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content)


def asked_second(body: dict[str, Any]) -> int:
    """The second that a request is about."""
    found = re.findall(r"at (\d+) seconds\?", text_of(body["messages"][1]))
    return int(found[0])


def kind_of(body: dict[str, Any]) -> str:
    """`blind`, `summary` or `play`."""
    system = text_of(body["messages"][0])
    return {BLIND_SYSTEM: "blind", SUMMARY_SYSTEM: "summary"}.get(system, "play")


def teacher(body: dict[str, Any]) -> str:
    """What the teacher says.

    Second 1 is solved at once, 2 at the second attempt, 3 never, 4 without the video; at the first
    attempt 5 is guessed right, 6 lacks a plan, and 7 takes four frames a second.
    """
    second, kind = asked_second(body), kind_of(body)
    right = clip_colour(second)
    if kind == "blind":
        return f"<answer>{right if second == 4 else 'beige'}</answer>"
    if kind == "summary":
        return SUMMARY
    return _turn(body, second, right)


def _turn(body: dict[str, Any], second: int, right: str) -> str:
    first = body["seed"] == SEED
    said = sum(message["role"] == "assistant" for message in body["messages"])
    if first and second == 5:
        return answer(right, reflection="")
    if said == 0:
        scan = span(5, 7, 8, 0.5) if first and second == 7 else span(0, 8, 4, 0.5)
        text = look(scan, summary="Nothing seen yet.")
        return (
            re.sub(r"Plan:\n.*?(?=<tool_call>)", "", text, flags=re.S)
            if (first and second == 6)
            else text
        )
    if said == 1:
        return look(span(second, second, 1), reflection="Not close enough.", summary="A scan.")
    wrong = second == 3 or (first and second == 2)
    return answer("beige" if wrong else right, reflection="It is to be seen.")


def student(body: dict[str, Any]) -> str:
    """What a policy says that is resampled: each of three attempts at a question ends otherwise.

    One is right after two looks, one a wrong guess, one wrong after two good looks.
    """
    second = asked_second(body)
    kind = (second + body["seed"] - SEED) % 3
    said = sum(message["role"] == "assistant" for message in body["messages"])
    if kind == 1:
        return answer("beige", reflection="")
    if said == 0:
        return look(span(0, 8, 4, 0.5), summary="Nothing seen yet.")
    if said == 1:
        return look(span(second, second, 1), reflection="Not close enough.", summary="A scan.")
    return answer(clip_colour(second) if kind == 0 else "beige", reflection="It is to be seen.")


def data_in_new_process(arguments: Sequence[str]) -> Any:
    """A started process that runs `eva-graph data` with these arguments."""
    process = _PROCESSES.Process(target=_command, args=(list(arguments),))
    process.start()
    return process


def _command(arguments: list[str]) -> None:
    from eva_graph_training.data.command import app

    app(arguments, standalone_mode=False)
