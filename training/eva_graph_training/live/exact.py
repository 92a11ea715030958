"""A served episode as an exact rollout, or the reason why it is none.

Over chat completions the server tokenises the transcript anew in every turn. Where its ids for a
turn's text are not those that were sampled, later turns were written after other ids than the
trainer would be given: such an episode is none to train on. A server sends no image grids; they
follow from the frames' sizes, and every run of image tokens has to be as long as they say.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

from eva_graph.policy.processor import ImageOnlyProcessor
from eva_graph.policy.sampling import end_token_ids
from eva_graph.trajectory import RunStore, Trajectory
from eva_graph.trajectory.image_places import turn_places
from eva_graph.trajectory.integrity import check_record
from eva_graph.trajectory.schema import TokenRecord
from eva_graph_training.errors import TrainingError
from eva_graph_training.export.frames import FramePlaces
from eva_graph_training.export.row import FrameDelivery, Left, Unfit
from eva_graph_training.export.trl_grpo import TrlGrpo
from eva_graph_training.format import END_OF_TURN
from eva_graph_training.rewards.attempt import Attempt
from eva_graph_training.rollouts import Rollout

Grid = tuple[int, int, int]
NO_LOGPROBS = "the server gave no log-probabilities"
FOREIGN = "the policy wrote an image token or a foreign end token"


class NotExact(Exception):
    """An episode gives no rollout; the message is the reason that is counted."""


class ExactRollouts:
    """Makes rollouts of the records of one run.

    Args:
        store: the run, with the frames that were shown.
        processor: of the model that is trained.
        model: that model, for its end tokens.
    """

    def __init__(self, store: RunStore, processor: ImageOnlyProcessor, model: Any) -> None:
        self._store = store
        self._places = FramePlaces(store.frames, FrameDelivery.PATH, store.run)
        self._processor = processor
        own = processor.tokenizer.convert_tokens_to_ids(END_OF_TURN)
        self._foreign = end_token_ids(model, processor.tokenizer) - {own}
        self._foreign |= {processor.image_token_id, processor.video_token_id}

    def of_record(self, record: Trajectory, prompt: Sequence[Any]) -> Rollout:
        """The rollout of a finished episode.

        Args:
            record: as the run holds it.
            prompt: messages that it had to begin with.

        Raises:
            NotExact: its ids are not whole, or no ids to train on.
            TrainingError: what the server made of a prompt is not what the trainer makes of it.
            TrajectoryError, FrameMissing: the record or its frames cannot be read.
        """
        if record.stop_reason == "policy_error":
            raise NotExact(f"the policy's server failed: {record.error}")
        whole = self._with_grids(record)
        rollout = self._rollout(whole)
        self._require_prompt(rollout, prompt)
        if rollout.logprobs is None:
            raise NotExact(NO_LOGPROBS)
        sampled = zip(rollout.completion_ids, rollout.policy_mask, strict=True)
        if any(own and token in self._foreign for token, own in sampled):
            raise NotExact(FOREIGN)
        faults = check_record(whole, self._store.frames)
        if faults:
            raise TrainingError(f"vision-integrity check of a rollout: {faults[0]}")
        return replace(rollout, attempt=Attempt.of_record(record, self._store.frames.read))

    def _rollout(self, record: Trajectory) -> Rollout:
        try:
            rows = list(TrlGrpo().rows(record, self._places))
        except Unfit as unfit:
            raise NotExact(str(unfit)) from None
        row = rows[-1]
        if isinstance(row, Left):
            raise NotExact(row.reason)
        fields = Rollout.__dataclass_fields__
        return Rollout(**{name: value for name, value in row.values.items() if name in fields})

    def _require_prompt(self, rollout: Rollout, prompt: Sequence[Any]) -> None:
        tokenizer = self._processor.tokenizer
        text: str = tokenizer.apply_chat_template(
            list(prompt), tokenize=False, add_generation_prompt=True
        )
        expected = tokenizer(text, add_special_tokens=False)["input_ids"]
        if list(rollout.prompt_ids) != list(expected):
            raise TrainingError(
                "the server makes other ids of a prompt than the trainer: serve the model that the "
                "stage starts from with `eva-graph serve MODEL --training`, which sets the "
                "project's chat template, and with the same tools"
            )

    def _with_grids(self, record: Trajectory) -> Trajectory:
        """The record with the grids of its images, where the server gave ids and no grids."""
        shown = [[place.ref for place in each.places] for each in turn_places(record)]
        turns = []
        for turn in record.turns:
            tokens = turn.tokens
            if tokens is not None and tokens.image_grids is None and tokens.prefix_ok:
                grids = [self._grid(ref.width, ref.height) for ref in shown[turn.turn - 1]]
                self._require_pads(tokens, grids)
                tokens = tokens.model_copy(update={"image_grids": grids})
                turn = turn.model_copy(update={"tokens": tokens})
            turns.append(turn)
        return record.model_copy(update={"turns": turns})

    def _grid(self, width: int, height: int) -> Grid:
        patch = self._processor.image_processor.patch_size
        return 1, height // patch, width // patch

    def _require_pads(self, tokens: TokenRecord, grids: Sequence[Grid]) -> None:
        merged = self._processor.image_processor.merge_size**2
        expected = [time * height * width // merged for time, height, width in grids]
        found = list(_runs(tokens.prompt_delta_ids, self._processor.image_token_id))
        if found != expected:
            raise TrainingError(
                f"the server expanded {len(found)} images to {sum(found)} tokens, their sizes say "
                f"{len(expected)} images of {sum(expected)} tokens: it must have the image "
                "processor of the model that is trained"
            )


def _runs(ids: Sequence[int], token: int) -> Iterator[int]:
    """Lengths of the stretches of one token."""
    return (sum(1 for _ in run) for value, run in groupby(ids) if value == token)
