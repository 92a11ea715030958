"""How well nano does on world videos that it has never seen, and whether it looks at all.

Every question is asked with the true frames, with blank frames and with the frames of another
video. The cost is set against uniform sampling at every half of the shortest event, at the size
that large letters need.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from eva_graph.graph import build_graph
from eva_graph.policy.protocol import Policy
from eva_graph.policy.resolve import resolve_policy
from eva_graph.state import AgentInput, Context
from eva_graph.trajectory import Trajectory, read_records
from eva_graph_tools import Video, VisualGrid
from eva_graph_training.data.parallel import side_by_side
from eva_graph_training.nano.altered import AlteredFrames, OtherVideos, blanked
from eva_graph_training.nano.play import recorded_questions
from eva_graph_training.world.questions import Kind
from eva_graph_training.world.scene import SIDE_PIXELS
from eva_graph_training.world.schedule import EVENT_SECONDS
from eva_graph_training.world.sets import WorldSetPlan, WorldTask, video_file, world_set
from eva_graph_training.world.teacher import READING_RESIZE

Frames = Literal["true", "blank", "other"]
FRAMES: tuple[Frames, ...] = get_args(Frames)
_AT_A_TIME = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One question asked: whether the answer was right, and what it cost."""

    kind: Kind
    right: bool
    looks: int
    visual_tokens: int
    uniform_tokens: float


def ask_all(
    policy: str | Path | Policy, plan: WorldSetPlan, *, videos: Path, run: Path, frames: Frames
) -> list[Outcome]:
    """Ask every question of the set, recorded in `run`; what is recorded is not asked again.

    Several are asked at a time: a model in this process writes their turns in one batch.

    Raises:
        EvaGraphError: the policy cannot be loaded.
    """
    tasks = list(world_set(plan))
    files = [video_file(task, videos) for task in tasks]
    graph = build_graph(_shown(resolve_policy(policy), files, frames))
    asked = recorded_questions(run)
    waiting = [
        AgentInput(video=str(path), question=question.text)
        for task, path in zip(tasks, files, strict=True)
        for question in task.questions
        if (path.name, question.text) not in asked
    ]

    def ask(one: AgentInput) -> None:
        graph.invoke(one, context=Context(record=str(run)))

    for _ in side_by_side(ask, waiting, workers=_AT_A_TIME):
        pass
    return _outcomes(tasks, run)


def table(outcomes: Sequence[tuple[Frames, Sequence[Outcome]]]) -> str:
    """Accuracy with 95 % intervals (Wilson) per kind and kind of frames, looks and cost."""
    lines = ["frames  questions          n   right   95 % interval   looks   tokens   of uniform"]
    for frames, group in outcomes:
        for name, chosen in _by_kind(group):
            low, high = wilson_interval(sum(one.right for one in chosen), len(chosen))
            tokens = sum(one.visual_tokens for one in chosen)
            uniform = sum(one.uniform_tokens for one in chosen)
            share = sum(one.right for one in chosen) / len(chosen)
            lines.append(
                f"{frames:6}  {name:15} {len(chosen):4}  {share:6.1%}  {low:6.1%} – {high:6.1%}"
                f"  {sum(one.looks for one in chosen) / len(chosen):6.2f}"
                f"  {tokens / len(chosen):7.1f}  {tokens / uniform:10.1%}"
            )
    return "\n".join(lines)


def wilson_interval(right: int, asked: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share. `asked` is positive."""
    z = 1.959964
    share = right / asked
    middle = share + z * z / (2 * asked)
    spread = z * math.sqrt(share * (1 - share) / asked + z * z / (4 * asked * asked))
    scale = 1 + z * z / asked
    return (middle - spread) / scale, (middle + spread) / scale


def uniform_tokens(duration_seconds: float) -> float:
    """Visual tokens of one frame at every half of the shortest event, at reading size."""
    spacing_seconds = EVENT_SECONDS[0] / 2
    frame_tokens = VisualGrid().estimate(SIDE_PIXELS, SIDE_PIXELS, READING_RESIZE, 1)
    return duration_seconds / spacing_seconds * frame_tokens


def _shown(policy: Policy, files: Sequence[Path], frames: Frames) -> Policy:
    if frames == "true":
        return policy
    if frames == "blank":
        return AlteredFrames(policy, blanked)
    others: dict[str, Path] = {}
    for path, following in zip(files, [*files[1:], files[0]], strict=True):
        with Video.open(path) as video:
            others[video.video_id] = following
    return AlteredFrames(policy, OtherVideos(others))


def _outcomes(tasks: Sequence[WorldTask], run: Path) -> list[Outcome]:
    records = {(Path(one.video.path).name, one.question): one for one in read_records(run)}
    outcomes: list[Outcome] = []
    for task in tasks:
        for question in task.questions:
            record = records[task.file_name, question.text]
            outcomes.append(
                Outcome(
                    kind=question.kind,
                    right=record.answer == question.answer,
                    looks=_looks(record),
                    visual_tokens=record.usage.visual_tokens,
                    uniform_tokens=uniform_tokens(task.world.duration_seconds),
                )
            )
    return outcomes


def _looks(record: Trajectory) -> int:
    return sum(len(turn.calls) for turn in record.turns)


def _by_kind(group: Sequence[Outcome]) -> list[tuple[str, list[Outcome]]]:
    kinds: tuple[Kind, ...] = get_args(Kind)
    parts = [(f"{kind} questions", [one for one in group if one.kind == kind]) for kind in kinds]
    return [("all questions", list(group)), *parts]
