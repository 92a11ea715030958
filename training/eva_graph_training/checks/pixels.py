"""Pixels that a model is given against the frames that its row names.

Patches are put together to pictures again and compared with an own decode of the stored bytes: the
image processor is not asked, so whatever it does wrong shows.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from eva_graph.policy.processor import ImageOnlyProcessor
from eva_graph_training.checks.rows import Frame, RowView
from eva_graph_training.errors import BatchFault
from eva_graph_training.export.frames import open_frame

Levels = npt.NDArray[np.float32]
"""H x W x 3, values 0 to 255."""

_SAME_LEVELS = 0.9
"""Greatest difference of equal pictures: bfloat16 rounds by up to 0.7 levels."""
_RESIZED_LEVELS = 4.0
"""Mean difference of pictures that were resized by one filter in two programs."""
_CONTENT_ADDRESS = re.compile(r"[0-9a-f]{64}")


def require_pixels(
    rows: Sequence[RowView], batch: Mapping[str, Any], processor: ImageOnlyProcessor
) -> None:
    """Check that `pixel_values` show the rows' frames, each in its place.

    Args:
        rows: what the batch was made of; counts were checked.
        batch: `pixel_values` (patches x features) and `image_grid_thw` (images x 3), or neither.
        processor: of the model that is trained.

    Raises:
        BatchFault: a picture is another one, or a stored frame was changed.
        DataError: a frame is no picture that can be read.
    """
    named = [(f"{row.name}, frame {n}", f) for row in rows for n, f in enumerate(row.frames)]
    if not named:
        return
    frames = [_decoded(frame, name) for name, frame in named]
    shown = _pictures(batch, processor)
    wrong = [n for n, frame in enumerate(frames) if not _same(shown[n], frame)]
    if wrong:
        name, frame = named[wrong[0]]
        raise BatchFault(f"{name} ({_address(frame)}): {_cause(wrong[0], shown, frames)}")


def _cause(place: int, shown: Sequence[Levels], frames: Sequence[Levels]) -> str:
    """What stands in the place of a frame."""
    if len(shown) > 1 and all(np.array_equal(shown[0], picture) for picture in shown[1:]):
        return "all frames of the batch were replaced by one"
    for other, frame in enumerate(frames):
        if other != place and _same(shown[place], frame):
            return (
                f"its place shows frame {other} of the batch instead of {place}: frames are "
                "shifted or mixed up"
            )
    return "the pixels are not those of the stored frame: something changes images on the way"


def _decoded(frame: Frame, name: str) -> Levels:
    if isinstance(frame, Image.Image):
        return np.asarray(frame.convert("RGB"), np.float32)
    address = Path(frame)
    if not frame.startswith("data:") and _CONTENT_ADDRESS.fullmatch(address.stem):
        data = address.read_bytes() if address.is_file() else b""
        if hashlib.sha256(data).hexdigest() != address.stem:
            raise BatchFault(f"{name} ({_address(frame)}): the stored file is gone or was changed")
    return np.asarray(open_frame(frame), np.float32)


def _pictures(batch: Mapping[str, Any], processor: ImageOnlyProcessor) -> list[Levels]:
    """The pictures that the patches of a batch make."""
    grids = batch["image_grid_thw"].tolist()
    pixels = batch["pixel_values"].detach().to("cpu", torch.float32).numpy()
    ends = np.cumsum([int(np.prod(grid)) for grid in grids])
    return [
        _picture(patches, grid, processor.image_processor)
        for patches, grid in zip(np.split(pixels, ends[:-1]), grids, strict=True)
    ]


def _picture(patches: Levels, grid: Sequence[int], image_processor: Any) -> Levels:
    """The inverse of Qwen's patches: merge blocks of patches in reading order, a picture twice."""
    _, high, wide = grid
    patch, merge = image_processor.patch_size, image_processor.merge_size
    parts = patches.reshape(high // merge, wide // merge, merge, merge, 3, -1, patch, patch)
    whole = parts[:, :, :, :, :, 0].transpose(0, 2, 5, 1, 3, 6, 4)
    levels: Levels = whole.reshape(high * patch, wide * patch, 3)
    spread = np.asarray(image_processor.image_std, np.float32)
    mean = np.asarray(image_processor.image_mean, np.float32)
    return (levels * spread + mean) / np.float32(image_processor.rescale_factor)


def _same(shown: Levels, frame: Levels) -> bool:
    if shown.shape == frame.shape:
        return float(np.abs(shown - frame).max()) < _SAME_LEVELS
    high, wide = shown.shape[:2]
    resized = Image.fromarray(frame.astype(np.uint8)).resize((wide, high), Image.Resampling.BICUBIC)
    return float(np.abs(shown - np.asarray(resized, np.float32)).mean()) < _RESIZED_LEVELS


def _address(frame: Frame) -> str:
    return frame[-24:] if isinstance(frame, str) else "shown by its environment"
