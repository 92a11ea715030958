"""An evidence reel: what an episode looked at, in order, captions below; made with moviepy.

A dense look plays as it is. Of a sparse one each frame stands for a second, since that is all the
policy saw of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from eva_graph.errors import TrajectoryError
from eva_graph.trajectory.schema import CallRecord, Trajectory
from eva_graph.viewer.episodes import answer_of
from eva_graph.viewer.ranges import looked_at, seconds_of
from eva_graph_tools import Video, labels
from eva_graph_tools.reel import ReelPart, write_reel

_DENSE_FRAMES_PER_SECOND = 1.0


def episode_reel(trajectory: Trajectory, path: Path) -> Path | None:
    """Write the reel of an episode to an mp4; None where it looked at nothing.

    Raises:
        EvaGraphError: the video is gone or another one, moviepy is not installed, or the looks
            last longer than a reel may.
    """
    parts = list(reel_parts(trajectory))
    if not parts:
        return None
    source = Path(trajectory.video.path)
    if not source.is_file():
        raise TrajectoryError(
            f"no reel of {trajectory.trajectory_id}: its video {source} is gone, put it back there"
        )
    with Video.open(source) as video:
        if video.video_id != trajectory.video.video_id:
            raise TrajectoryError(
                f"no reel of {trajectory.trajectory_id}: {source} is another video now"
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        return write_reel(video, parts, path, overwrite=True)


def reel_parts(trajectory: Trajectory) -> Iterator[ReelPart]:
    """The stretches to play: every look that showed frames, then the evidence of the answer."""
    end = trajectory.video.duration_seconds
    for turn in trajectory.turns:
        for call in turn.calls:
            for start, stop in _stretches(call):
                yield _part(start, stop, end, f"Turn {turn.turn}, {call.tool}")
    answer, text = answer_of(trajectory)
    said = "no answer" if answer is None else answer if text == answer else f"{answer}. {text}"
    for item in trajectory.evidence:
        first, last = seconds_of(item.get("start_seconds")), seconds_of(item.get("end_seconds"))
        if first is not None and last is not None:
            yield _part(first, last, end, "Evidence", f": {said}")


def _part(start: float, stop: float, end: float, before: str, after: str = "") -> ReelPart:
    """A part within the video, its time between two pieces of caption."""
    start, stop = sorted((min(start, end), min(stop, end)))
    return ReelPart(
        start_seconds=start,
        end_seconds=stop,
        caption=f"{before} {_span(start, stop)}{after}",
    )


def _stretches(call: CallRecord) -> list[tuple[float, float]]:
    shown = (seconds_of(frame.ref.get("pts_seconds")) for frame in call.frames)
    times = [time for time in shown if time is not None]
    stretch = looked_at(call)
    if not times or stretch is None:
        return []
    start, end = stretch
    if len(times) >= _DENSE_FRAMES_PER_SECOND * (end - start):
        return [stretch]
    return [(time, time) for time in times]


def _span(start: float, end: float) -> str:
    if start == end:
        return f"[{labels([start])[0]}]"
    first, last = labels([start, end])
    return f"[{first}] to [{last}]"
