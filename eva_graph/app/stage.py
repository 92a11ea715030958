"""What the page shows, as plain JSON: the video, how far the episode is, what comes next.

The episode is the viewer's own form of a record (`eva_graph.viewer.episodes`), folded from the
journal while it still grows. It reaches the page as data: the script builds elements from text
alone, so nothing that a model wrote becomes markup.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from eva_graph.app.chosen import ChosenVideo
from eva_graph.steps import Step
from eva_graph.trajectory import Trajectory
from eva_graph.viewer.episodes import FrameList, detail
from eva_graph.viewer.ranges import stretch_of
from eva_graph_tools import labels

Phase = Literal["empty", "ready", "running", "done", "stopped", "failed"]
_LEFT_OUT = ("messages", "context", "versions", "policy")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One state of the page."""

    phase: Phase = "empty"
    video: ChosenVideo | None = None
    message: str | None = None
    """What went wrong, or what to do; one line."""
    question: str = ""
    doing: str = ""
    """What happens right now."""
    planned: tuple[tuple[int, str, float, float], ...] = ()
    """Turn, tool, start and end in seconds of looks that were chosen and are not yet seen."""
    episode: Mapping[str, Any] | None = None
    token: str = ""
    """Of the session, for the links to frames and files."""
    files: bool = False
    """Whether the episode can be downloaded."""

    def after(self, step: Step, episode: Mapping[str, Any]) -> Stage:
        """The state once a node has told what it did."""
        planned = planned_looks(step)
        return replace(self, episode=episode, planned=planned, doing=doing_after(step, planned))

    def to_json(self) -> dict[str, Any]:
        """As the page reads it."""
        return {
            "phase": self.phase,
            "video": None if self.video is None else self.video.to_json(),
            "message": self.message,
            "question": self.question,
            "doing": self.doing,
            "planned": [list(look) for look in self.planned],
            "episode": self.episode,
            "files": f"eva/{self.token}" if self.files else None,
        }


def planned_looks(step: Step) -> tuple[tuple[int, str, float, float], ...]:
    """The looks that a plan chose, before they are taken."""
    looks = []
    for call in step.data.get("calls", ()):
        stretch = stretch_of(call["arguments"])
        if stretch is not None:
            looks.append((step.turn, str(call["tool"]), *stretch))
    return tuple(looks)


def doing_after(step: Step, planned: tuple[tuple[int, str, float, float], ...]) -> str:
    """What the agent does once a node is through."""
    if "stop_reason" in step.data:
        return "Writing down the answer"
    if step.node == "plan" and planned:
        return "Looking at " + ", ".join(_range(start, end) for _, _, start, end in planned[:3])
    if step.node == "plan":
        return "Looking"
    if step.node == "action":
        frames = sum(len(look["frames"]) for look in step.data.get("looks", ()))
        return f"Reflecting on {frames} frame{'' if frames == 1 else 's'}"
    return "Planning where to look"


def episode_json(trajectory: Trajectory, token: str) -> dict[str, Any]:
    """The episode for the page; its frames are links that only this session knows."""
    frames = FrameList()
    value = detail(trajectory, frames)
    for name in _LEFT_OUT:
        del value[name]
    value["video"] = {"duration_seconds": trajectory.video.duration_seconds}
    value["frames"] = [
        {"pts_seconds": None}
        if ref is None
        else {
            "pts_seconds": ref.pts_seconds,
            "width": ref.width,
            "height": ref.height,
            "box": ref.box,
            "picture": f"eva/{token}/frames/{ref.sha256}",
        }
        for ref in frames.refs
    ]
    for call in (call for turn in value["turns"] for call in turn["calls"]):
        call["artifacts"] = []
    return value


def _range(start: float, end: float) -> str:
    if start == end:
        return labels([start])[0]
    first, last = labels([start, end])
    return f"{first} – {last}"
