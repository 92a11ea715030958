"""How many tokens a row takes, counted without decoding a picture.

The text is encoded by the model's tokenizer; a frame counts by its size, which the file's first
bytes tell, and the grid arithmetic of the image processor. Rows too long for a run are left out by
this count, never cut: a cut would break an image or take the answer out of the loss.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from PIL import Image

from eva_graph.policy.processor import ImageOnlyProcessor
from eva_graph_training.checks.rows import Frame, frames_of, messages_of
from eva_graph_training.errors import DataError


def row_tokens(row: Mapping[str, Any], processor: ImageOnlyProcessor) -> int:
    """Tokens of a row as the collators make them. Raises `DataError`."""
    messages = messages_of(row)
    text = processor.tokenizer.apply_chat_template(messages, tokenize=False)
    ids = processor.tokenizer(text, add_special_tokens=False)["input_ids"]
    frames = frames_of(messages)
    return len(ids) - len(frames) + sum(_frame_tokens(frame, processor) for frame in frames)


def _frame_tokens(frame: Frame, processor: ImageOnlyProcessor) -> int:
    """The text holds one token for a frame, the model gets one a merged patch."""
    width, height = _size(frame)
    image = processor.image_processor
    return int(image.get_number_of_image_patches(height, width) // image.merge_size**2)


def _size(frame: Frame) -> tuple[int, int]:
    if isinstance(frame, Image.Image):
        return frame.size
    if not frame.startswith("data:"):
        return _file_size(frame)
    try:
        data = base64.b64decode(frame.partition(",")[2], validate=True)
        return _opened_size(io.BytesIO(data))
    except (OSError, ValueError) as error:
        raise DataError(f"{frame[:40]}… is no picture that can be read: {error}") from None


@lru_cache(maxsize=65_536)
def _file_size(path: str) -> tuple[int, int]:
    """Rows of one video share frames, so files are opened once."""
    try:
        return _opened_size(path)
    except OSError as error:
        raise DataError(f"{path} is no picture that can be read: {error}") from None


def _opened_size(source: str | io.BytesIO) -> tuple[int, int]:
    with Image.open(source) as image:
        return image.width, image.height
