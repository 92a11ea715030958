"""Token ids of a transcript, for models that run in this process.

The prompt of a later turn is the prompt of the turn before, the ids that were sampled, and the ids
of what came after them; so what the model wrote is never tokenised again. Where that history is not
known (another process, an edited transcript) the whole text is encoded. A prompt whose image places
and frames differ in number is refused: an image that the policy did not see is an error.
"""

from __future__ import annotations

import io
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage, SystemMessage, ToolMessage
from PIL import Image

from eva_graph.blocks import blocks_of, frame_of, frames_of
from eva_graph.errors import PolicyRejected
from eva_graph.policy.protocol import PolicyRequest
from eva_graph_tools import FrameRef, VisualGrid

Grid = tuple[int, int, int]
_IMAGE_PAD = "<|image_pad|>"
_REMEMBERED_CONVERSATIONS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """Everything that the model is given.

    Attributes:
        text: the rendered transcript, one pad per image.
        token_ids: the same as ids, pads expanded.
        grids: patch grid (time, height, width) of every image.
        pixel_values: patches of all images, a tensor of patches x values; None without images.
    """

    text: str
    token_ids: tuple[int, ...]
    grids: tuple[Grid, ...]
    pixel_values: Any


@dataclass(frozen=True, slots=True)
class _Known:
    text: str
    token_ids: tuple[int, ...]
    images: int


class PromptBuilder:
    """Makes prompts with one processor. Not thread-safe.

    Args:
        processor: see `eva_graph.policy.processor`.
        grid: its patches, to tell final sizes.
    """

    def __init__(self, processor: Any, grid: VisualGrid) -> None:
        self._processor = processor
        self._grid = grid
        self._known: OrderedDict[str, _Known] = OrderedDict()

    def build(self, request: PolicyRequest) -> Prompt:
        """The prompt of a request.

        Raises:
            PolicyRejected: image places and frames differ, or the processor changed a final size.
            FrameMissing: a frame cannot be read.
        """
        text = self._render(request.messages)
        refs = list(frames_of(request.messages))
        pixel_values, grids = self._images(request, refs)
        known = self._known.get(request.conversation_id, _Known("", (), 0))
        if not text.startswith(known.text) or known.images > len(refs):
            known = _Known("", (), 0)
        rest = self._encode(text[len(known.text) :], grids[known.images :])
        return Prompt(
            text=text,
            token_ids=(*known.token_ids, *rest),
            grids=tuple(grids),
            pixel_values=pixel_values,
        )

    def remember(
        self, conversation_id: str, prompt: Prompt, text: str, sampled_ids: Sequence[int]
    ) -> None:
        """Continue from these ids once the transcript holds `text` after the prompt.

        `text` is exactly what `sampled_ids` say, the end-of-turn token included where it was
        sampled.
        """
        if self._processor.image_token_id in sampled_ids:
            return  # a pad that no image belongs to; the text, which lacks it, is encoded instead
        self._known[conversation_id] = _Known(
            prompt.text + text, (*prompt.token_ids, *sampled_ids), len(prompt.grids)
        )
        self._known.move_to_end(conversation_id)
        if len(self._known) > _REMEMBERED_CONVERSATIONS:
            self._known.popitem(last=False)

    def _render(self, messages: Sequence[AnyMessage]) -> str:
        rendered: str = self._processor.tokenizer.apply_chat_template(
            [_template_message(message) for message in messages],
            tokenize=False,
            add_generation_prompt=True,
        )
        return rendered

    def _images(self, request: PolicyRequest, refs: Sequence[FrameRef]) -> tuple[Any, list[Grid]]:
        if not refs:
            return None, []
        images = [Image.open(io.BytesIO(request.load_frame(ref))).convert("RGB") for ref in refs]
        features = self._processor.image_processor(images=images, return_tensors="pt")
        grids: list[Grid] = [tuple(grid) for grid in features["image_grid_thw"].tolist()]
        for ref, grid in zip(refs, grids, strict=True):
            self._check_unchanged(ref, grid)
        return features["pixel_values"], grids

    def _check_unchanged(self, ref: FrameRef, grid: Grid) -> None:
        patch = self._processor.image_processor.patch_size
        height, width = grid[1] * patch, grid[2] * patch
        is_final = self._grid.final_size(ref.width, ref.height, 1.0) == (ref.width, ref.height)
        if is_final and (width, height) != (ref.width, ref.height):
            raise PolicyRejected(
                f"the image processor made {width}x{height} of a {ref.width}x{ref.height} frame "
                "whose size was final: its settings contradict the policy's visual grid"
            )

    def _encode(self, text: str, grids: Sequence[Grid]) -> list[int]:
        pieces = text.split(_IMAGE_PAD)
        if len(pieces) != len(grids) + 1:
            raise PolicyRejected(
                f"the transcript has {len(pieces) - 1} image places for {len(grids)} frames: "
                f"no text may contain {_IMAGE_PAD}"
            )
        merged = self._processor.image_processor.merge_size**2
        expanded = pieces[0]
        for (time, height, width), piece in zip(grids, pieces[1:], strict=True):
            expanded += _IMAGE_PAD * (time * height * width // merged) + piece
        ids: list[int] = self._processor.tokenizer(expanded, add_special_tokens=False)["input_ids"]
        return ids


def _template_message(message: AnyMessage) -> dict[str, Any]:
    parts = [
        {"type": "text", "text": block["text"]} if frame_of(block) is None else {"type": "image"}
        for block in blocks_of(message)
    ]
    return {"role": _role(message), "content": parts}


def _role(message: AnyMessage) -> str:
    if isinstance(message, AIMessage):
        return "assistant"
    if isinstance(message, ToolMessage):
        return "tool"
    return "system" if isinstance(message, SystemMessage) else "user"
