"""Stage 3: GRPO in the graph's own episodes, with TRL's GRPOTrainer.

The policy that is trained plays them itself (`transformers`), or TRL's vLLM server does
(`vllm-server`), in `VideoEnvironment`s; or the graph plays them and brings their exact token ids
(`graph`): live on a vLLM server that gets the weights (`eva_graph_training.live`), or as an export
recorded them. Frames are kept in `<work>/grpo/frames`, or with the episodes in
`<work>/grpo/rollouts`. The reference of the KL term is the stage's start.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from accelerate import PartialState
from datasets import Dataset
from rich.progress import Progress
from transformers import Trainer
from trl import GRPOConfig

from eva_graph.dialects import EvaDialect
from eva_graph.policy.in_process import TransformersPolicy
from eva_graph.policy.processor import ImageOnlyProcessor
from eva_graph.videos import OpenVideos
from eva_graph_tools import FrameStore
from eva_graph_training.checks.rollouts import CheckedExactRollouts, RolloutSightCheck
from eva_graph_training.env import VideoEnvironment
from eva_graph_training.errors import DataError, RecipeError
from eva_graph_training.export.trl_grpo import ROLLOUTS
from eva_graph_training.format import prepare_processor
from eva_graph_training.live.stage import live_parts
from eva_graph_training.live.trainer import LiveRolloutTrainer
from eva_graph_training.recipe import Recipe
from eva_graph_training.rewards.functions import reward_functions
from eva_graph_training.rewards.scoring import judge_of
from eva_graph_training.rollouts import RecordedRollouts, recorded_reward
from eva_graph_training.stages.checkpoints import StageTrainer
from eva_graph_training.stages.grpo_arguments import (
    Room,
    WholeGenerations,
    own_arguments,
    suppress_foreign_tokens,
)
from eva_graph_training.stages.grpo_rows import RowMaker, write_rows
from eva_graph_training.stages.grpo_trainer import EpisodeTrainer
from eva_graph_training.stages.rows import RowCounts
from eva_graph_training.stages.run import StageRun, Trained, run_stage
from eva_graph_training.stages.start import require_whole

FRAME_BYTES = 8 * 2**30
"""Frames of rollouts are kept for rewards and logs of the step; the oldest go first."""
_FEWER = "of a prompt with fewer rollouts than a group has"


class CheckedGrpo(StageTrainer, RolloutSightCheck, EpisodeTrainer):
    """Rollouts in environments, verified as they are made."""


class CheckedReplay(StageTrainer, CheckedExactRollouts):
    """Recorded rollouts of the graph, verified as they come in."""


class CheckedLive(StageTrainer, CheckedExactRollouts, LiveRolloutTrainer):
    """Rollouts that the graph plays on a server with the trainer's weights, verified likewise."""


def train_grpo(recipe: Recipe) -> Trained:
    """Train the recipe's third stage; see `run_stage`.

    Raises:
        EvaGraphError: the recipe, the data or the start cannot be used; one line each.
    """
    return run_stage(recipe, "grpo", grpo_trainer)


def grpo_trainer(run: StageRun) -> Trainer:
    """The stage's trainer, ready to train; raises as `train_grpo` does."""
    require_whole(run.start)
    run = _with_known_tools(run)
    room = Room.of(run.recipe, run.start)
    config = run.arguments(GRPOConfig, **own_arguments(run.recipe, room))
    processor = prepare_processor(run.processor())
    generation = run.recipe.grpo.generation
    if generation.engine != "graph":
        return _playing(run, config, room, processor)
    if generation.server is None:
        return _recorded(run, config, processor)
    return _live(run, config, room, processor)


def _with_known_tools(run: StageRun) -> StageRun:
    """Where the recipe names no tools, those that the start was trained with, as in the graph."""
    episode = run.recipe.episode
    if episode.tools is not None:
        return run
    known = episode.model_copy(update={"tools": TransformersPolicy(run.start).info.tools})
    return replace(run, recipe=run.recipe.model_copy(update={"episode": known}))


def _playing(
    run: StageRun, config: GRPOConfig, room: Room, processor: ImageOnlyProcessor
) -> Trainer:
    videos = OpenVideos()
    environment = partial(
        VideoEnvironment,
        store=FrameStore(run.folder.path / "frames", max_bytes=FRAME_BYTES),
        videos=videos,
        limits=room.limits(run.recipe, run.start),
        tools=run.recipe.episode.tools,
        artifacts=run.folder.path / "artifacts",
    )
    rewards = _rewards(run, config)
    rows = _rows(run, config, room, processor, videos)
    model = run.model()
    if not config.use_vllm:
        suppress_foreign_tokens(config, model, processor)
    with _experimental():
        trainer: Trainer = CheckedGrpo(
            context_tokens=room.context_tokens,
            environment_factory=environment,
            reward_funcs=rewards,
            **_common(run, config, model, processor, rows),
        )
    return trainer


def _live(run: StageRun, config: GRPOConfig, room: Room, processor: ImageOnlyProcessor) -> Trainer:
    rewards = _rewards(run, config)
    rows = _rows(run, config, room, processor, OpenVideos())
    model = run.model()
    parts = live_parts(run, run.recipe.grpo.generation, processor, room, model)
    with _experimental():
        trainer: Trainer = CheckedLive(
            source=parts.source,
            pushed=parts.pushed,
            reward_funcs=rewards,
            **_common(run, config, model, processor, rows),
        )
    return trainer


def _recorded(run: StageRun, config: GRPOConfig, processor: ImageOnlyProcessor) -> Trainer:
    file = _rollouts_file(run.recipe.sources("grpo"))
    recorded = RecordedRollouts.load(file, per_prompt=run.recipe.grpo.rollouts)
    prompts = recorded.prompts()
    left = Counter({_FEWER: recorded.left_out}) if recorded.left_out else Counter()
    counts = RowCounts(rows=len(prompts), left=left)
    if run.devices.first:
        _begin(run, config, counts)
    PartialState().wait_for_everyone()
    with _experimental():
        trainer: Trainer = CheckedReplay(
            source=recorded,
            reward_funcs=recorded_reward,
            **_common(run, config, run.model(), processor, prompts),
        )
    return trainer


def _common(
    run: StageRun, config: GRPOConfig, model: Any, processor: ImageOnlyProcessor, rows: Dataset
) -> dict[str, Any]:
    return {
        "train_dataset": rows,
        "checks": run.stage.checks,
        "model": model,
        "args": config,
        "processing_class": processor,
        "callbacks": [*run.callbacks(), WholeGenerations()],
    }


def _begin(run: StageRun, config: Any, counts: RowCounts) -> None:
    """Say what will be played, and write it down where that is enough for a step."""
    for line in counts.lines():
        run.console.print(f"grpo: {line}", markup=False)
    at_once = config.generation_batch_size // config.num_generations
    if counts.rows < at_once:
        raise DataError(
            f"{counts.rows} questions can be played, {at_once} are played at once: add questions, "
            "or lower grpo.batch"
        )
    run.begin({"data": counts.to_json()})


def _rewards(run: StageRun, config: GRPOConfig) -> list[Any]:
    """The recipe's terms; their weights go into the configuration."""
    settings = run.recipe.grpo.rewards
    rewards = reward_functions(settings, judge_of(settings, run.recipe.model))
    config.reward_weights = rewards.weights
    return list(rewards.functions)


def _rows(
    run: StageRun, config: GRPOConfig, room: Room, processor: ImageOnlyProcessor, videos: OpenVideos
) -> Dataset:
    """The stage's questions as rows; the first process makes them for all."""
    if run.devices.first:
        maker = RowMaker(
            processor=processor,
            videos=videos,
            dialect=EvaDialect(),
            episode=run.recipe.episode,
            context_tokens=room.context_tokens,
        )
        hidden = run.console.quiet or not run.console.is_terminal
        with Progress(console=run.console, transient=True, disable=hidden) as progress:
            counts = write_rows(run.recipe.sources("grpo"), run.folder.rows, maker, progress)
        _begin(run, config, counts)
    PartialState().wait_for_everyone()
    return Dataset.from_file(str(run.folder.rows))


def _rollouts_file(paths: Sequence[Path]) -> Path:
    for path in paths:
        file = path / f"train{ROLLOUTS}.parquet"
        if file.is_file():
            return file
    raise RecipeError(
        "grpo.generation.engine: graph needs grpo.generation.server, where it plays, or in "
        "grpo.data what `eva-graph export --to trl-grpo` wrote of a run with token ids"
    )


@contextmanager
def _experimental() -> Iterator[None]:
    """TRL warns that environments and rollout functions may change; the version is pinned."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="You are using '", category=UserWarning)
        yield
