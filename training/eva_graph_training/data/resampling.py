"""Attempts of a policy at questions, as it is: no guidance, and each attempt played once.

First every question is played once, then every question a second time, and so on: where there is
enough before the end, the attempts cover as many questions as can be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from eva_graph.evaluation.questions import EvalQuestion
from eva_graph.evaluation.scoring import score
from eva_graph.trajectory import Trajectory
from eva_graph_training.data.attempts import POLICY_ERROR, Attempt, Player
from eva_graph_training.data.parallel import side_by_side
from eva_graph_training.data.tasks import Task


def resample(
    player: Player,
    tasks: Sequence[Task],
    *,
    attempts: int,
    workers: int,
    enough: Callable[[], bool] = lambda: False,
) -> Iterator[Trajectory]:
    """The records of attempts that are played now; those on record already are not.

    Args:
        player: who plays, and where it is recorded.
        tasks: what is played.
        attempts: at each.
        workers: episodes played at once.
        enough: asked before every attempt.

    Raises:
        DataError: the policy keeps failing.
        EvaGraphError: a video is gone, or a record cannot be written.
    """
    player.recover()
    over = {attempt for attempt, record in player.played() if record.stop_reason != POLICY_ERROR}
    waiting = (
        (task, number)
        for number in range(attempts)
        for task in tasks
        if Attempt(key=task.key, number=number) not in over
    )

    def play(item: tuple[Task, int]) -> Trajectory:
        return player.play(*item)

    return side_by_side(play, waiting, workers=workers, enough=enough)


def question_of(record: Trajectory) -> EvalQuestion:
    """What a record was asked, as scoring knows it."""
    return EvalQuestion(
        benchmark="recorded",
        question_id=record.question_id or record.trajectory_id,
        video=record.video.path,
        question=record.question,
        options=record.options,
        answer=record.expected,
        time_reference=tuple(record.time_reference),
    )


def value_of(record: Trajectory) -> float:
    """What a record's answer is worth, between 0 and 1; 0 where nobody knows the right one."""
    return score(question_of(record), record).value
