"""`verl`: Parquet rows for verl's `RLHFDataset`, text with `<image>` tags and the encoded pictures.

Two kinds of rows, told apart by `data_source`. `eva_graph/question`: the question alone, without a
picture, for an agent loop of yours that looks into `extra_info.video`; the ground truth is the
reference answer. `eva_graph/turn`: the prefix of a turn that looked, with its pictures, for
single-turn RL; the ground truth is the logged call, which `eva_graph_training/pivot_score.py`
scores as verl's `custom_reward_function`. The columns are plain Arrow types, which old `datasets`
read too.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from datasets import Features, List, Value

from eva_graph.dialects import Question
from eva_graph.trajectory import Trajectory
from eva_graph_training.export.chat import ChatMessage, frames_of, opening, transcript
from eva_graph_training.export.frames import FramePlaces, tagged
from eva_graph_training.export.pivot import PivotStep, pivot_steps
from eva_graph_training.export.row import FormFile, FrameDelivery, Left, Row, Unfit

QUESTIONS, TURNS = "eva_graph/question", "eva_graph/turn"
VERL_FEATURES = Features(
    {
        "data_source": Value("string"),
        "prompt": List({"role": Value("string"), "content": Value("string")}),
        "images": List({"bytes": Value("binary"), "path": Value("string")}),
        "ability": Value("string"),
        "reward_model": {"style": Value("string"), "ground_truth": Value("string")},
        "extra_info": {
            "index": Value("int64"),
            "trajectory_id": Value("string"),
            "turn": Value("int64"),
            "video": Value("string"),
            "video_id": Value("string"),
            "question": Value("string"),
            "options": Value("string"),
        },
    }
)
_TAGS = ("<image>", "<video>", "<audio>")


class Verl:
    """Questions with a reference answer, and the prefixes of turns that looked."""

    name = "verl"
    consumer = "verl's RLHFDataset (`data.train_files=train.parquet data.image_key=images`)"
    deliveries = (FrameDelivery.INLINE,)
    re_encodes = True
    how_to_load = """\
python -m verl.trainer.main_ppo data.train_files=train.questions.parquet ...
python -m verl.trainer.main_ppo data.train_files=train.parquet data.image_key=images \\
    custom_reward_function.path=.../eva_graph_training/pivot_score.py ...
"""

    def files(self) -> Sequence[FormFile]:
        """Turns with pictures, and questions."""
        return [
            FormFile(kind="parquet", features=VERL_FEATURES),
            FormFile(part=".questions", kind="parquet", features=VERL_FEATURES),
        ]

    def rows(self, record: Trajectory, places: FramePlaces) -> Iterable[Row | Left]:
        """The question once for all its episodes, and each look. Raises `Unfit`."""
        prompt = opening(transcript(record))
        if record.expected is None:
            yield Left(part=".questions", reason="no reference answer")
        else:
            question = Question(text=record.question, options=record.options)
            yield Row(
                values=_question(record, prompt),
                conversation=prompt,
                part=".questions",
                key=f"{record.video.video_id} {question}",
            )
        try:
            for step in pivot_steps(record):
                yield Row(values=_turn(record, step, places), conversation=step.prefix)
        except Unfit as unfit:
            yield Left(part="", reason=str(unfit))

    def companions(self, sides: Sequence[str]) -> Mapping[str, str]:
        """None."""
        return {}


def _question(record: Trajectory, prompt: Sequence[ChatMessage]) -> dict[str, Any]:
    return {
        "data_source": QUESTIONS,
        "prompt": _messages(prompt),
        "images": [],
        "ability": "video_question_answering",
        "reward_model": {"style": "rule", "ground_truth": record.expected},
        "extra_info": _extra(record, turn=1),
    }


def _turn(record: Trajectory, step: PivotStep, places: FramePlaces) -> dict[str, Any]:
    return {
        "data_source": TURNS,
        "prompt": _messages(step.prefix),
        "images": [{"bytes": places.data(ref), "path": None} for ref in frames_of(step.prefix)],
        "ability": "video_tool_call",
        "reward_model": {"style": "rule", "ground_truth": step.target},
        "extra_info": _extra(record, turn=step.turn),
    }


def _extra(record: Trajectory, *, turn: int) -> dict[str, Any]:
    name = f"{record.trajectory_id}:{turn}"
    return {
        "index": int(hashlib.sha256(name.encode()).hexdigest()[:12], 16),
        "trajectory_id": record.trajectory_id,
        "turn": turn,
        "video": record.video.path,
        "video_id": record.video.video_id,
        "question": record.question,
        "options": json.dumps(record.options, ensure_ascii=False),
    }


def _messages(messages: Sequence[ChatMessage]) -> list[dict[str, str]]:
    return [{"role": message.role, "content": tagged(message, _TAGS)} for message in messages]
