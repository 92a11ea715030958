"""Train your own video agent: videos and questions with answers in, another policy out.

    python examples/train_your_own.py --videos my_videos --questions my.jsonl --work runs/mine

QUESTIONS is a file of JSON lines, {"video", "question", "options"?, "answer"}. The episodes of all
videos but the last one train; the last one only measures. Without arguments three synthetic videos
are made, and the embedded nano learns a little about them on two CPU cores.

POLICY plays: `nano`, a model folder, or a server's URL. A folder is also what is trained; where a
server plays, the recipe's own model learns from it. Every step leaves its files in WORK, and the
same command goes on where it was stopped: nothing that is finished is done again.

docs/train_your_own.md tells the same steps as commands.
"""

import argparse
import json
import sys
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path

from rich.console import Console

from eva_graph import VideoAgent
from eva_graph.commands.log_once import warnings_once
from eva_graph.errors import EvaGraphError, InvalidRequest
from eva_graph.evaluation import (
    EvalQuestion,
    EvaluationPlan,
    EvaluationRun,
    EvaluationSettings,
    ask_videos,
    by_video,
    compare,
    evaluate,
    make_asker,
    render_comparison,
)
from eva_graph.evaluation.questions import reference_of
from eva_graph.policy.resolve import resolve_policy
from eva_graph.trajectory import RecordFilter, RunStore
from eva_graph.viewer import write_view
from eva_graph_training.data.world_source import QUESTIONS, VIDEOS, write_world
from eva_graph_training.export.exporting import ExportRequest, export
from eva_graph_training.export.forms import FORMS
from eva_graph_training.export.selection import Selection
from eva_graph_training.labels import label_run
from eva_graph_training.recipe import Recipe, StageName, load_recipe
from eva_graph_training.stages import train_stage
from eva_graph_training.world.sets import WorldSetPlan

ATTEMPTS = 3
SMALL = [
    "sft.batch=4", "sft.transcripts=1", "kto.batch=4", "kto.transcripts=1", "grpo.batch=2",
    "grpo.rollouts=4", "grpo.max_steps=1", "grpo.transcripts=1",
]  # fmt: skip
"""A handful of questions fills no batch of the recipe's size; `--set` has the last word."""


def main(arguments: argparse.Namespace) -> None:
    say, work = Console(stderr=True, highlight=False), Path(arguments.work)
    recipe = recipe_of(arguments, work)
    questions, videos = Path(arguments.questions), Path(arguments.videos)
    plan = EvaluationPlan.of(settings_of(recipe, recipe.start("sft")), questions, videos)
    units = by_video(plan.questions)
    if len(units) < 3:
        raise InvalidRequest(
            f"{len(units)} of the videos in {questions} are in {videos}; give three: two to learn "
            "from, one to measure with"
        )
    learn = [question for unit in units[:-1] for question in unit.questions]

    say.rule("1. ask: what the policy can do before it is trained")
    ask(recipe, recipe.start("sft"), plan, work / "before", say)

    say.rule("2. record: several tries at each question that trains")
    play(arguments.policy, recipe, learn, work / "attempts")
    page = write_view([work / "attempts"], work / "attempts.html")
    say.print(f"{page.questions} questions to look at in {page.path}")

    say.rule("3. label: what was right and grounded, what was guessed")
    labels = label_run(RunStore(work / "attempts"))
    say.print(labels.summary())
    if not any(record.correct for record in RunStore(work / "attempts").records()):
        raise InvalidRequest("no try was right: a better --policy must show what is to be learned")

    say.rule("4. export: right episodes for SFT, both kinds for KTO, questions for GRPO")
    rows(work / "attempts", "trl-sft", work / "sft-rows", RecordFilter(correct=True))
    stages: list[StageName] = ["sft", "grpo"]
    if labels.desirable and labels.undesirable:
        rows(work / "attempts", "trl-kto", work / "kto-rows", RecordFilter())
        stages.insert(1, "kto")
    else:
        say.print("KTO is passed over: it needs desirable and undesirable episodes")
        recipe = recipe_of(arguments, work, f"grpo.start={json.dumps(str(work / 'sft/model'))}")
    write_questions(learn, work / "grpo.jsonl")

    for name in stages:
        say.rule(f"5. train: {name}")
        train_stage(name, recipe)

    say.rule("6. ask the trained model, and compare")
    after = EvaluationPlan.of(settings_of(recipe, work / "grpo"), questions, videos)
    ask(recipe, work / "grpo", after, work / "after", say)
    runs = [EvaluationRun(work / name).rows() for name in ("before", "after")]
    Console(highlight=False).print(render_comparison(compare(*runs)))
    unseen = [[row for row in run if row.question.video == units[-1].video] for run in runs]
    say.rule("the same on the video that no stage saw")
    Console(highlight=False).print(render_comparison(compare(*unseen)))
    say.print(f'use it: VideoAgent(policy="{work / "grpo"}")')


def recipe_of(arguments: argparse.Namespace, work: Path, *more: str) -> Recipe:
    """The recipe, with this journey's data; values are JSON, which is YAML."""
    own = {
        "work": str(work),
        "sft.data": [str(work / "sft-rows")],
        "kto.data": [str(work / "kto-rows")],
        "grpo.data": [str(work / "grpo.jsonl")],
    }
    if not arguments.policy.startswith(("http://", "https://")):
        own["model"] = arguments.policy
    given = [f"{key}={json.dumps(value)}" for key, value in own.items()]
    return load_recipe(arguments.recipe, [*SMALL, *given, *more, *arguments.set])


def settings_of(recipe: Recipe, model: Path) -> EvaluationSettings:
    """How questions are asked, before and after: as in training, at temperature 0."""
    return EvaluationSettings(
        benchmark="custom",
        model=resolve_policy(model).info.name,
        max_turns=recipe.episode.max_turns,
        max_new_tokens=recipe.episode.max_new_tokens,
        look_budget=recipe.episode.look_budget,
        tools=recipe.episode.tools,
    )


def ask(recipe: Recipe, model: Path, plan: EvaluationPlan, run: Path, say: Console) -> None:
    """Each question once; the run directory keeps every episode, and a report."""
    asker = make_asker(settings_of(recipe, model), resolve_policy(model), run)
    report = evaluate(plan, run, partial(ask_videos, asker=asker, concurrency=2), console=say)
    say.print(f"{report.accuracy.value:.0%} right; {run / 'report.html'}")


def play(policy: str, recipe: Recipe, questions: list[EvalQuestion], run: Path) -> None:
    """Sampled tries, so that some go well and some do not; those on record are not played again."""
    agent = VideoAgent(None if policy == "nano" else policy, tools=recipe.episode.tools)
    store = RunStore(run)
    played = Counter(record.question_id for record in store.records()) if len(store) else Counter()
    for question in questions:
        for seed in range(played[question.question_id], ATTEMPTS):
            context = replace(
                recipe.episode.context(),
                temperature=1.0,
                seed=seed,
                reference=reference_of(question),
            )
            agent.run(
                question.video,
                question.question,
                options=question.asked_options or None,
                subtitles=question.subtitles,
                record=run,
                context=context,
            )


def rows(run: Path, form: str, out: Path, where: RecordFilter) -> None:
    """The training rows of a run; the folder appears whole or not at all."""
    if not out.exists():
        export(
            ExportRequest(runs=[run], form=FORMS[form], out=out, selection=Selection(where=where))
        )


def write_questions(questions: list[EvalQuestion], file: Path) -> None:
    """What GRPO plays itself."""
    lines = [
        {
            "question_id": one.question_id,
            "video": str(Path(one.video).resolve()),
            "question": one.question,
            "options": one.options,
            "answer": one.answer,
        }
        for one in questions
    ]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def parsed(given: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--videos", help="folder of the videos")
    parser.add_argument("--questions", help="JSON lines of questions with answers")
    parser.add_argument("--policy", default="nano", help="nano, a server's URL or a model folder")
    parser.add_argument("--work", default="runs/mine", help="where everything goes")
    parser.add_argument("--recipe", default="nano-cpu", help="a recipe's name, or a YAML file")
    parser.add_argument("--set", action="append", default=[], help="a setting of the recipe")
    arguments = parser.parse_args(given)
    if (arguments.videos is None) != (arguments.questions is None):
        parser.error("--videos and --questions go together")
    if arguments.videos is None:
        world = Path(arguments.work) / "world"
        write_world(
            WorldSetPlan(
                first_seed=30_000_000,
                short_videos=3,
                long_videos=0,
                times_per_short=2,
                events_per_short=2,
            ),
            world,
        )
        arguments.videos, arguments.questions = str(world / VIDEOS), str(world / QUESTIONS)
    return arguments


if __name__ == "__main__":
    try:
        with warnings_once(Console(stderr=True)):
            main(parsed(sys.argv[1:]))
    except EvaGraphError as error:
        sys.exit(f"train_your_own: {error}")
    except KeyboardInterrupt:
        print("stopped: the same command goes on from here", file=sys.stderr)
        sys.exit(130)
