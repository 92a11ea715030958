"""EVA's text form exactly as the released harness plays it, so that published numbers reproduce.

Source: `eval-eva.py` and `select_frame_fallback.py` of the authors' evaluation repository at
758ad8d. Kept on purpose: frames counted off by average rate; labels recomputed from the *requested*
range; an empty range becomes the whole video; sizes below one patch become one pixel and are
undercounted; the budget's rounding overshoots; arguments of the wrong type lose the sample, and so
does a file whose header states no duration; nothing is told back; no forced answer.

tests/parity holds this profile to recordings of the harness. Deviations: a call for more than
`harness.MAX_FRAMES` frames fails, where the harness would run out of memory; whole numbers too
large for a record (2**53) count as floats; docs/evaluation.md lists those outside the dialect.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from langchain_core.messages import AnyMessage, ToolMessage

from eva_graph.blocks import Block, frame_block, text_block
from eva_graph.dialects.base import CallResult, Closing, PreparedCall, Question
from eva_graph.dialects.eva import CLOSINGS, SYSTEM_TEXT, EvaDialect
from eva_graph.dialects.harness import (
    harness_clock,
    harness_fit,
    harness_indices,
    harness_size,
    harness_tool_accepts,
)
from eva_graph.dialects.parsing_reference import (
    CALL_FAILED,
    EXCEPTION,
    argument_error,
    read_reference,
)
from eva_graph.dialects.turn import Outcome, ToolCall
from eva_graph.policy.protocol import NativeCall
from eva_graph_tools import (
    InvalidArguments,
    Tool,
    ToolOutput,
    Video,
    VideoInfo,
    VisualGrid,
    look_key,
)

NO_DURATION = (
    "the file states no duration of its video stream (Matroska and WebM never do), and the "
    'released harness fails on such a file: copy it into an MP4, or take profile="corrected"'
)


class SampleLost(InvalidArguments):
    """The harness itself raises here and scores the sample 0."""


@dataclass(frozen=True, slots=True)
class ReferenceLook:
    """One call in the harness's arithmetic."""

    applied: dict[str, Any]
    estimated_visual_tokens: int
    info: VideoInfo
    notes: tuple[str, ...] = ()
    text_tokens: int = 0

    def key(self, video_id: str) -> str | None:
        """See `look_key`; the harness's rule, whatever the policy's patches are."""
        return look_key(video_id, "harness by index", self.applied, VisualGrid())

    def run(
        self, video: Video, *, timeout_seconds: float | None, artifacts: Path | None
    ) -> ToolOutput:
        """The frames that the harness's decoder counts off by average rate (`harness_indices`)."""
        wanted, info = self.applied, self.info
        indices = harness_indices(
            float(wanted["start_time"]),
            float(wanted["end_time"]),
            wanted["nframes"],
            info=info,
            times_seconds=video.frame_times_seconds,
        )
        # The harness knows nothing of pixels that are not square.
        shown = info.coded_width, info.coded_height
        if info.rotation_degrees in (90, 270):
            shown = shown[::-1]
        size = harness_size(*shown, wanted["resize"])
        frames = video.frames_by_index(indices, size=size, timeout_seconds=timeout_seconds)
        return ToolOutput(frames=tuple(frames))

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
        """The stream's own duration less half a second, at least one; the coded short side.

        Raises `SampleLost` where the file's header states no duration of the stream.
        """
        if info.stream_duration_seconds is None:
            raise SampleLost(f"{EXCEPTION}: {NO_DURATION}")
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
        wanted = call["arguments"]
        error = call.get("error") or argument_error(wanted)
        if error is not None:
            raise SampleLost(EXCEPTION) if error == EXCEPTION else InvalidArguments(error)
        if call["tool"] != "frame_select":  # only a person's edit can ask for it
            raise InvalidArguments("the reference profile has no tool but frame_select")
        resize = 1.0 if wanted.get("resize") is None else wanted["resize"]
        start, end = wanted["start_time"], wanted["end_time"]
        try:
            nframes, resize, estimate = harness_fit(
                wanted["nframes"],
                resize,
                width=info.coded_width,
                height=info.coded_height,
                budget=look_budget,
            )
            asked = {"start_time": start, "end_time": end, "nframes": nframes, "resize": resize}
            if not harness_tool_accepts(asked):
                raise InvalidArguments(CALL_FAILED)
            harness_clock(start, end, int(nframes))
        except (TypeError, ValueError, OverflowError) as problem:
            raise SampleLost(f"{EXCEPTION}: {problem}") from None
        applied = {**asked, "nframes": int(nframes), "resize": float(resize)}
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
