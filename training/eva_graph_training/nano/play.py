"""Stage three: the teacher plays world videos through the real graph, which records everything."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from eva_graph.graph import build_graph
from eva_graph.state import Context
from eva_graph.trajectory import RunStore, read_records
from eva_graph_tools import Video
from eva_graph_training.world.schedule import World
from eva_graph_training.world.sets import WorldSetPlan, video_file, world_set
from eva_graph_training.world.teacher_policy import TeacherPolicy


@dataclass(slots=True, kw_only=True)
class Tally:
    """What was played; `wrong` holds the questions whose recorded answer is not the right one."""

    episodes: int = 0
    three_looks_or_miss: int = 0
    wrong: list[str] = field(default_factory=list)

    def count(self, *, looks: int, missed: bool, problem: str | None) -> None:
        """Add one episode."""
        self.episodes += 1
        self.three_looks_or_miss += looks >= 3 or missed
        if problem is not None:
            self.wrong.append(problem)


def play(plan: WorldSetPlan, *, videos: Path, run: Path) -> Tally:
    """Render the set and let the teacher answer every question, recorded in `run`.

    Questions that the run already holds are skipped, so the stage can be stopped and started again.
    """
    worlds: dict[str, World] = {}
    graph = build_graph(TeacherPolicy(worlds))
    played = recorded_questions(run)
    for task in world_set(plan):
        path = video_file(task, videos)
        with Video.open(path) as video:
            worlds[video.video_id] = task.world
        for question in task.questions:
            if (path.name, question.text) not in played:
                graph.invoke(
                    {"video": str(path), "question": question.text},
                    context=Context(record=str(run)),
                )
    return _check(plan, run)


def recorded_questions(run: Path) -> set[tuple[str, str]]:
    """File name of the video and question of every episode that a run holds; none if it is new."""
    store = RunStore(run)
    if not len(store):
        return set()
    return {(Path(record.video.path).name, record.question) for record in store.records()}


def _check(plan: WorldSetPlan, run: Path) -> Tally:
    tally = Tally()
    right = {
        (task.file_name, question.text): question.answer
        for task in world_set(plan)
        for question in task.questions
    }
    for record in read_records(run):
        key = (Path(record.video.path).name, record.question)
        if key in right:
            problem = f"{key}: {record.answer}, {record.error}"
            tally.count(
                looks=sum(len(turn.calls) for turn in record.turns),
                missed=any("in none of these" in turn.reflection for turn in record.turns),
                problem=None if record.answer == right[key] else problem,
            )
    return tally
