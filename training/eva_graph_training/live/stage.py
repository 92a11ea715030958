"""The parts of a GRPO stage that plays in the graph against a server.

The server is `eva-graph serve MODEL --training`, on a disk that the trainer shares.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from eva_graph import VideoAgent
from eva_graph.policy.openai_compatible import OpenAIPolicy
from eva_graph.policy.processor import ImageOnlyProcessor, visual_grid
from eva_graph.trajectory import RunStore
from eva_graph_training.errors import RecipeError
from eva_graph_training.live.exact import ExactRollouts
from eva_graph_training.live.playing import GraphRollouts
from eva_graph_training.live.push import VllmWeights
from eva_graph_training.live.trainer import Pushed
from eva_graph_training.recipe.settings import GenerationSettings
from eva_graph_training.stages.grpo_arguments import Room
from eva_graph_training.stages.run import StageRun

ROLLOUTS = "rollouts"
"""Run directory in the stage's folder that keeps every episode."""
WEIGHTS = "pushed"
"""Where weights are handed over, in the stage's folder."""
PLAIN_SAMPLING = {"top_p": 1.0, "top_k": 0, "min_p": 0.0, "repetition_penalty": 1.0}
"""Said in every request: a server's own defaults would bend what the trainer takes for the model's
distribution."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveParts:
    """What `LiveRolloutTrainer` is given."""

    source: GraphRollouts
    pushed: Pushed


def live_parts(
    run: StageRun, generation: GenerationSettings, processor: ImageOnlyProcessor, room: Room,
    model: Any,
) -> LiveParts:  # fmt: skip
    """What plays a stage's rollouts and hands its weights over.

    Args:
        run: the stage.
        generation: its settings; `server` is named.
        processor: of the model, prepared.
        room: token limits of a rollout.
        model: that is trained.

    Raises:
        RecipeError: the settings cannot be used, or the server's context is too short.
        PolicyError: the server cannot be reached.
    """
    if generation.top_p < 1:
        raise RecipeError(
            "grpo.generation.top_p: the graph engine compares whole distributions, leave it at 1"
        )
    root = str(generation.server).rstrip("/").removesuffix("/v1")
    store = RunStore(run.folder.path / ROLLOUTS)
    context = replace(
        run.recipe.episode.context(),
        record=str(store.run),
        temperature=generation.temperature,
        max_new_tokens=room.turn_tokens,
    )
    agent = VideoAgent(_policy(f"{root}/v1", processor, room), tools=run.recipe.episode.tools)
    return LiveParts(
        source=GraphRollouts(
            agent,
            context,
            ExactRollouts(store, processor, model),
            concurrency=generation.concurrency,
        ),
        pushed=Pushed(
            server=VllmWeights(root), folder=run.folder.path / WEIGHTS, precision=run.precision
        ),
    )


def _policy(url: str, processor: ImageOnlyProcessor, room: Room) -> OpenAIPolicy:
    served = OpenAIPolicy(url).info.context_tokens
    if served is not None and served < room.context_tokens:
        raise RecipeError(
            f"{url} has a context of {served} tokens, rollouts may take {room.context_tokens}: set "
            f"grpo.max_tokens={served}, or serve with --max-model-len {room.context_tokens}"
        )
    return OpenAIPolicy(
        url,
        grid=visual_grid(processor),
        context_tokens=room.context_tokens,
        logprobs="processed",
        extra_body=PLAIN_SAMPLING,
    )
