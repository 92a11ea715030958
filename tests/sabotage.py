"""Ways in which images get lost between the rows and the loss; each changes one part of a real
trainer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from eva_graph.policy.processor import ImageOnlyProcessor, chat_template

Batch = dict[str, Any]


class AllFramesOne(Qwen2VLImageProcessorPil):
    def _preprocess(self, images: list[np.ndarray], **kwargs: Any) -> Any:
        return super()._preprocess([images[0]] * len(images), **kwargs)


class ShiftedFrames(Qwen2VLImageProcessorPil):
    def _preprocess(self, images: list[np.ndarray], **kwargs: Any) -> Any:
        return super()._preprocess([*images[1:], images[0]], **kwargs)


class GreyFrames(Qwen2VLImageProcessorPil):
    def _preprocess(self, images: list[np.ndarray], **kwargs: Any) -> Any:
        return super()._preprocess([np.full_like(image, 90) for image in images], **kwargs)


def all_frames_one(processor: ImageOnlyProcessor) -> None:
    processor.image_processor.__class__ = AllFramesOne


def shifted_frames(processor: ImageOnlyProcessor) -> None:
    processor.image_processor.__class__ = ShiftedFrames


def grey_frames(processor: ImageOnlyProcessor) -> None:
    processor.image_processor.__class__ = GreyFrames


def imageless_tool_turns(processor: ImageOnlyProcessor) -> None:
    """The chat template writes images of user turns alone, as some released ones do."""
    kept = "part.type in ('image', 'image_url') and message.role != 'tool'"
    template = chat_template().replace("part.type in ('image', 'image_url')", kept)
    template = template.replace("macro body(content)", "macro body(content, message)")
    template = template.replace("body(message.content)", "body(message.content, message)")
    processor.chat_template = processor.tokenizer.chat_template = template


def without_pixels(inner: Callable[[Sequence[Any]], Batch]) -> Callable[[Sequence[Any]], Batch]:
    """A collator that loses them."""

    def collate(examples: Sequence[Any]) -> Batch:
        batch = inner(examples)
        del batch["pixel_values"], batch["image_grid_thw"]
        return batch

    return collate


def deaf_to_pixels(model: Any) -> None:
    """The model drops `pixel_values` before it runs."""

    def drop(_: Any, args: Any, kwargs: Batch) -> tuple[Any, Batch]:
        return args, {**kwargs, "pixel_values": None, "image_grid_thw": None}

    model.register_forward_pre_hook(drop, with_kwargs=True)


def blind_tower(model: Any) -> None:
    """The vision tower gives the same for every picture."""
    with torch.no_grad():
        for weight in model.get_submodule("model.visual").merger.parameters():
            weight.zero_()
