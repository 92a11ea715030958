"""EVA's text form exactly as the released harness plays it, so that published numbers reproduce.

Source: `eval-eva.py` and `select_frame_fallback.py` of the authors' evaluation repository at
758ad8d. Kept on purpose: labels recomputed from the *requested* range; an empty range becomes the
whole video; sizes below one patch become one pixel and are undercounted; the budget's rounding
overshoots; arguments of the wrong type lose the sample; nothing is told back; no forced answer.

One deviation: a call for more than `MAX_FRAMES` frames fails, where the harness would run out of
memory.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import AnyMessage, ToolMessage

from eva_graph.blocks import Block, frame_block, text_block
from eva_graph.dialects.base import CallResult, Closing, PreparedCall, Question
from eva_graph.dialects.eva import CLOSINGS, SYSTEM_TEXT, EvaDialect
from eva_graph.dialects.parsing import read_reference
from eva_graph.dialects.turn import Outcome, ToolCall
from eva_graph.policy.protocol import NativeCall
from eva_graph_tools import Frame, InvalidArguments, Tool, Video, VideoInfo, VisualGrid

PATCH_PIXELS = 28
MAX_SHORT_SIDE = 720
MAX_FRAMES = 4096


class SampleLost(InvalidArguments):
    """The harness itself raises on these arguments and scores the sample 0."""


def harness_estimate(nframes: Any, resize: Any, width: int, height: int) -> int:
    """Visual tokens as the harness counts them (it counts a 1-pixel side as one patch)."""
    rows: int = max(1, round(height * resize / PATCH_PIXELS))
    columns: int = max(1, round(width * resize / PATCH_PIXELS))
    return int(nframes) * rows * columns


def harness_fit(
    nframes: Any, resize: Any, *, width: int, height: int, budget: int
) -> tuple[Any, Any, int]:
    """nframes, resize and estimate after the harness's two-stage reduction.

    Raises whatever Python raises for arguments of the wrong type, as the harness does.
    """
    estimate = harness_estimate(nframes, resize, width, height)
    if estimate > budget:
        resize = min(resize, min(1.0, MAX_SHORT_SIDE / min(width, height)))
        estimate = harness_estimate(nframes, resize, width, height)
        if estimate > budget:
            ratio = (budget / estimate) ** (1 / 3)
            nframes = max(1, int(nframes * ratio))
            resize = resize * ratio
        estimate = harness_estimate(nframes, resize, width, height)
    return nframes, resize, estimate


def harness_size(width: int, height: int, resize: float) -> tuple[int, int]:
    """Width and height in pixels; a side that rounds to zero patches becomes one pixel."""
    sides = (max(1, round(side * resize / PATCH_PIXELS) * PATCH_PIXELS) for side in (width, height))
    out_width, out_height = sides
    return out_width, out_height


def harness_times(start: float, end: float, nframes: int, info: VideoInfo) -> list[float]:
    """Sampled instants in seconds from the first frame, after the harness's clamping."""
    begin = info.start_offset_seconds
    limit = begin + info.duration_seconds
    low, high = max(start, begin), min(end, limit)
    if high <= low:
        low, high = begin, limit
    if nframes == 1:
        return [(low + high) / 2 - begin]
    last = max(low, high - min(1e-3, (high - low) / (nframes * 4)))
    step = (last - low) / (nframes - 1)
    return [low + index * step - begin for index in range(nframes)]


def harness_clock(start: Any, end: Any, nframes: int) -> tuple[int, ...]:
    """Label seconds: spread over the requested range, whatever was sampled."""
    step = (end - start) / max(1, nframes - 1)
    return tuple(int(start + index * step) for index in range(nframes))


@dataclass(frozen=True, slots=True)
class ReferenceLook:
    """One call in the harness's arithmetic."""

    applied: dict[str, Any]
    estimated_visual_tokens: int
    info: VideoInfo
    notes: tuple[str, ...] = ()

    def run(self, video: Video) -> list[Frame]:
        """The frame nearest to each instant by average rate, as decord's index rule picks it."""
        wanted = self.applied
        times = harness_times(
            float(wanted["start_time"]), float(wanted["end_time"]), wanted["nframes"], self.info
        )
        last = self.info.frame_count - 1
        rate = self.info.average_fps
        indices = [max(0, min(round(time * rate), last)) for time in times]
        size = harness_size(self.info.width, self.info.height, wanted["resize"])
        return video.frames_at([video.frame_times_seconds[i] for i in indices], size=size)

    def clock(self, nframes: int) -> tuple[int, ...] | None:
        """Label seconds from the requested range."""
        return harness_clock(self.applied["start_time"], self.applied["end_time"], nframes)


class ReferenceDialect(EvaDialect):
    """The reference profile."""

    name = "eva/reference"
    repairs = False

    def __init__(self) -> None:
        super().__init__(instructions=False)

    def system_text(self, tools: Sequence[Tool], grid: VisualGrid, look_budget: int) -> str:
        """EVA's sentence."""
        return SYSTEM_TEXT

    def user_text(self, question: Question, info: VideoInfo) -> str:
        """The stream's own duration less half a second, at least one; the coded short side."""
        length = int(max(info.stream_duration_seconds - 0.5, 1))
        short_side = min(info.coded_width, info.coded_height)
        return (
            f"Video Length: {length} seconds. "
            f"Original video resolution: {short_side}p. {question.prompt}"
        )

    def read(
        self, text: str, *, truncated: bool, native_calls: Sequence[NativeCall] = ()
    ) -> Outcome:
        """See `eva_graph.dialects.parsing.read_reference`."""
        return read_reference(text)

    def prepare(
        self,
        call: ToolCall,
        *,
        tools: Mapping[str, Tool],
        info: VideoInfo,
        grid: VisualGrid,
        look_budget: int,
    ) -> PreparedCall:
        """Raises `InvalidArguments` where the call fails, `SampleLost` where the harness raises."""
        if "error" in call:
            raise InvalidArguments(call["error"])
        wanted = call["arguments"]
        resize = 1.0 if wanted.get("resize") is None else wanted["resize"]
        try:
            nframes, resize, estimate = harness_fit(
                wanted["nframes"],
                resize,
                width=info.coded_width,
                height=info.coded_height,
                budget=look_budget,
            )
        except (TypeError, ValueError, OverflowError) as error:
            raise SampleLost(f"unusable arguments: {error}") from None
        applied = _checked(wanted, nframes, resize)
        return ReferenceLook(applied, estimate, info)

    def reply(
        self,
        results: Sequence[CallResult],
        *,
        question: Question,
        closing: Closing,
        message_id: str,
    ) -> list[AnyMessage]:
        """The harness's tool message; failed calls leave no trace in it."""
        blocks: list[Block] = [text_block("<tool_response>")]
        shown = [
            (second, frame)
            for result in results
            for second, frame in zip(result.clock or (), result.frames, strict=True)
        ]
        for index, (second, frame) in enumerate(shown):
            label = f"{second // 60:02d}:{second % 60:02d}"
            newline = "\n" if index else ""
            blocks += [text_block(f"{newline}Frame {index} at [{label}]: "), frame_block(frame)]
        end = f"\n{CLOSINGS['continue']}\n\nQuestion: {question.prompt}</tool_response>"
        content: list[Any] = [*blocks, text_block(end)]
        return [ToolMessage(content=content, tool_call_id=message_id, id=message_id)]


def _checked(wanted: Mapping[str, Any], nframes: Any, resize: Any) -> dict[str, Any]:
    """What the harness's frame tool accepts from its command line; else the call fails."""
    failed = InvalidArguments("call_frame_select_failed")
    count = nframes if isinstance(nframes, (int, str)) and not isinstance(nframes, bool) else None
    try:
        if count is None or not 1 <= int(count) <= MAX_FRAMES or float(resize) <= 0:
            raise failed
        times = [float(wanted[name]) for name in ("start_time", "end_time")]
    except (TypeError, ValueError, OverflowError):
        raise failed from None
    if not all(map(math.isfinite, [*times, float(resize)])):
        raise failed
    if not all(isinstance(wanted[name], (int, float)) for name in ("start_time", "end_time")):
        raise SampleLost("times given as text lose the sample")
    return {
        "start_time": wanted["start_time"],
        "end_time": wanted["end_time"],
        "nframes": int(count),
        "resize": float(resize),
    }
