"""A teacher's rollouts: each question is played until it is solved or all attempts are made.

The prompt families take turns over the attempts. Questions that the teacher answers without the
video are found first and, unless they are wanted, not played. What became of every question follows
from the files of the folder alone, so a build that was killed goes on as if it had not been.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from eva_graph.episode import Wiring
from eva_graph.state import Context
from eva_graph.trajectory import Trajectory
from eva_graph_training.data.acceptance import Verdict, judge_episode
from eva_graph_training.data.attempts import POLICY_ERROR, Attempt, Player
from eva_graph_training.data.blind import BlindCheck
from eva_graph_training.data.experience import ExperienceBank, summarise
from eva_graph_training.data.families import ROTATION, Family, family_of, family_text
from eva_graph_training.data.guided import format_lesson
from eva_graph_training.data.ledger import Ledger
from eva_graph_training.data.tasks import Task
from eva_graph_training.recipe import DataSettings

EXPERIENCES_TOLD = 3
"""Experiences that one attempt is told of."""
TEACHER = "teacher"
"""The teacher's name in the file of blind answers."""
SOLVED = "solved"
SOLVED_BLIND = "solved without the video"
UNSOLVED = "solved by no attempt"
UNPLAYED = "not played, or not to the end"


@dataclass(frozen=True, slots=True, kw_only=True)
class TeachingPlan:
    """How a teacher is put to work.

    Attributes:
        wiring: the teacher, and how videos are opened and looked at.
        out: folder of the set.
        context: knobs of every attempt.
        data: sizes and thresholds.
        seed: of the order, the split and the sampling.
        families: told in turn; `plain` adds nothing.
        keep_blind: keep questions that the teacher answers without the video.
        own_words: the teacher sums up its successes; else they are put into words by rule.
        workers: episodes played at once.
    """

    wiring: Wiring
    out: Path
    context: Context
    data: DataSettings
    seed: int = 0
    families: Sequence[Family] = ROTATION
    keep_blind: bool = False
    own_words: bool = True
    workers: int = 1


class Rollouts:
    """A teacher's attempts at tasks: those of earlier starts, and those played now."""

    def __init__(self, plan: TeachingPlan, tasks: Sequence[Task]) -> None:
        """Read what was played before.

        Raises:
            DataError, TrajectoryError: a file of the folder is damaged.
            PolicyError: the teacher cannot be reached.
        """
        out = plan.out
        self.player = Player(plan.wiring, out / "run", context=plan.context, seed=plan.seed)
        self.bank = ExperienceBank(out / "experiences.jsonl")
        self.guidance = Ledger(out / "guidance.jsonl")
        self.blind = BlindCheck(out / "blind.jsonl", threshold=plan.data.failure_threshold)
        self.verdicts: dict[Attempt, Verdict] = {}
        self.solved: dict[str, str] = {}
        self._plan = plan
        self._questions = {task.key: task.question for task in tasks}
        self._lock = threading.Lock()
        guided = set(plan.families) - {Family.PLAIN}
        self._lesson = format_lesson(plan.wiring, plan.context.look_budget) if guided else ""
        self.player.recover()
        for attempt, record in self.player.played():
            if attempt.key in self._questions and record.stop_reason != POLICY_ERROR:
                self._judge(attempt, record)

    def solve(self, task: Task) -> None:
        """Play a task until it is solved, or all attempts are made.

        Raises:
            PolicyError, DataError: the teacher failed; start the build again to go on.
        """
        blind = self.blind.solves(task.question, TEACHER, self._plan.wiring.policy)
        if blind and not self._plan.keep_blind:
            return
        for number in range(self._plan.data.attempts):
            attempt = Attempt(key=task.key, number=number)
            if attempt not in self.verdicts:
                self._play(task, attempt)
            if self.verdicts[attempt].reason is None:
                self._remember(task.key)
                return

    def fate(self, task: Task) -> str:
        """What has become of a task so far, whoever played it."""
        if task.key in self.solved:
            return SOLVED
        if not self._plan.keep_blind and self.knows_blind(task):
            return SOLVED_BLIND
        attempts = (Attempt(key=task.key, number=n) for n in range(self._plan.data.attempts))
        return UNSOLVED if all(each in self.verdicts for each in attempts) else UNPLAYED

    def knows_blind(self, task: Task) -> bool:
        """Whether the teacher answered the task's question right without the video."""
        return self.blind.has_solved(task.question, TEACHER)

    def enough(self) -> bool:
        """Whether as many questions are solved as the set is to have."""
        return len(self.solved) >= self._plan.data.sft_episodes

    def _play(self, task: Task, attempt: Attempt) -> None:
        record = self.player.play(task, attempt.number, self._guidance(task, attempt))
        self._judge(attempt, record)

    def _remember(self, key: str) -> None:
        """Put a success into words, unless that was done."""
        if key not in self.bank:
            teacher = self._plan.wiring.policy if self._plan.own_words else None
            record = self.player.store.get(self.solved[key])
            self.bank.add(summarise(record, self.player.store, teacher))

    def _judge(self, attempt: Attempt, record: Trajectory) -> Verdict:
        question = self._questions[attempt.key]
        verdict = judge_episode(record, question, threshold=self._plan.data.failure_threshold)
        with self._lock:
            self.verdicts[attempt] = verdict
            if verdict.reason is None:
                self.solved[attempt.key] = record.trajectory_id
        return verdict

    def _guidance(self, task: Task, attempt: Attempt) -> str | None:
        """What the attempt is told; written down before it is played."""
        family = family_of(task.key, attempt.number, self._plan.families)
        experiences = []
        if family is Family.EXPERIENCE:
            experiences = self.bank.similar(
                task.question.question, video_id=task.video_id, count=EXPERIENCES_TOLD
            )
        name = f"{task.key}|{attempt.number}"
        text = family_text(family, name=name, experiences=experiences)
        self.guidance.append(
            {
                "question_id": task.key,
                "attempt": attempt.number,
                "family": family.value,
                "experiences": [each.question_id for each in experiences],
                "text": text,
            }
        )
        return None if text is None else f"{self._lesson}\n\n{text}"
