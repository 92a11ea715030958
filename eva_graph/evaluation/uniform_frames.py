"""What a passive baseline sees: frames spread evenly over the whole video. Pure arithmetic.

| `--baseline` | frames |
| --- | --- |
| `uniform:32` | 32 frames at full detail |
| `uniform:32@0.5` | 32 frames at half the side |
| `uniform:tokens=12000` | as many frames at full detail as 12,000 visual tokens pay for |
| `uniform:tokens=12000@0.5` | as many at half the side |
| `uniform:32,tokens=12000` | 32 frames, as large as 12,000 visual tokens allow |

`uniform-look` in place of `uniform` shows the same frames as the answer to a first look. Sizes and
their cost are those of the agent's looks (`VisualGrid`). What the policy's context has no room for
is made smaller, then fewer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal, cast

from eva_graph.errors import InvalidRequest
from eva_graph.limits import FRAME_TEXT_TOKENS
from eva_graph_tools import VideoInfo, VisualGrid

Form = Literal["uniform", "uniform-look"]

_SPEC: Final = re.compile(
    r"(?P<form>uniform|uniform-look):"
    r"(?P<nframes>[1-9]\d{0,5})?(?:(?<=\d),(?=t))?(?:(?<=[:,])tokens=(?P<tokens>[1-9]\d{0,8}))?"
    r"(?:@(?P<resize>0?\.\d{1,4}|1(?:\.0{1,4})?))?"
)
_STEPS: Final = 10_000
"""Sizes are told apart to a ten-thousandth of the side, as in the looks' own budget rule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedFrames:
    """How many frames at which size, and what differs from what was asked for.

    Attributes:
        nframes: at least 1.
        resize: factor on both sides, at most 1.
        notes: one short sentence each.
    """

    nframes: int
    resize: float
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class UniformFrames:
    """A baseline as the command line names it.

    Attributes:
        form: in one user message with the question, or as a look's answer.
        nframes: how many; None: as many as the tokens pay for.
        visual_tokens: for all frames together; None: no such bound.
        resize: largest factor on both sides.
    """

    form: Form
    nframes: int | None
    visual_tokens: int | None
    resize: float = 1.0

    @classmethod
    def parse(cls, text: str) -> UniformFrames:
        """Read a `--baseline`. Raises `InvalidRequest`."""
        match = _SPEC.fullmatch(text)
        if match is None or not (match["nframes"] or match["tokens"]):
            raise InvalidRequest(
                f"--baseline must look like uniform:32, uniform:32@0.5 or uniform:tokens=12000 "
                f"(or uniform-look:…), not {text!r:.60}"
            )
        resize = float(match["resize"] or 1)
        if resize == 0:
            raise InvalidRequest(f"--baseline {text}: frames of size 0 show nothing")
        return cls(
            form=cast("Form", match["form"]),
            nframes=int(match["nframes"]) if match["nframes"] else None,
            visual_tokens=int(match["tokens"]) if match["tokens"] else None,
            resize=resize,
        )

    def fitted(self, info: VideoInfo, grid: VisualGrid, *, room_tokens: int | None) -> FittedFrames:
        """The frames of one video.

        Args:
            info: of the video.
            grid: the policy's patches.
            room_tokens: what the frames and their labels may take of the context; None is any.
        """
        nframes, resize = self._wanted(info, grid)
        notes: tuple[str, ...] = ()
        if self.visual_tokens is not None:
            nframes, resize = _within(info, grid, nframes, resize, self.visual_tokens)
        if room_tokens is not None:
            fitting = _within(info, grid, nframes, resize, room_tokens, FRAME_TEXT_TOKENS)
            if fitting != (nframes, resize):
                nframes, resize = fitting
                noun = "frame" if nframes == 1 else "frames"
                notes = (f"reduced to {nframes} {noun} at resize {resize:g} to fit the context",)
        return FittedFrames(nframes=nframes, resize=resize, notes=notes)

    def _wanted(self, info: VideoInfo, grid: VisualGrid) -> tuple[int, float]:
        if self.nframes is not None:
            return min(self.nframes, info.frame_count), self.resize
        each = grid.estimate(info.width, info.height, self.resize, 1)
        paid = (self.visual_tokens or 0) // each
        return max(1, min(paid, info.frame_count)), self.resize


def _within(
    info: VideoInfo,
    grid: VisualGrid,
    nframes: int,
    resize: float,
    budget: int,
    label_tokens: int = 0,
) -> tuple[int, float]:
    """The largest size at which so many frames fit; where none does, as many of the smallest."""

    def cost(steps: int, frames: int) -> int:
        pixels = grid.estimate(info.width, info.height, steps / _STEPS, frames)
        return pixels + label_tokens * frames

    high = round(resize * _STEPS)
    if cost(high, nframes) <= budget:
        return nframes, resize
    if cost(1, nframes) > budget:
        return max(1, budget // cost(1, 1)), 1 / _STEPS
    low = 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if cost(middle, nframes) <= budget else (low, middle)
    return nframes, low / _STEPS
