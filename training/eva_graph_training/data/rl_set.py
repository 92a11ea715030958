"""The RL set: questions for GRPO, failures of the current policy first, enhanced by rounds.

OUT/questions.jsonl   the set: `{video, question, options?, answer, time_reference?}`, for GRPO
OUT/held_out.jsonl    questions on videos that are kept from every stage
OUT/run/              the policy's attempts
OUT/round-N/          what a round of enhancement wrote
OUT/standings.jsonl   mean value and attempts of every question that was played
OUT/README.md         the card

The loop of the paper: build the set, train for some steps, build the next one from it with the
new policy and fresh videos, and so on.
"""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

from eva_graph.evaluation.scoring import score
from eva_graph_training.data.attempts import POLICY_ERROR, Player
from eva_graph_training.data.enhancement import Writer, enhance
from eva_graph_training.data.question_files import write_questions
from eva_graph_training.data.resampling import resample
from eva_graph_training.data.rl_card import rl_card
from eva_graph_training.data.rl_choice import Standing, choose_questions, failures, standings
from eva_graph_training.data.rl_plan import RlCounts, RlPlan
from eva_graph_training.data.tasks import Task, choose_tasks
from eva_graph_training.data.unseen import UnseenVideo, unseen_videos
from eva_graph_training.data.workplace import CARD, RUN, digest, workplace, write_whole
from eva_graph_training.errors import DataError

Advance = Callable[[str], None]


def build_rl(
    plan: RlPlan, *, sources: Sequence[str] = (), advance: Advance = lambda stage: None
) -> RlCounts:
    """Build the set, or go on with one that was begun.

    Args:
        sources: what the questions were read from, for the card.
        advance: called with `videos` for every question checked, `attempts` for every one played
            and `written` for every video that the teacher wrote about.

    Raises:
        DataError: the folder is in use or was begun with other settings, the policy keeps failing,
            or no question is left.
        PolicyError: the policy or the teacher cannot be reached.
        EvaGraphError: something cannot be read or written.
    """
    build = {
        "set": "rl",
        "seed": plan.seed,
        "questions": digest(plan.questions),
        "held_out_share": plan.data.held_out_share,
        "rounds": plan.rounds,
    }
    with workplace(plan.out, build):
        work = _Work(plan, advance)
        work.play(work.counts.chosen.tasks)
        for number in range(1, plan.rounds + 1):
            work.enhance(number)
        return work.finish(sources)


class _Work:
    """A build under way."""

    def __init__(self, plan: RlPlan, advance: Advance) -> None:
        self._plan = plan
        self._advance = advance
        self._player = Player(plan.wiring, plan.out / RUN, context=plan.context, seed=plan.seed)
        chosen = choose_tasks(
            plan.questions,
            split=plan.split,
            videos=plan.wiring.videos,
            advance=lambda: advance("videos"),
        )
        self.counts = RlCounts(chosen=chosen)
        self._tasks = list(chosen.tasks)
        self._fresh = self._unseen()

    def play(self, tasks: Sequence[Task]) -> None:
        """Attempts of the policy at every task."""
        for _ in resample(
            self._player, tasks, attempts=self._plan.data.attempts, workers=self._plan.workers
        ):
            self._advance("attempts")

    def enhance(self, number: int) -> None:
        """Write new questions from the present failures, and play them."""
        plan, writer = self._plan, self._writer()
        failed = failures(self._tasks, self._standings(), threshold=plan.data.failure_threshold)
        rounds_left = plan.rounds - number + 1
        lacking = plan.data.rl_open_questions - sum(not t.question.options for t in failed)
        share = math.ceil(len(self._fresh) / rounds_left)
        mine, self._fresh = self._fresh[:share], self._fresh[share:]
        done = enhance(
            writer,
            number,
            plan.out / f"round-{number}",
            failed=failed,
            unseen=mine,
            wanted=max(0, math.ceil(lacking / rounds_left)),
            advance=lambda: self._advance("written"),
        )
        self.counts.rounds.append(done)
        self._tasks += done.tasks
        self.play(done.tasks)

    def finish(self, sources: Sequence[str]) -> RlCounts:
        """Write the set, the standings and the card. Raises `DataError` for an empty set."""
        plan, known = self._plan, self._standings()
        data = plan.data
        questions = choose_questions(
            self._tasks,
            known,
            open_questions=data.rl_open_questions,
            choice_questions=data.rl_choice_questions,
            threshold=data.failure_threshold,
            seed=plan.seed,
        )
        self.counts.count(questions, self._tasks, known, threshold=data.failure_threshold)
        rows = [
            {"question_id": task.key, "mean": known[task.key].mean,
             "attempts": known[task.key].attempts}
            for task in self._tasks if task.key in known
        ]  # fmt: skip
        write_whole(plan.out / "standings.jsonl", "".join(json.dumps(r) + "\n" for r in rows))
        write_questions(plan.out / "held_out.jsonl", self.counts.chosen.held_out)
        write_questions(plan.out / "questions.jsonl", questions)
        write_whole(plan.out / CARD, rl_card(plan, self.counts, sources).text())
        if not questions:
            raise DataError(f"no question is left of {len(plan.questions)}: see {plan.out / CARD}")
        return self.counts

    def _standings(self) -> dict[str, Standing]:
        values: defaultdict[str, list[float]] = defaultdict(list)
        questions = {task.key: task.question for task in self._tasks}
        for attempt, record in self._player.played():
            if attempt.key in questions and record.stop_reason != POLICY_ERROR:
                values[attempt.key].append(score(questions[attempt.key], record).value)
        return standings(values)

    def _writer(self) -> Writer:
        plan = self._plan
        if plan.teacher is None:
            raise AssertionError("a plan without a teacher has no rounds")
        return Writer(
            teacher=plan.teacher,
            policy=plan.wiring.policy,
            videos=plan.wiring.videos,
            frames=self._player.store.frames,
            look_budget=plan.context.look_budget,
            questions_per_video=plan.questions_per_video,
            threshold=plan.data.failure_threshold,
            seed=plan.seed,
            workers=plan.workers,
        )

    def _unseen(self) -> list[UnseenVideo]:
        """Videos to write on: new ones that train."""
        if not self._plan.rounds:
            return []
        chosen = self.counts.chosen
        found = unseen_videos(
            self._plan.unseen,
            seen=[task.video_id for task in (*chosen.tasks, *chosen.held_out)],
            split=self._plan.split,
            videos=self._plan.wiring.videos,
        )
        self.counts.unseen = Counter(found.left_out)
        self.counts.unseen["to write about"] = len(found.videos)
        if self._plan.missing:
            self.counts.unseen["listed, but no file"] = self._plan.missing
        return found.videos
