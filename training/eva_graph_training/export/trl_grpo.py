"""`trl-grpo`: questions for the environment, and recorded rollouts with their exact token ids.

`train.parquet` has one prompt row a question, for `GRPOTrainer(environment_factory=…)`, which plays
them anew. `train.rollouts.parquet` has one row for each recorded episode as the policy's own ids,
for `eva_graph_training.rollouts.ExactRolloutTrainer`: nothing is tokenised again. An episode whose
ids do not continue from turn to turn (the server encoded its own text differently) is left out and
counted: cut in two it would count twice within its group.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from datasets import Features, Json, List, Value

from eva_graph.dialects import Question
from eva_graph.trajectory import Trajectory
from eva_graph_training.export.chat import (
    ChatMessage,
    frames_of,
    opening,
    transcript,
    written_in_phases,
)
from eva_graph_training.export.frames import FramePlaces
from eva_graph_training.export.row import FormFile, FrameDelivery, Left, Row, Unfit

ROLLOUTS = ".rollouts"
PROMPT_FEATURES = Features(
    {
        "prompt": List(Json()),
        "video": Value("string"),
        "video_id": Value("string"),
        "question": Value("string"),
        "options": Json(),
        "answer": Value("string"),
        "question_id": Value("string"),
        "time_reference": List(List(Value("float64"))),
    }
)
ROLLOUT_FEATURES = Features(
    {
        "group": Value("string"),
        "trajectory_id": Value("string"),
        "prompt": List(Json()),
        "completion": List(Json()),
        "prompt_ids": List(Value("int64")),
        "completion_ids": List(Value("int64")),
        "policy_mask": List(Value("int8")),
        "logprobs": List(Value("float32")),
        "frames": List(Value("string")),
        "image_grids": List(List(Value("int64"))),
        "question": Value("string"),
        "options": Json(),
        "answer": Value("string"),
        "reward": Value("float64"),
        "stop_reason": Value("string"),
    }
)


class TrlGrpo:
    """Prompt rows and exact rollouts; episodes written in phases are refused."""

    name = "trl-grpo"
    consumer = "TRL's GRPOTrainer: prompts for the environment, rollouts for ExactRolloutTrainer"
    deliveries = (FrameDelivery.PATH, FrameDelivery.INLINE)
    re_encodes = False
    how_to_load = """\
from datasets import load_dataset
from trl import GRPOTrainer

from eva_graph_training.rollouts import ExactRolloutTrainer, RecordedRollouts

prompts = load_dataset("parquet", data_files="train.parquet", split="train")
GRPOTrainer(train_dataset=prompts, environment_factory=..., reward_funcs=...)

recorded = RecordedRollouts.load("train.rollouts.parquet", per_prompt=8)
ExactRolloutTrainer(train_dataset=recorded.prompts(), source=recorded, reward_funcs=...)
"""

    def files(self) -> Sequence[FormFile]:
        """Prompts and rollouts."""
        return [
            FormFile(kind="parquet", features=PROMPT_FEATURES),
            FormFile(part=ROLLOUTS, kind="parquet", features=ROLLOUT_FEATURES),
        ]

    def rows(self, record: Trajectory, places: FramePlaces) -> Iterable[Row | Left]:
        """The question, and the episode as ids where they are whole. Raises `Unfit`."""
        if written_in_phases(record):
            raise Unfit("written in phases: parts of its turns were not sampled by one call")
        messages = transcript(record)
        prompt = opening(messages)
        yield Row(
            values=_prompt(record, prompt),
            conversation=prompt,
            key=f"{record.video.video_id} {Question(text=record.question, options=record.options)}",
        )
        reason = _broken(record)
        if reason is not None:
            yield Left(part=ROLLOUTS, reason=reason)
            return
        values = _rollout(record, messages, places)
        tokens = len(values["prompt_ids"]) + len(values["completion_ids"])
        yield Row(values=values, conversation=messages, tokens=tokens, part=ROLLOUTS)

    def companions(self, sides: Sequence[str]) -> Mapping[str, str]:
        """None."""
        return {}


def _broken(record: Trajectory) -> str | None:
    """Why the episode's own token ids cannot be replayed, or None."""
    if record.stop_reason == "policy_error":
        return "the policy's server failed"
    if any(turn.edited for turn in record.turns):
        return "a turn was edited by a person"
    if any(turn.tokens is None for turn in record.turns):
        return "no token ids were recorded"
    if not all(turn.tokens.prefix_ok for turn in record.turns if turn.tokens):
        return "the ids of a prompt do not continue those before it (re-tokenised by the server)"
    if any(turn.tokens.image_grids is None for turn in record.turns[1:] if turn.tokens):
        return "no image grids were recorded"
    return None


def _prompt(record: Trajectory, prompt: Sequence[ChatMessage]) -> dict[str, Any]:
    return {
        "prompt": _texts(prompt),
        "video": record.video.path,
        "video_id": record.video.video_id,
        "question": record.question,
        "options": record.options,
        "answer": record.expected,
        "question_id": record.question_id,
        "time_reference": [list(stretch) for stretch in record.time_reference],
    }


def _rollout(
    record: Trajectory, messages: Sequence[ChatMessage], places: FramePlaces
) -> dict[str, Any]:
    tokens = [turn.tokens for turn in record.turns if turn.tokens is not None]
    prompt = opening(messages)
    prompt_ids = tokens[0].prompt_delta_ids
    completion_ids: list[int] = []
    mask: list[int] = []
    logprobs: list[float] = []
    for number, turn in enumerate(tokens):
        shown = turn.prompt_delta_ids if number else []
        completion_ids += [*shown, *turn.token_ids]
        mask += [0] * len(shown) + [1] * len(turn.token_ids)
        logprobs += [0.0] * len(shown) + (turn.logprobs or [])
    return {
        "group": _group(record, prompt, prompt_ids),
        "trajectory_id": record.trajectory_id,
        "prompt": _texts(prompt),
        "completion": _texts(messages[len(prompt) :]),
        "prompt_ids": prompt_ids,
        "completion_ids": completion_ids,
        "policy_mask": mask,
        "logprobs": logprobs if len(logprobs) == len(mask) else None,
        "frames": [places.address(frame) for frame in frames_of(messages)[: _images(tokens)]],
        "image_grids": [list(grid) for turn in tokens for grid in turn.image_grids or ()],
        "question": record.question,
        "options": record.options,
        "answer": record.expected,
        "reward": record.reward,
        "stop_reason": record.stop_reason,
    }


def _images(tokens: Sequence[Any]) -> int:
    return sum(len(turn.image_grids or ()) for turn in tokens)


def _texts(messages: Sequence[ChatMessage]) -> list[dict[str, str]]:
    return [{"role": message.role, "content": message.text} for message in messages]


def _group(record: Trajectory, prompt: Sequence[ChatMessage], prompt_ids: Sequence[int]) -> str:
    """Names all rollouts that began with this very prompt."""
    seed = [record.video.video_id, _texts(prompt), list(prompt_ids)]
    return hashlib.sha256(json.dumps(seed).encode()).hexdigest()[:24]
