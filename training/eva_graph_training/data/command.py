"""`eva-graph data`: build the data of the three stages. Light until a command runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from eva_graph.commands.counted import counted
from eva_graph.commands.stopping import GOES_ON, if_stopped
from eva_graph_training.data.command_options import (
    FamilyName,
    Json,
    Layouts,
    MixName,
    Model,
    Out,
    PolicySpec,
    Questions,
    RecipeName,
    Seed,
    Set,
    Temperature,
    Videos,
    Workers,
)
from eva_graph_training.data.command_parts import (
    chosen_context,
    chosen_wiring,
    need_train_extra,
    progress,
    sources_of,
    tell,
)

app = typer.Typer(
    name="data",
    help="Build the data of the training stages: teacher rollouts, labelled episodes, questions.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
PAPER_RECIPE = "qwen2.5-vl-7b-8gpu"


@app.command()
def world(
    out: Annotated[Path, typer.Option(help="Folder for questions.jsonl and videos/.")],
    videos: Annotated[int, typer.Option(min=1, help="How many videos.")] = 8,
    events: Annotated[int, typer.Option(min=0, help="Questions on events a video.")] = 2,
    times: Annotated[int, typer.Option(min=0, help="Questions on times a video.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Of the first video.")] = 20_000_000,
) -> None:
    """Render synthetic videos of one to three minutes, with questions.

    eva-graph data world --out data/world --videos 40
    """
    if_stopped(GOES_ON)
    from eva_graph_training.data.world_source import write_world
    from eva_graph_training.world.sets import WorldSetPlan

    plan = WorldSetPlan(
        first_seed=seed,
        short_videos=videos,
        long_videos=0,
        times_per_short=times,
        events_per_short=events,
    )
    with progress(videos=videos) as advance:
        questions = write_world(plan, out, advance=lambda: advance("videos"))
    tell(
        {},
        f"{counted(videos, 'video')} and {counted(questions, 'question')} in {out}",
        as_json=False,
    )


@app.command()
def sft(
    questions: Questions,
    out: Out,
    policy: PolicySpec,
    videos: Videos = None,
    model: Model = None,
    layout: Layouts = None,
    recipe: RecipeName = PAPER_RECIPE,
    overrides: Set = None,
    family: Annotated[
        list[FamilyName] | None,
        typer.Option(help="Prompt families to take turns; plain adds nothing to the prompt."),
    ] = None,
    temperature: Temperature = 0.7,
    keep_blind: Annotated[
        bool, typer.Option(help="Keep questions that are answered without the video.")
    ] = False,
    own_words: Annotated[
        bool, typer.Option(help="The teacher puts its successes into words itself.")
    ] = True,
    seed: Seed = 0,
    workers: Workers = 4,
    as_json: Json = False,
) -> None:
    """Let a teacher play questions, and keep what it solved well.

    eva-graph data sft q.jsonl --videos videos --policy http://localhost:8000/v1 --out data/sft
    """
    if_stopped(GOES_ON)
    need_train_extra()
    from eva_graph_training.data.families import ROTATION, Family
    from eva_graph_training.data.sft_set import build_sft
    from eva_graph_training.data.sources import read_sources
    from eva_graph_training.data.teaching import TeachingPlan
    from eva_graph_training.recipe import load_recipe

    chosen = load_recipe(recipe, overrides or ())
    sources = sources_of(questions, videos, layout)
    asked = read_sources(sources)
    plan = TeachingPlan(
        wiring=chosen_wiring(policy, model, chosen, [one.video for one in asked]),
        out=out,
        context=chosen_context(chosen, temperature),
        data=chosen.data,
        seed=seed,
        families=[Family(name) for name in family] if family else ROTATION,
        keep_blind=keep_blind,
        own_words=own_words,
        workers=workers,
    )
    with progress(videos=len(asked), questions=len(asked)) as advance:
        counts = build_sft(plan, asked, sources=[str(one) for one in sources], advance=advance)
    tell(counts.to_json(), f"{counted(counts.rows, 'accepted episode')} in {out}", as_json=as_json)


@app.command()
def kto(
    out: Out,
    questions: Annotated[
        list[Path] | None, typer.Argument(help="Files of questions that --policy resamples.")
    ] = None,
    run: Annotated[
        list[Path] | None, typer.Option(help="Recorded run to take episodes from; once for each.")
    ] = None,
    videos: Videos = None,
    layout: Layouts = None,
    policy: Annotated[
        str | None, typer.Option(help="Who is resampled: the SFT model's folder or a server URL.")
    ] = None,
    model: Model = None,
    judge: Annotated[
        str | None, typer.Option(help="Server URL or model folder that judges the evidence.")
    ] = None,
    mix: Annotated[
        MixName, typer.Option(help="Hold the share by leaving out, or leave it to weights.")
    ] = MixName.BALANCED,
    recipe: RecipeName = PAPER_RECIPE,
    overrides: Set = None,
    temperature: Temperature = 1.0,
    seed: Seed = 0,
    workers: Workers = 4,
    as_json: Json = False,
) -> None:
    """Label episodes and choose the KTO set: 63 % desirable unless the recipe says otherwise.

    eva-graph data kto q.jsonl --videos videos --policy runs/sft/model --run data/sft/run --out k
    """
    if_stopped(GOES_ON)
    need_train_extra()
    from eva_graph.errors import InvalidRequest
    from eva_graph.policy.resolve import resolve_policy
    from eva_graph_training.data.kto_choice import Mix
    from eva_graph_training.data.kto_plan import KtoPlan
    from eva_graph_training.data.kto_set import build_kto
    from eva_graph_training.data.sources import read_sources
    from eva_graph_training.labels import PolicyJudge
    from eva_graph_training.recipe import load_recipe

    if not run and not questions:
        raise InvalidRequest("give --run, or questions with --policy, or both")
    if bool(questions) != bool(policy):
        raise InvalidRequest("questions and --policy go together")
    chosen = load_recipe(recipe, overrides or ())
    sources = sources_of(questions or [], videos, layout)
    asked = read_sources(sources)
    wiring = policy and chosen_wiring(policy, model, chosen, [one.video for one in asked])
    plan = KtoPlan(
        out=out,
        runs=run or [],
        questions=asked,
        wiring=wiring or None,
        context=chosen_context(chosen, temperature),
        data=chosen.data,
        mix=Mix(mix.value),
        judge=None if judge is None else PolicyJudge(resolve_policy(judge)),
        seed=seed,
        workers=workers,
    )
    with progress(videos=len(asked), attempts=len(asked) * chosen.data.attempts, labels=None) as (
        advance
    ):
        counts = build_kto(plan, sources=[str(one) for one in sources], advance=advance)
    rows = counts.desirable + counts.undesirable
    tell(
        counts.to_json(),
        f"{counted(rows, 'row')}, {counts.share:.1%} desirable, in {out}",
        as_json=as_json,
    )


@app.command()
def rl(
    questions: Questions,
    out: Out,
    policy: PolicySpec,
    videos: Videos = None,
    model: Model = None,
    layout: Layouts = None,
    unseen: Annotated[
        Path | None, typer.Option(help="Folder of videos without questions, to write new ones on.")
    ] = None,
    listing: Annotated[
        Path | None, typer.Option(help="HD-VILA's listing of the unseen videos; else all of them.")
    ] = None,
    teacher: Annotated[
        str | None, typer.Option(help="Who writes: server URL or model folder, or world.")
    ] = None,
    per_video: Annotated[int, typer.Option(min=1, help="Questions asked for a video.")] = 3,
    recipe: RecipeName = PAPER_RECIPE,
    overrides: Set = None,
    temperature: Temperature = 1.0,
    seed: Seed = 0,
    workers: Workers = 4,
    as_json: Json = False,
) -> None:
    """Choose the questions of GRPO: what the policy fails first, with new ones on unseen videos.

    eva-graph data rl q.jsonl --videos videos --policy runs/kto/model --out data/rl
    """
    if_stopped(GOES_ON)
    need_train_extra()
    from eva_graph.errors import InvalidRequest
    from eva_graph_training.data.rl_plan import RlPlan
    from eva_graph_training.data.rl_set import build_rl
    from eva_graph_training.data.sources import read_sources
    from eva_graph_training.data.unseen import video_files
    from eva_graph_training.recipe import load_recipe

    if (unseen is None) != (teacher is None) or (listing is not None and unseen is None):
        raise InvalidRequest("--teacher writes on --unseen videos: give both, or neither")
    chosen = load_recipe(recipe, overrides or ())
    sources = sources_of(questions, videos, layout)
    asked = read_sources(sources)
    files, missing = video_files(unseen, listing) if unseen else ([], 0)
    known = [*(one.video for one in asked), *map(str, files)]
    plan = RlPlan(
        out=out,
        questions=asked,
        wiring=chosen_wiring(policy, model, chosen, known),
        context=chosen_context(chosen, temperature),
        data=chosen.data,
        teacher=None if teacher is None else chosen_wiring(teacher, None, chosen, known).policy,
        unseen=files,
        missing=missing,
        questions_per_video=per_video,
        seed=seed,
        workers=workers,
    )
    with progress(videos=len(asked), attempts=None, written=len(files)) as advance:
        counts = build_rl(plan, sources=[str(one) for one in sources], advance=advance)
    tell(counts.to_json(), f"{counted(counts.rows.total(), 'question')} in {out}", as_json=as_json)
