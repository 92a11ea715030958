"""The steps of one run of the miniature, by their names, and what they need.

    world → teacher → sft → kto-data → kto → grpo-data-1 → grpo-1 → … → eval-*-test, eval-*-ood
                    └ judge-data → judge ┘ (frozen, for the rewards)
    world → fixed-data → fixed → eval-fixed-*
    eval-grpo-test → passive-Nx-data → passive-Nx → eval-passive-Nx-*

The passive baselines get their number of visual tokens from what the trained agent spent on the
test questions; everything else about them is the agent's: base, questions, optimiser.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from eva_graph_training.miniature.enhancing import QUESTIONS_FILE, build_questions
from eva_graph_training.miniature.footage import asked_about, film_world, unseen_videos
from eva_graph_training.miniature.judging import write_judge_rows
from eva_graph_training.miniature.learning import model_of, rows_of, train
from eva_graph_training.miniature.measuring import Measured, facts, mean_tokens, measure
from eva_graph_training.miniature.passive import show_passively, uniform
from eva_graph_training.miniature.plan import MiniaturePlan
from eva_graph_training.miniature.playing import chosen, teach
from eva_graph_training.miniature.resampling import resample_for_kto
from eva_graph_training.miniature.steps import DONE, Step
from eva_graph_training.recipe import StageName
from eva_graph_training.stages.folder import fingerprint

Folders = Mapping[str, Path]
Work = Callable[[Path, Folders], Mapping[str, Any]]
MEASURED_ON = ("test", "ood")


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A trained model of a chain: the step that trained it, and how it is asked.

    Attributes:
        name: for tables.
        step: whose folder holds the model; None: the base.
        stage: below which.
        data: for a passive baseline, the step that decided how many frames it sees.
    """

    name: str
    step: Step | None
    stage: StageName = "sft"
    data: Step | None = None

    @property
    def trained(self) -> Step:
        """The step that trained it."""
        if self.step is None:
            raise AssertionError("the base was trained by no step of a chain")
        return self.step


@dataclass(slots=True)
class Chain:
    """Builds the steps. Nothing is done before `run_step` does it.

    Attributes:
        plan: every size.
        base: model folder that everything starts from.
        console: shows the evaluations' progress.
        steps: by name, in an order in which they can be done.
        policies: what is measured.
    """

    plan: MiniaturePlan
    base: Path
    console: Console
    steps: dict[str, Step] = field(default_factory=dict)
    policies: list[Policy] = field(default_factory=list)
    _settings: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raises `TrainingError` where the base cannot be read."""
        self._settings = self.plan.model_dump(mode="json")
        self._settings["base"] = self.base_fingerprint
        self._world_and_teacher()
        self._policies_of_the_stages()
        if self.plan.fixed:
            self._fixed()
        for multiple in self.plan.passive.multiples:
            self._passive(multiple)

    @property
    def base_fingerprint(self) -> str:
        """Names the base's weights. Raises `TrainingError` where they cannot be read."""
        return fingerprint(self.base)

    def shares(self, work: Path) -> dict[str, float]:
        """Right answers to the test questions by policy, once the steps are done."""
        steps = {one.name: self.steps[f"eval-{one.name}-test"] for one in self.policies}
        return {name: step.facts(work)["right"] for name, step in steps.items()}

    def _add(
        self, name: str, work: Work, *needs: str, of: tuple[str, ...] = (), **more: Any
    ) -> Step:
        """A step whose result is decided by those settings of the plan, and by its needs."""
        settings = {one: self._settings[one] for one in of} | more
        step = Step(
            name=name,
            settings=settings,
            needs=tuple(self.steps[need] for need in dict.fromkeys(needs)),
            work=work,
        )
        self.steps[name] = step
        return step

    def _world_and_teacher(self) -> None:
        plan = self.plan
        self._add("world", lambda at, of: film_world(at, plan), of=("world", "world_seconds"))
        self._teaching("teacher", "styles")

    def _teaching(self, name: str, teacher: Any) -> None:
        plan = self.plan

        def work(at: Path, of: Folders) -> dict[str, int]:
            questions = asked_about(of["world"], "train")
            return teach(at, plan, teacher, chosen(questions, plan.teacher.questions, plan.seed))

        self._add(name, work, "world", of=("teacher", "seed"), episode=self._recipe("episode"))

    def _policies_of_the_stages(self) -> None:
        if self.plan.measure_start:
            self._measure(Policy(name="start", step=None))
        last = Policy(name="sft", step=self._sft("sft", "teacher"))
        self._measure(last)
        if self.plan.with_kto:
            last = Policy(name="kto", step=self._kto(), stage="kto")
            self._measure(last)
        if self._is_judged():
            self._judge()
        for number in range(1, self.plan.rl.rounds + 1):
            last = Policy(name="grpo", step=self._grpo(number, last), stage="grpo")
        self._measure(last)

    def _sft(self, name: str, data: str, **changes: Any) -> Step:
        """The SFT stage from the base, on the rows of a step."""
        plan, base = self.plan, self.base

        def work(at: Path, of: Folders) -> dict[str, Any]:
            return train("sft", plan, at, start=base, data=[rows_of(of[data])], **changes)

        return self._add(name, work, data, of=("base",), stage=self._recipe("sft") | changes)

    def _kto(self) -> Step:
        plan = self.plan

        def resampled(at: Path, of: Folders) -> dict[str, int]:
            questions = asked_about(of["world"], "train")
            asked = chosen(questions, plan.kto.questions, plan.seed + 1)
            return resample_for_kto(at, plan, model_of(of["sft"], "sft"), asked)

        def work(at: Path, of: Folders) -> dict[str, Any]:
            start = model_of(of["sft"], "sft")
            return train("kto", plan, at, start=start, data=[of["kto-data"] / "run"])

        self._add("kto-data", resampled, "world", "sft", of=("kto", "seed"))
        return self._add("kto", work, "sft", "kto-data", stage=self._recipe("kto"))

    def _is_judged(self) -> bool:
        rewards = self.plan.recipe.grpo.rewards
        return rewards.self_verification and self.plan.judge.rows > 0

    def _judge(self) -> None:
        plan = self.plan

        def rows(at: Path, of: Folders) -> dict[str, int]:
            return write_judge_rows(sorted(of["teacher"].glob("run-*")), at, most=plan.judge.rows)

        self._add("judge-data", rows, "teacher", of=("judge",))
        self._sft("judge", "judge-data", **self._settings["judge_sft"])

    def _grpo(self, number: int, before: Policy) -> Step:
        plan, name, data = self.plan, f"grpo-{number}", f"grpo-data-{number}"
        model, stage = before.trained.name, before.stage
        steps = max(1, (plan.recipe.grpo.max_steps or 1) // plan.rl.rounds)

        def questions(at: Path, of: Folders) -> dict[str, Any]:
            asked = chosen(asked_about(of["world"], "train"), plan.rl.questions, plan.seed + number)
            unseen = unseen_videos(of["world"])[number - 1 :: plan.rl.rounds]
            start = model_of(of[model], stage)
            return build_questions(at, plan, start, questions=asked, unseen=unseen)

        def work(at: Path, of: Folders) -> dict[str, Any]:
            rewards = plan.recipe.grpo.rewards
            if self._is_judged():
                judge = str(model_of(of["judge"], "sft"))
                rewards = rewards.model_copy(update={"judge": judge})
            rows, start = [of[data] / QUESTIONS_FILE], model_of(of[model], stage)
            given = {"max_steps": steps, "rewards": rewards}
            return train("grpo", plan, at, start=start, data=rows, **given)

        self._add(data, questions, "world", model, of=("rl", "seed"))
        judged = ("judge",) if self._is_judged() else ()
        return self._add(name, work, model, data, *judged, stage=self._recipe("grpo"))

    def _fixed(self) -> None:
        self._teaching("fixed-data", "fixed")
        self._measure(Policy(name="fixed", step=self._baseline("fixed")))

    def _passive(self, multiple: int) -> None:
        plan, base, name = self.plan, self.base, f"passive-{multiple}x"

        def rows(at: Path, of: Folders) -> dict[str, Any]:
            tokens = multiple * mean_tokens(read_measured(of["eval-grpo-test"]))
            baseline = uniform(tokens, plan.passive.resize)
            questions = asked_about(of["world"], "train")
            asked = chosen(questions, plan.passive.questions, plan.seed)
            return {"baseline": baseline, **show_passively(at, base, baseline, asked)}

        data = self._add(f"{name}-data", rows, "world", "eval-grpo-test", of=("passive", "seed"))
        self._measure(Policy(name=name, step=self._baseline(name), data=data))

    def _baseline(self, name: str) -> Step:
        return self._sft(name, f"{name}-data", **self._settings["baseline_sft"])

    def _measure(self, policy: Policy) -> None:
        self.policies.append(policy)
        for split in MEASURED_ON:
            self._measure_on(policy, split)

    def _measure_on(self, policy: Policy, split: str) -> None:
        plan, base, console = self.plan, self.base, self.console

        def work(at: Path, of: Folders) -> dict[str, Any]:
            model = base if policy.step is None else model_of(of[policy.step.name], policy.stage)
            baseline = None
            if policy.data is not None:
                baseline = _facts(of[policy.data.name])["baseline"]
            questions = asked_about(of["world"], split)
            found = measure(at / "run", plan, model, questions, baseline=baseline, console=console)
            return facts(found)

        needs = [one.name for one in (policy.step, policy.data) if one is not None]
        self._add(
            f"eval-{policy.name}-{split}",
            work,
            "world",
            *needs,
            of=() if policy.step else ("base",),
            episode=self._recipe("episode"),
        )

    def _recipe(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self._settings["recipe"][name]
        return found


def read_measured(folder: Path) -> Measured:
    """What an evaluation step measured. Raises `ValidationError` for a damaged file."""
    return Measured.model_validate(_facts(folder)["measured"])


def _facts(folder: Path) -> dict[str, Any]:
    done: dict[str, Any] = json.loads((folder / DONE).read_text(encoding="utf-8"))
    found: dict[str, Any] = done["facts"]
    return found
