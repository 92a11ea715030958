"""GRPO's own arguments: the episode's limits and the engine, in TRL's words."""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from trl import GRPOConfig

from eva_graph.limits import Limits
from eva_graph.policy.in_process import TransformersPolicy
from eva_graph.policy.sampling import end_token_ids
from eva_graph_training.errors import RecipeError
from eva_graph_training.format import END_OF_TURN
from eva_graph_training.recipe import GrpoStage, Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """How many tokens there are.

    Attributes:
        context_tokens: for prompt and completion of a rollout.
        turn_tokens: new ones in one turn.
    """

    context_tokens: int
    turn_tokens: int

    @classmethod
    def of(cls, recipe: Recipe, start: Path) -> Room:
        """What a recipe allows and the model takes; the same limits hold for it in the graph.

        Raises:
            InvalidRequest: `start` holds no model.
            RecipeError: neither says how long a rollout may be.
        """
        policy = TransformersPolicy(start)
        known = [recipe.grpo.max_tokens, policy.info.context_tokens]
        lengths = [length for length in known if length is not None]
        if not lengths:
            raise RecipeError(f"{start} does not say how long its context is: set grpo.max_tokens")
        wanted = recipe.episode.max_new_tokens
        return cls(
            context_tokens=min(lengths),
            turn_tokens=min(wanted, policy.longest_turn_tokens or wanted),
        )

    def limits(self, recipe: Recipe, start: Path) -> Limits:
        """The budgets of a rollout: the graph's own, in this room."""
        return Limits.of(
            recipe.episode.context(),
            TransformersPolicy(start).info.grid,
            context_tokens=self.context_tokens,
            forces_answer=True,
        )


def own_arguments(recipe: Recipe, room: Room) -> dict[str, Any]:
    """What GRPO sets beside the arguments that all stages share.

    TRL's own limits lie where the episode's budgets have acted before: a completion may fill the
    context, and there is one tool call less than there are turns.

    Raises:
        RecipeError: the engine cannot be used, or needs a server.
    """
    stage = recipe.grpo
    return {
        "num_generations": stage.rollouts,
        "beta": stage.beta,
        "epsilon": stage.epsilon,
        "num_iterations": stage.iterations,
        "loss_type": stage.loss,
        "scale_rewards": stage.scale_rewards,
        "temperature": stage.generation.temperature,
        "top_p": stage.generation.top_p,
        "max_completion_length": room.context_tokens,
        "max_tool_calling_iterations": recipe.episode.max_turns - 1,
        **_engine(stage, room),
    }


def _engine(stage: GrpoStage, room: Room) -> dict[str, Any]:
    generation = stage.generation
    match generation.engine:
        case "transformers":
            return {"generation_kwargs": {"max_new_tokens": room.turn_tokens}}
        case "vllm-server":
            if generation.server is None:
                raise RecipeError("grpo.generation.server: name the URL of the vLLM server")
            return {
                "use_vllm": True,
                "vllm_mode": "server",
                "vllm_server_base_url": generation.server,
                "generation_kwargs": {"max_tokens": room.turn_tokens},
            }
        case "vllm-colocate":
            raise RecipeError(
                "grpo.generation.engine: vllm-colocate expands image tokens twice (TRL issue "
                "6294): use vllm-server, graph or transformers"
            )
        case "graph":
            return {}


def suppress_foreign_tokens(config: GRPOConfig, model: Any, processor: Any) -> None:
    """Keep ids out of rollouts that the format has no place for.

    An image token that the policy sampled would stand for no image, and after another end token
    than the template's own TRL would continue with other ids than the graph.
    """
    own = processor.tokenizer.convert_tokens_to_ids(END_OF_TURN)
    foreign = end_token_ids(model, processor.tokenizer) - {own}
    foreign |= {processor.image_token_id, processor.video_token_id}
    given: Any = config.generation_kwargs
    config.generation_kwargs = {"suppress_tokens": sorted(foreign), **given}


class WholeGenerations(TrainerCallback):
    """Puts checkpoints off to where all rollouts are used up, so that none is lost on resume.

    It stands behind the callback that asks for checkpoints, which asks again after the next step.
    """

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Take a request back that comes amid a generation's steps."""
        if state.global_step % optimiser_steps(args):
            control.should_save = False


def optimiser_steps(args: Any) -> int:
    """Optimiser steps after which generations and steps end together."""
    micro_batches = args.steps_per_generation * args.num_iterations
    return int(micro_batches // gcd(micro_batches, args.gradient_accumulation_steps))
