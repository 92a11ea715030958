"""The parity situations: which video, which question, and what the policy writes turn by turn.

Each is played once by the released harness (its requests and results are kept in `recorded/`)
and, in the tests, by the reference profile. Source of the choice: the harness's text contract,
budget rule and frame tool.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from openai_server import Fault, Reply
from parity.scripted_server import Step

ANSWER = "I have seen enough. <answer>B</answer>"
OPTIONS = "\nA. one\nB. two\nC. three\nD. four"


@dataclass(frozen=True, kw_only=True)
class Situation:
    """One question about one clip, and the policy's script."""

    name: str
    clip: str = "short"
    script: tuple[Step, ...]
    text: str = "What number is shown?" + OPTIONS
    ground_truth: str = "B"
    max_turns: int = 6
    look_budget: int = 12_000

    @property
    def question(self) -> str:
        """The annotation's text, its own for every situation."""
        return f"[{self.name}] {self.text}"

    @property
    def key(self) -> str:
        """The question as a client sends it."""
        return self.question.strip()

    def row(self, index: int, file_name: str) -> dict[str, Any]:
        """The question as a line of the harness's annotation files."""
        return {
            "videos": [file_name],
            "prompt": [{"role": "user", "content": self.question}],
            "reward_model": {
                "style": "rule",
                "ground_truth": self.ground_truth,
                "reward_fn": "video_crop",
            },
            "index": index,
        }

    def facts(self) -> dict[str, Any]:
        """All of it as JSON: a recording holds for these alone."""
        return {
            "clip": self.clip,
            "question": self.question,
            "ground_truth": self.ground_truth,
            "max_turns": self.max_turns,
            "look_budget": self.look_budget,
            "script": [_fact(step) for step in self.script],
        }


def _fact(step: Step) -> Any:
    if isinstance(step, Fault):
        return {"fault": step.name}
    if isinstance(step, Reply):
        return {"text": step.text, "finish_reason": step.finish_reason}
    return step


def situation(name: str, clip: str, *script: Step, **rest: Any) -> Situation:
    """A situation whose script ends with the answer B."""
    return Situation(name=name, clip=clip, script=(*script, ANSWER), **rest)


def call(arguments: str | dict[str, Any], *, tool: str = "frame_select") -> str:
    """One JSON object of a call block; arguments as JSON text or values."""
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return f'{{"tool": "{tool}", "arguments": {text}}}'


def block(*calls: str) -> str:
    """An assistant message with a call block."""
    return "Plan: look there.\n<tool_call>" + "\n".join(calls) + "</tool_call>"


def look(start: Any, end: Any, nframes: Any, resize: Any = 1.0, **more: Any) -> str:
    """An assistant message that asks for one look."""
    asked = {"start_time": start, "end_time": end, "nframes": nframes, "resize": resize}
    return block(call(asked | more))


def looks(*ranges: Sequence[Any]) -> str:
    """An assistant message with several looks in one block: (start, end, nframes[, resize])."""
    names = ("start_time", "end_time", "nframes", "resize")
    return block(*[call(dict(zip(names, each, strict=False))) for each in ranges])
