"""New questions on an unseen video, in the manner of the policy's failures: asked for, and read.

The teacher sees one uniform look at the video and the failures as examples, and writes open
questions with concise answers as JSON lines (arXiv 2603.22918, data-enhanced GRPO; open ones, since
options leak hints). What it writes is untrusted text: it is parsed, never evaluated, and every line
that is not exactly what was asked for is counted by its reason.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from langchain_core.messages import AnyMessage, HumanMessage, SystemMessage

from eva_graph.blocks import Block, text_block
from eva_graph_training.data.likeness import plain_words

MAX_QUESTION_CHARACTERS: Final = 300
MAX_ANSWER_WORDS: Final = 12
MAX_LINES: Final = 64
"""Lines of one reply that are read; a reply is bounded by its tokens too."""
WRITE_SYSTEM: Final = (
    "You write questions that teach a video agent what it is bad at. You are shown questions that "
    "it failed, and frames of another video. Write new questions of the same kind about that "
    "video: answerable from what is to be seen in it, and not without seeing it. Answers are open "
    f"and concise, at most {MAX_ANSWER_WORDS} words, and follow from the frames alone. One JSON "
    'object a line and nothing else: {"question": "...", "answer": "..."}'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A question that the policy failed, with the right answer."""

    question: str
    answer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A question as the teacher wrote it."""

    question: str
    answer: str


@dataclass(slots=True, kw_only=True)
class Reading:
    """What a reply holds: questions, and how many lines were none, by reason."""

    written: list[Written] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)


def writing_request(
    failures: Sequence[Failure], frames: Sequence[Block], *, count: int, length_seconds: float
) -> list[AnyMessage]:
    """The messages that ask a teacher to write.

    Args:
        failures: examples.
        frames: labels and images of the uniform look, as content parts.
        count: how many questions are wanted.
        length_seconds: of the video.
    """
    examples = [
        json.dumps({"question": one.question, "answer": one.answer}, ensure_ascii=False)
        for one in failures
    ]
    opening = "\n".join(["Failed questions about other videos:", *examples, "", "The video, "])
    closing = f"\nWrite {count} questions, one JSON object a line."
    parts: list[Any] = [
        text_block(f"{opening}{length_seconds:.0f} seconds long:\n"),
        *frames,
        text_block(closing),
    ]
    return [SystemMessage(content=WRITE_SYSTEM), HumanMessage(content=parts)]


def read_reply(text: str, *, count: int) -> Reading:
    """The questions of a reply, at most `count`; never raises for what a teacher wrote."""
    reading = Reading()
    lines = [line.strip() for line in text.split("\n")]
    lines = [line for line in lines if line and not line.startswith("```")]
    reading.refused["lines beyond the limit"] = max(0, len(lines) - MAX_LINES)
    for line in lines[:MAX_LINES]:
        found = _read_line(line)
        if isinstance(found, str):
            reading.refused[found] += 1
        elif len(reading.written) >= count:
            reading.refused["more than was asked for"] += 1
        else:
            reading.written.append(found)
    reading.refused += Counter()  # drops zeros
    return reading


def _read_line(line: str) -> Written | str:
    """The question of a line, or why it is none."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return "not JSON"
    if not isinstance(row, dict) or set(row) != {"question", "answer"}:
        return "not an object of question and answer"
    if not all(isinstance(value, str) and _is_plain(value) for value in row.values()):
        return "question or answer is no plain text"
    return _checked(row)


def _checked(row: Mapping[str, str]) -> Written | str:
    question, answer = (" ".join(row[name].split()) for name in ("question", "answer"))
    words = plain_words(answer)
    if not question or len(question) > MAX_QUESTION_CHARACTERS:
        return "the question is empty or too long"
    if not words or len(answer.split()) > MAX_ANSWER_WORDS:
        return "the answer is empty or too long"
    if f" {' '.join(words)} " in f" {' '.join(plain_words(question))} ":
        return "the question tells its answer"
    return Written(question=question, answer=answer)


def _is_plain(text: str) -> bool:
    """Whether it can be stored and shown: valid Unicode without control characters or our tags."""
    marked = any(tag in text for tag in ("<answer", "</answer", "<tool_", "</tool_", "<|"))
    return (
        not marked
        and all(
            char.isprintable() or char in "\t " for char in text if not "\ud800" <= char <= "\udfff"
        )
        and not any("\ud800" <= char <= "\udfff" for char in text)
    )
