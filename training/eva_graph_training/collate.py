"""The KTO collator for whole trajectories: images in tool turns, loss on the policy's turns alone.

TRL's own vision collator takes images from the prompt, encodes the completion without any, and
learns every completion token, tool replies included. KTOTrainer itself asks only for `input_ids`,
`attention_mask`, `completion_mask` and `label` (and their `KL_` twins) and hands every vision
tensor to the model. So this collator is all that differs.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers.data.data_collator import DataCollatorMixin

from eva_graph.policy.processor import ImageOnlyProcessor
from eva_graph_training.errors import DataError

Messages = list[dict[str, Any]]
_TWINS = ("input_ids", "attention_mask", "completion_mask", "mm_token_type_ids")


@dataclass
class TrajectoryCollator(DataCollatorMixin):
    """Rows of a `trl-kto` file to a batch of B rows padded on the right to T tokens.

    Attributes:
        processor: of the model that is trained, with the project's chat template.
        calculate_kl: make the mismatched pairs of KTO's KL term; off for `apo_zero_unpaired`.
        max_length: a row with more tokens is refused, never cut: filter when exporting.
    """

    processor: ImageOnlyProcessor
    calculate_kl: bool = True
    max_length: int | None = None
    return_tensors: str = "pt"

    def torch_call(self, examples: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """`input_ids`, `attention_mask`, `completion_mask` (B x T), `label` (B), `pixel_values`.

        `completion_mask` covers exactly the assistant turns that may be learned. With
        `calculate_kl` there are also `KL_input_ids` and the like: each completion behind the prompt
        of another row. Prompts move, not completions, so that images stay in row order and one
        `pixel_values` serves both; the KL term is a mean over the batch, so order does not matter.

        Raises:
            DataError: a row is too long, has nothing to learn or an image in its prompt; or the
                images of the batch are not those that its tokens stand for.
        """
        for example in examples:
            _check_prompt(example["prompt"])
        batch = self._render([example["prompt"] + example["completion"] for example in examples])
        self._check(batch)
        if self.calculate_kl:
            batch |= self._mismatched(examples)
        batch["label"] = torch.tensor([bool(example["label"]) for example in examples])
        return batch

    def _mismatched(self, examples: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        if len(examples) < 2:
            raise DataError("KTO's KL term needs at least 2 rows a batch: raise the batch size")
        moved = _moved([example["prompt"] for example in examples])
        pairs = zip(moved, examples, strict=True)
        kl = self._render([prompt + example["completion"] for prompt, example in pairs])
        return {f"KL_{key}": kl[key] for key in _TWINS if key in kl}

    def _render(self, conversations: list[Messages]) -> dict[str, Any]:
        encoded: Any = self.processor.apply_chat_template(
            conversations,
            tokenize=True,
            return_dict=True,
            return_tensors=self.return_tensors,
            return_assistant_tokens_mask=True,
            processor_kwargs={
                "padding": True, "padding_side": "right", "add_special_tokens": False
            },
        )  # fmt: skip
        batch: dict[str, Any] = dict(encoded)
        batch["completion_mask"] = batch.pop("assistant_masks").to(torch.long)
        return batch

    def _check(self, batch: Mapping[str, Any]) -> None:
        lengths = batch["attention_mask"].sum(dim=1)
        if self.max_length is not None and int(lengths.max()) > self.max_length:
            raise DataError(
                f"a row has {int(lengths.max())} tokens, the limit is {self.max_length}: "
                "export with --max-tokens, rows are never cut"
            )
        if not bool(batch["completion_mask"].any(dim=1).all()):
            raise DataError("a row has no turn that may be learned")
        pads = int((batch["input_ids"] == self.processor.image_token_id).sum())
        grids = batch.get("image_grid_thw")
        patches = 0 if grids is None else int(grids.prod(dim=1).sum())
        shown = 0 if grids is None else int(batch["pixel_values"].shape[0])
        if shown != patches or pads != patches // self.processor.image_processor.merge_size**2:
            raise DataError(f"{pads} image tokens stand for {patches} patches, {shown} are there")


def _moved(prompts: Sequence[Messages]) -> list[Messages]:
    """The prompts turned by as many places as sets most rows beside another prompt than theirs."""
    turns = [[*prompts[places:], *prompts[:places]] for places in range(1, len(prompts))]
    different = [sum(map(operator.ne, prompts, turned)) for turned in turns]
    if not any(different):
        raise DataError("all rows of a batch have one prompt: KTO's KL term needs different ones")
    return turns[different.index(max(different))]


def _check_prompt(prompt: Messages) -> None:
    for message in prompt:
        parts = [] if isinstance(message["content"], str) else message["content"]
        if any(part["type"] == "image" for part in parts):
            raise DataError("a prompt holds an image: KTO's mismatched pairs would mix images")
