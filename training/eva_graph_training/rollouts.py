"""GRPO on rollouts that were played elsewhere: exact token ids, images forwarded.

The stock trainer's `rollout_func` takes ids but no images: image tokens go in as plain tokens, no
`pixel_values`, and the loss looks normal. `ExactRolloutTrainer` hands the images to the branch in
which the parent puts those of its own tool loop, and checks that they arrived. It rests on the
tuple that TRL 1.16's private `_generate` returns; a test covers it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from datasets import Dataset
from transformers import PreTrainedModel
from trl import GRPOTrainer

from eva_graph_training.errors import DataError
from eva_graph_training.export.frames import open_frame
from eva_graph_training.parquet import read_parquet
from eva_graph_training.rewards.attempt import Attempt
from eva_graph_training.rewards.metrics import rollout_metrics

_COMPLETIONS, _EXTRA, _IMAGES, _TOOL_IMAGES = 3, 5, 6, 7
"""Places in the tuple that `_generate` returns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """One episode as the policy's own ids.

    Attributes:
        trajectory_id: names it in errors.
        prompt_ids, completion_ids: P and C ids, image pads expanded.
        policy_mask: C values, 1 where the policy sampled the id, 0 where the environment wrote it.
        logprobs: C values as sampled, 0 where the environment wrote; None where not recorded.
        frames: addresses of all images of prompt and completion, in order (`export.frames`).
        image_grids: (time, height, width) patches of each.
        completion: the messages after the prompt, for reward functions.
        reward: of the recorded episode; None where it was not scored.
        attempt: what `rewards` may look at, where the rollout is to be scored now.
    """

    trajectory_id: str
    prompt_ids: Sequence[int]
    completion_ids: Sequence[int]
    policy_mask: Sequence[int]
    logprobs: Sequence[float] | None
    frames: Sequence[str]
    image_grids: Sequence[Sequence[int]]
    completion: Sequence[Mapping[str, Any]]
    reward: float | None = None
    attempt: Attempt | None = None

    def __post_init__(self) -> None:
        if len(self.policy_mask) != len(self.completion_ids) or 1 not in self.policy_mask:
            raise DataError(f"rollout {self.trajectory_id}: its mask does not fit its ids")
        if len(self.frames) != len(self.image_grids):
            raise DataError(
                f"rollout {self.trajectory_id}: {len(self.frames)} frames, "
                f"{len(self.image_grids)} image grids"
            )


class RolloutSource(Protocol):
    """Gives rollouts to the trainer: recorded ones, or some that are played now."""

    def rollouts(
        self, rows: Sequence[Mapping[str, Any]], ranks: Sequence[int], step: int
    ) -> Sequence[Rollout]:
        """One rollout for each row, in order.

        Args:
            rows: data set rows; each question stands there once for each rollout of its group,
                some of them perhaps in another process.
            ranks: which rollout of its group each row asks for, counted from 0.
            step: optimiser steps so far.
        """
        ...


class RecordedRollouts:
    """Rollouts of a `trl-grpo` export, by the prompt that they began with.

    Args:
        rows: rows of a `train.rollouts.parquet`.
        per_prompt: rollouts in a GRPO group; prompts with fewer are left out and counted.

    Raises:
        DataError: no prompt has that many, or a row contradicts itself.
    """

    def __init__(self, rows: Sequence[Mapping[str, Any]], *, per_prompt: int) -> None:
        groups: dict[str, list[Mapping[str, Any]]] = {}
        for row in rows:
            groups.setdefault(row["group"], []).append(row)
        self._groups = {name: group for name, group in groups.items() if len(group) >= per_prompt}
        self._per_prompt = per_prompt
        self.left_out = len(rows) - sum(map(len, self._groups.values()))
        if not self._groups:
            raise DataError(
                f"no prompt has {per_prompt} recorded rollouts: record more, or use smaller groups"
            )

    @classmethod
    def load(cls, file: str | Path, *, per_prompt: int) -> RecordedRollouts:
        """Read an exported file. Raises `DataError`."""
        return cls(read_parquet(file), per_prompt=per_prompt)

    def prompts(self) -> Dataset:
        """The trainer's data set: one row a prompt."""
        columns = ("group", "prompt", "question", "options", "answer")
        firsts = [group[0] for group in self._groups.values()]
        return Dataset.from_list([{name: row[name] for name in columns} for row in firsts])

    def rollouts(
        self, rows: Sequence[Mapping[str, Any]], ranks: Sequence[int], step: int
    ) -> list[Rollout]:
        """See `RolloutSource`. Other steps take other rollouts, in turn, where there are more."""
        groups = [self._groups[row["group"]] for row in rows]
        places = [step * self._per_prompt + rank for rank in ranks]
        pairs = zip(groups, places, strict=True)
        return [_rollout(group[place % len(group)]) for group, place in pairs]


def _rollout(row: Mapping[str, Any]) -> Rollout:
    return Rollout(**{name: row[name] for name in Rollout.__dataclass_fields__ if name in row})


class ExactRolloutTrainer(GRPOTrainer):
    """GRPOTrainer whose rollouts come from a `RolloutSource`, ids untouched, images forwarded.

    Reward functions get the recorded messages as `completions`, and `recorded_reward`, `attempt`
    and `trajectory_id` beside the data set's columns.

    Args:
        source: where rollouts come from.
        kwargs: GRPOTrainer's; `num_generations` is the source's group size.
    """

    def __init__(self, *, source: RolloutSource, **kwargs: Any) -> None:
        super().__init__(rollout_func=self._replay, **kwargs)
        self._source = source
        self._rows: Sequence[Mapping[str, Any]] = ()
        self._playing: list[Rollout] = []
        for model in (self.model, self.ref_model):
            if model is not None:
                drop_empty_vision(self.accelerator.unwrap_model(model))

    def _replay(self, prompts: list[Any], trainer: GRPOTrainer) -> dict[str, Any]:
        ranks = self._ranks(len(prompts))
        self._playing = list(self._source.rollouts(self._rows, ranks, self.state.global_step))
        if len(self._playing) != len(prompts):
            raise DataError(f"{len(prompts)} rollouts were asked for, {len(self._playing)} given")
        return {
            "prompt_ids": [list(each.prompt_ids) for each in self._playing],
            "completion_ids": [list(each.completion_ids) for each in self._playing],
            "env_mask": [list(each.policy_mask) for each in self._playing],
            "logprobs": _all_or_none([each.logprobs for each in self._playing]),
            "recorded_reward": [each.reward for each in self._playing],
            "trajectory_id": [each.trajectory_id for each in self._playing],
            "attempt": [each.attempt for each in self._playing],
        }

    def _ranks(self, rows: int) -> list[int]:
        """A question's copies follow one another through the processes' rows, as sampled."""
        training = self.model is not None and self.model.training
        group = self.num_generations if training else self.num_generations_eval
        first = self.accelerator.process_index * rows
        return [(first + row) % group for row in range(rows)]

    def _generate(self, prompts: list[Any]) -> tuple[Any, ...]:
        self.tools = []  # the parent's way without a tool loop, where `env_mask` is read
        outputs = list(super()._generate(prompts))
        outputs[_COMPLETIONS] = [list(each.completion) for each in self._playing]
        images = [[open_frame(frame) for frame in each.frames] for each in self._playing]
        if any(images):
            outputs[_IMAGES] = [each or None for each in images]
            outputs[_TOOL_IMAGES] = images
            self.tools = [self._replay]  # not empty: the parent's way with images in completions
        return tuple(outputs)

    def _generate_and_score_completions(self, inputs: list[Any]) -> dict[str, Any]:
        self._rows = inputs
        outputs: dict[str, Any] = super()._generate_and_score_completions(inputs)
        self._check_images(outputs)
        return outputs

    def _calculate_rewards(self, *batch: Any) -> Any:
        attempts = [each.attempt for each in self._playing if each.attempt is not None]
        for name, value in rollout_metrics(attempts).items() if attempts else ():
            self._log_metric(name, value)
        return super()._calculate_rewards(*batch)

    def _check_images(self, outputs: Mapping[str, Any]) -> None:
        """The parent drops all images of a batch where tokens and features differ: refuse that."""
        grids = [list(grid) for each in self._playing for grid in each.image_grids]
        there = outputs.get("image_grid_thw")
        found = [] if there is None else there.tolist()
        if found != grids:
            names = ", ".join(each.trajectory_id for each in self._playing[:3])
            raise DataError(
                f"the processor made {len(found)} images of {len(grids)} recorded ones, or of "
                f"other sizes (rollouts {names}…): use the processor of the policy that recorded"
            )


def drop_empty_vision(model: PreTrainedModel) -> None:
    """Let a micro-batch without images pass: the trainer cuts it empty `pixel_values`.

    Qwen's vision tower cannot run on nothing; without them the forward pass is text only.
    """

    def hook(_: Any, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        pixels = kwargs.get("pixel_values")
        if isinstance(pixels, torch.Tensor) and pixels.shape[0] == 0:
            kwargs = {**kwargs, "pixel_values": None, "image_grid_thw": None}
        return args, kwargs

    model.base_model.register_forward_pre_hook(hook, with_kwargs=True)


def recorded_reward(recorded_reward: Sequence[float | None], **_: Any) -> list[float | None]:
    """Reward function that gives each rollout the reward in its record; None is left out."""
    return list(recorded_reward)


def _all_or_none(
    logprobs: Sequence[Sequence[float] | None],
) -> list[list[float]] | None:
    present = [list(each) for each in logprobs if each is not None]
    return present if len(present) == len(logprobs) else None
