"""One uniform look over a whole video, as labels and images for a policy that plays no episode."""

from __future__ import annotations

from typing import Final

from eva_graph.blocks import Block
from eva_graph.dialects.eva import EvaDialect, frame_blocks
from eva_graph.dialects.turn import ToolCall
from eva_graph.look_run import CallRunner, ReadyCall
from eva_graph_tools import TOOLS, DecodeError, FrameStore, Video, VisualGrid

FRAMES: Final = 24
RESIZE: Final = 0.5
_TIMEOUT_SECONDS: Final = 300.0


def overview(
    video: Video, frames: FrameStore, *, grid: VisualGrid, look_budget: int
) -> list[Block]:
    """Frames spread over the video, within the budget; each block pair is a label and an image.

    Args:
        video: what is looked at.
        frames: where its frames go.
        grid: the policy's patches.
        look_budget: visual tokens of the look.

    Raises:
        ToolError: the video cannot be looked at.
    """
    dialect = EvaDialect()
    arguments = {
        "start_time": 0,
        "end_time": video.info.duration_seconds,
        "nframes": FRAMES,
        "resize": RESIZE,
    }
    call = ToolCall(id="overview", tool="frame_select", arguments=arguments)
    prepared = dialect.prepare(
        call, tools=TOOLS, info=video.info, grid=grid, look_budget=look_budget
    )
    runner = CallRunner(video=video, store=frames, grid=grid, timeout_seconds=_TIMEOUT_SECONDS)
    result = runner.run(ReadyCall(call=call, prepared=prepared))
    if result.error is not None:
        raise DecodeError(result.error)
    return frame_blocks([result])
