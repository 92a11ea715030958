"""Rows too long for a run are left out whole, and counted: a cut would break an image or take the
answer out of the loss.

Tokens are counted without decoding a picture: the text by the model's tokenizer, a frame by its
size, which the file's first bytes tell, and the grid arithmetic of the image processor.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from datasets import Dataset
from PIL import Image

from eva_graph.policy.processor import ImageOnlyProcessor
from eva_graph_training.checks.rows import Frame, frames_of, messages_of
from eva_graph_training.errors import DataError


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitting:
    """The rows of a set that fit a run.

    Attributes:
        rows: those with `max_tokens` or fewer, in order.
        left_out: how many have more.
        longest: tokens of the longest row of all.
        max_tokens: the limit.
    """

    rows: Dataset
    left_out: int
    longest: int
    max_tokens: int

    def __str__(self) -> str:
        found = self.left_out + len(self.rows)
        return (
            f"{self.left_out:,} of {found:,} rows have more than {self.max_tokens:,} tokens and "
            f"are left out whole (the longest has {self.longest:,})"
        )


def rows_within(rows: Dataset, processor: ImageOnlyProcessor, *, max_tokens: int) -> Fitting:
    """Leave out the rows that are too long.

    Args:
        rows: SFT rows (`messages`) or KTO rows (`prompt`, `completion`).
        processor: of the model that is trained.
        max_tokens: a row's limit, image tokens counted.

    Raises:
        DataError: no row fits, or a frame is no picture that can be read.
    """
    lengths = [row_tokens(row, processor) for row in rows]
    kept = [number for number, length in enumerate(lengths) if length <= max_tokens]
    if not kept:
        raise DataError(
            f"all {len(lengths):,} rows have more than {max_tokens:,} tokens: raise the limit, "
            "or record with a smaller look budget"
        )
    return Fitting(
        rows=rows.select(kept),
        left_out=len(lengths) - len(kept),
        longest=max(lengths),
        max_tokens=max_tokens,
    )


def row_tokens(row: Mapping[str, Any], processor: ImageOnlyProcessor) -> int:
    """Tokens of a row as the collators make them. Raises `DataError`."""
    messages = messages_of(row)
    text = processor.tokenizer.apply_chat_template(messages, tokenize=False)
    ids = processor.tokenizer(text, add_special_tokens=False)["input_ids"]
    frames = frames_of(messages)
    return len(ids) - len(frames) + sum(_frame_tokens(frame, processor) for frame in frames)


def _frame_tokens(frame: Frame, processor: ImageOnlyProcessor) -> int:
    """The text holds one token for a frame, the model gets one a merged patch."""
    width, height = _size(frame) if isinstance(frame, str) else frame.size
    image = processor.image_processor
    return int(image.get_number_of_image_patches(height, width) // image.merge_size**2)


@lru_cache(maxsize=65_536)
def _size(address: str) -> tuple[int, int]:
    try:
        if address.startswith("data:"):
            source = io.BytesIO(base64.b64decode(address.partition(",")[2], validate=True))
            with Image.open(source) as image:
                return (image.width, image.height)
        with Image.open(address) as image:
            return (image.width, image.height)
    except (OSError, ValueError) as error:
        raise DataError(f"{address[:120]} is no picture that can be read: {error}") from None
