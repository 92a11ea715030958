"""An evaluation's run directory: a recorded run with a plan, and the rows and reports of both.

RUN/evaluation.json   what is asked, and how (`eva_graph.evaluation.plan`)
RUN/report.json       the report, for machines
RUN/report.html       the same, for people
RUN/verdicts.jsonl    what a judge said of open answers (`eva_graph.evaluation.verdicts`)
RUN/evaluation.lock   held by the process that evaluates
and what every recorded run has (`eva_graph.trajectory.store`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from eva_graph.errors import InvalidRequest, TrajectoryError
from eva_graph.evaluation.episode_rows import EpisodeRow, episode_row, episode_rows
from eva_graph.evaluation.plan import PLAN_FILE, EvaluationPlan
from eva_graph.evaluation.questions import EvalQuestion, Profile
from eva_graph.evaluation.report import Report
from eva_graph.evaluation.report_page import report_page
from eva_graph.evaluation.verdicts import VERDICTS_FILE, Verdicts
from eva_graph.trajectory import RunStore, Trajectory

LOCK_FILE = "evaluation.lock"


class EvaluationRun:
    """A run directory that holds an evaluation, finished or not.

    Raises `TrajectoryError`, here and in its methods, for what cannot be read or written.
    """

    def __init__(self, run: str | Path) -> None:
        """Open one that was begun."""
        self.run = Path(run)
        self.plan = EvaluationPlan.load(self.run)
        self.store = RunStore(self.run)

    @classmethod
    def begin(cls, run: str | Path, plan: EvaluationPlan) -> EvaluationRun:
        """Begin an evaluation, or go on with the same one.

        Episodes that were finished and not written when a process died are recovered.

        Raises:
            InvalidRequest: the run was begun with another plan, or holds other records.
        """
        run = Path(run)
        store = RunStore(run)
        if (run / PLAN_FILE).exists():
            EvaluationPlan.load(run).check_continues(plan, run)
        elif len(store):
            raise InvalidRequest(
                f"{run} holds records and no {PLAN_FILE}: give another --out for the evaluation"
            )
        plan.save(run)
        opened = cls(run)
        opened.store.recover()
        return opened

    def rows(self) -> list[EpisodeRow]:
        """A row for each question, asked or not; open answers by the verdicts that are kept."""
        return episode_rows(
            self.plan.questions, self._records(), profile=self.profile, judge=self._verdicts()
        )

    def row(self, question: EvalQuestion, record: Trajectory) -> EpisodeRow:
        """The row of one record, which no judge has seen."""
        return episode_row(question, record, profile=self.profile)

    @property
    def profile(self) -> Profile:
        """How answers are scored."""
        return self.plan.settings.profile

    def _verdicts(self) -> Verdicts | None:
        return Verdicts(self.run) if (self.run / VERDICTS_FILE).exists() else None

    def write(self, report: Report) -> None:
        """Write `report.json` and `report.html`."""
        try:
            text = json.dumps(report.to_json(), indent=1) + "\n"
            (self.run / "report.json").write_text(text, encoding="utf-8")
            (self.run / "report.html").write_text(report_page(report), encoding="utf-8")
        except OSError as error:
            raise TrajectoryError(f"cannot write the report: {error}") from None

    def _records(self) -> Iterator[Trajectory]:
        return self.store.records() if len(self.store) else iter(())


@contextmanager
def sole_writer(run: Path) -> Iterator[None]:
    """Hold a run for one evaluation at a time; the system lets go of it when the process ends.

    Two at once would ask the same questions twice. Only POSIX systems hold it.

    Raises:
        InvalidRequest: another process evaluates into this run.
        TrajectoryError: the folder cannot be written.
    """
    try:
        run.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(run / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise TrajectoryError(f"cannot write {run}: {error}") from None
    try:
        if os.name == "posix":
            _lock(descriptor, run)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, run: Path) -> None:
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise InvalidRequest(
            f"another process evaluates into {run}: wait for it, or give another --out"
        ) from None
