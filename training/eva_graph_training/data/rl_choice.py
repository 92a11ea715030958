"""Which questions make the RL set: failures of the current policy first, in a mix of both kinds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from eva_graph_training.data.tasks import Task, drawn


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a policy stands with a question: mean value of its attempts, and how many there were."""

    mean: float
    attempts: int


def standings(values: Mapping[str, Sequence[float]]) -> dict[str, Standing]:
    """By question; those without attempts have none."""
    return {
        key: Standing(mean=sum(each) / len(each), attempts=len(each))
        for key, each in values.items()
        if each
    }


def failures(
    tasks: Sequence[Task], known: Mapping[str, Standing], *, threshold: float
) -> list[Task]:
    """The tasks whose attempts are worth less than the threshold on average, the worst first."""
    failed = [task for task in tasks if task.key in known and known[task.key].mean < threshold]
    return sorted(failed, key=lambda task: known[task.key].mean)


def choose_questions(
    tasks: Sequence[Task],
    known: Mapping[str, Standing],
    *,
    open_questions: int,
    choice_questions: int,
    threshold: float,
    seed: int,
) -> list[Task]:
    """At most so many of each kind: failures first, the worst of them at the head, then the others.

    Questions that nobody played stand behind the failures and before what the policy can do.
    Equals are drawn by the seed.
    """

    def rank(task: Task) -> tuple[int, float, bytes]:
        standing, lot = known.get(task.key), drawn(seed, task.key)
        if standing is None:
            return 1, 0.0, lot
        return (0 if standing.mean < threshold else 2), standing.mean, lot

    ranked = sorted(tasks, key=rank)
    opened = [task for task in ranked if not task.question.options][:open_questions]
    choices = [task for task in ranked if task.question.options][:choice_questions]
    wanted = {task.key for task in (*opened, *choices)}
    return [task for task in ranked if task.key in wanted]
