"""Episodes of a scripted policy with exact token ids, for `gpu_training.py`.

A random model calls no tool, so a script stands in its place: the real graph, real looks at a
rendered video, and the ids and image grids that the model itself would have been given. On every
clip two episodes with the same looks, one right, one wrong: fit for SFT, KTO and a GRPO group.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from langchain_core.messages import AIMessage

from eva_graph import VideoAgent
from eva_graph.dialects.turn import Look, write_call, write_plan
from eva_graph.policy.processor import load_processor, visual_grid
from eva_graph.policy.prompt import PromptBuilder
from eva_graph.policy.protocol import Completion, PolicyInfo, PolicyRequest
from eva_graph.testing import make_clip
from eva_graph.trajectory import RunStore
from eva_graph_training.export.exporting import ExportRequest, export
from eva_graph_training.export.trl_grpo import TrlGrpo
from eva_graph_training.format import END_OF_TURN

_QUESTION = "Which colour is shown at 3 seconds?"
_OPTIONS = {"A": "red", "B": "yellow"}
_RIGHT = "B"


@dataclass(frozen=True, slots=True, kw_only=True)
class Footage:
    """What is looked at.

    Attributes:
        clips: videos; two episodes on each.
        size: width and height in pixels.
        seconds: length of the first; each other is a second longer.
        frames: of the first and of the second look.
    """

    clips: int
    size: tuple[int, int]
    seconds: int
    frames: tuple[int, int]


LONG = Footage(clips=4, size=(1280, 720), seconds=24, frames=(8, 4))
"""1196 tokens a frame: 14,352 visual tokens an episode."""
SHORT = Footage(clips=4, size=(168, 112), seconds=8, frames=(3, 2))


class ExactScript:
    """A policy that says given turns, with the ids that a model folder's prompts have.

    Args:
        folder: the model; its weights are not loaded.
        turns: what it says, by the number of turns said before.
    """

    def __init__(self, folder: Path, turns: Sequence[str]) -> None:
        processor = load_processor(folder)
        grid = visual_grid(processor)
        self.info = PolicyInfo(name="script", backend="scripted", grid=grid)
        self._tokenizer = processor.tokenizer
        self._prompts = PromptBuilder(processor, grid)
        self._turns = turns

    def generate(self, request: PolicyRequest) -> Completion:
        """The next turn."""
        text = self._turns[sum(isinstance(one, AIMessage) for one in request.messages)]
        prompt = self._prompts.build(request)
        ids = tuple(self._tokenizer(text + END_OF_TURN, add_special_tokens=False)["input_ids"])
        self._prompts.remember(request.conversation_id, prompt, text + END_OF_TURN, ids)
        return Completion(
            text=text,
            prompt_tokens=len(prompt.token_ids),
            completion_tokens=len(ids),
            prompt_token_ids=prompt.token_ids,
            token_ids=ids,
            image_grids=prompt.grids,
        )

    async def agenerate(self, request: PolicyRequest) -> Completion:
        """Like `generate`."""
        return self.generate(request)


def write_episodes(model: Path, folder: Path, footage: Footage) -> dict[str, Any]:
    """Render clips, play episodes and export them; `run/`, `grpo/` and `questions.jsonl`.

    Args:
        model: folder whose tokenizer and image processor make the ids.
        folder: to write in.
        footage: how much there is to see.
    """
    started = time.monotonic()
    clips = _clips(folder, footage)
    run = folder / "run"
    for clip in clips:
        for letter in _OPTIONS:
            agent = VideoAgent(ExactScript(model, _turns(footage, letter)))
            agent.run(clip, _QUESTION, options=_OPTIONS, record=run)
    tokens = _label(RunStore(run))
    export(ExportRequest(runs=[run], form=TrlGrpo(), out=folder / "grpo"))
    return {
        "episodes": len(tokens),
        "images": sum(footage.frames),
        "tokens": [min(tokens), max(tokens)],
        "seconds": time.monotonic() - started,
    }


def _clips(folder: Path, footage: Footage) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    clips = [
        make_clip(
            folder / f"clip{number}.mp4",
            seconds=footage.seconds + number,
            size=footage.size,
            fps=4,
        )
        for number in range(footage.clips)
    ]
    asked = {"question": _QUESTION, "options": list(_OPTIONS.values()), "answer": _RIGHT}
    lines = [json.dumps({"video": clip.name, **asked}) + "\n" for clip in clips]
    (folder / "questions.jsonl").write_text("".join(lines), encoding="utf-8")
    return clips


def _turns(footage: Footage, letter: str) -> list[str]:
    scan, close = footage.frames
    return [
        _look(0, footage.seconds - 1, scan, "Nothing is known yet."),
        _look(2, 4, close, "The moment is at 3 s."),
        f"Reflection: At [00:03] it is {_OPTIONS[letter]}.\n<answer>{letter}</answer>",
    ]


def _look(start: float, end: float, frames: int, summary: str) -> str:
    arguments = {"start_time": start, "end_time": end, "nframes": frames, "resize": 1.0}
    planned = Look(
        tool="frame_select", arguments=arguments, estimated_visual_tokens=0, reason="look"
    )
    call = write_call("frame_select", arguments)
    plan = write_plan((planned,), (0,))
    return f"Summary: {summary}\nPlan:\n{plan}\n<tool_call>{call}</tool_call>"


def _label(store: RunStore) -> list[int]:
    """Say which answers are right; the tokens of each episode."""
    records = list(store.records())
    for record in records:
        if record.error is not None or record.answer is None:
            raise RuntimeError(f"an episode failed: {record.error}")
    store.amend(
        record.model_copy(
            update={
                "expected": _RIGHT,
                "desirable": record.answer == _RIGHT,
                "reward": float(record.answer == _RIGHT),
            }
        )
        for record in records
    )
    lasts = [record.turns[-1] for record in records]
    return [(turn.prompt_tokens or 0) + (turn.completion_tokens or 0) for turn in lasts]
