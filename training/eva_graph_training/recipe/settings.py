"""Settings that several stages share: episodes, data, checks, rewards, adapters.

Defaults are the paper's where it states a value (arXiv 2603.22918, sections on EVA-SFT, EVA-KTO and
EVA-RL); what it leaves open is listed with our choice under `not_stated` of each recipe.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from eva_graph.state import Context

Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Amount = Annotated[int, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
Weight = Annotated[float, Field(ge=0)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]


class Settings(BaseModel):
    """A frozen group of settings; unknown names, infinities and NaN are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class EpisodeSettings(Settings):
    """How episodes are played: by teachers, by GRPO, and for held-out scores."""

    max_turns: Count = 6
    max_new_tokens: Count = 2048
    """Of one turn."""
    look_budget: Count = 12_000
    """Visual tokens of one call."""
    episode_visual_budget: Count | None = None
    tools: tuple[str, ...] | None = None
    """Names of the tools; None: those that the policy was trained with, where its folder says so,
    else what the dialect offers (`frame_select`)."""

    def context(self) -> Context:
        """The same knobs for the graph, at temperature 0 and unrecorded."""
        return Context(
            max_turns=self.max_turns,
            max_new_tokens=self.max_new_tokens,
            look_budget=self.look_budget,
            episode_visual_budget=self.episode_visual_budget,
        )


class DataSettings(Settings):
    """Sizes and mixture of the three data sets."""

    sft_episodes: Count = 10_000
    kto_episodes: Count = 11_000
    kto_desirable_share: Share = 0.63
    rl_open_questions: Amount = 9_600
    rl_choice_questions: Amount = 1_100
    attempts: Count = 4
    """Teacher attempts at a question before it counts as unsolved."""
    enhancement_rounds: Amount = 2
    """How often the policy's failures become new questions."""
    failure_threshold: Share = 0.5
    """A question whose rollouts score less on average is a failure."""
    held_out_share: Share = 0.05
    """Of the videos, kept from every stage; decided by the video and the seed alone."""


class CheckSettings(Settings):
    """The checks of a running training; see `eva_graph_training.checks`."""

    blind_control: bool = True
    noise_multiple: Positive = 20.0
    """Swapped frames must change the loss by this multiple of what a mere rerun changes."""
    full_batches: Count = 2
    """Batches whose every pixel is compared with the stored frames."""
    pixel_share: Share = 0.02
    """Share of the later batches that are compared like that."""


class RewardSettings(Settings):
    """Weights of the reward's terms; a term of weight 0 is neither computed nor logged."""

    accuracy_weight: Weight = 1.0
    self_verification: bool = True
    """Multiple choice: the judge, shown the last look, must be right too."""
    judge: str | None = None
    """Model folder or server URL of the frozen judge; None: the recipe's `model`."""
    format_weight: Weight = 1.0
    format_bonus: Share = 0.05
    """For a wrong answer after a real call; below what guessing brings."""
    evidence_weight: Weight = 0.0
    """Overlap in time with the reference, where there is one."""
    cost_weight: Weight = 0.0
    cost_scale_tokens: Count = 12_000
    """Visual tokens that cost the whole of `cost_weight`."""
    repeat_weight: Weight = 0.0
    """Penalty for looking again where nothing new can be seen."""


class LoraSettings(Settings):
    """A low-rank adapter in place of full fine-tuning."""

    rank: Count = 64
    alpha: Count = 128
    dropout: Share = 0.0
    target_modules: str | tuple[str, ...] = "all-linear"


class HeldOutSettings(Settings):
    """The score before and after a stage."""

    questions: str | None = None
    """JSON lines of `{video, question, options?, answer}`; None: no held-out score."""
    limit: Count = 200


class GenerationSettings(Settings):
    """Who plays GRPO's rollouts."""

    engine: Literal["transformers", "vllm-server", "graph", "vllm-colocate"] = "transformers"
    """`transformers`: the trainer's own model. `vllm-server`: TRL's server mode, weights over NCCL.
    `graph`: the agent's graph plays against `server`, which gets the weights by `reload_weights`.
    `vllm-colocate` is named only to be refused: TRL 1.16 expands image tokens twice there."""
    server: str | None = None
    """URL of the server, for `vllm-server` and `graph` (without one: recorded rollouts)."""
    concurrency: Count = 32
    """Episodes at once in each process, for `graph`."""
    temperature: Positive = 1.0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
