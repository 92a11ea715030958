"""Around a trainer of exact rollouts: the server gets the weights before it plays with them.

Weights are pushed when rollouts are wanted and optimiser steps were taken since: after every step,
or after those that share one generation; and always first, since the server may hold others.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from trl import GRPOTrainer

from eva_graph_training.live.agreement import BOUNDS, agreement
from eva_graph_training.live.playing import GraphRollouts
from eva_graph_training.live.push import VllmWeights
from eva_graph_training.live.weights import write_weights
from eva_graph_training.rewards.metrics import rollout_metrics
from eva_graph_training.rollouts import ExactRolloutTrainer, Rollout
from eva_graph_training.stages.devices import Precision
from eva_graph_training.stages.start import DTYPES


@dataclass(slots=True, kw_only=True)
class Pushed:
    """The server's copy of the weights.

    Attributes:
        server: takes them.
        folder: where they are handed over; trainer and server see it under the same path.
        precision: that they are written and computed in.
        step: of the optimiser, whose weights the server has; None: not known.
    """

    server: VllmWeights
    folder: Path
    precision: Precision
    step: int | None = field(default=None, init=False)


class LiveRolloutTrainer(ExactRolloutTrainer):
    """`ExactRolloutTrainer` whose source plays against a server that holds the trainer's weights.

    Server and trainer are compared on what was just played: after the first push on all rollouts of
    this process, later on one of each generation.

    Args:
        source: plays on that server.
        pushed: the server.
        kwargs: `ExactRolloutTrainer`'s.

    Raises (when rollouts are wanted):
        TrainingError: the server does not take the weights, or disagrees with the trainer.
    """

    def __init__(self, *, source: GraphRollouts, pushed: Pushed, **kwargs: Any) -> None:
        super().__init__(source=source, **kwargs)
        self._graph = source
        self._pushed = pushed

    def _replay(self, prompts: list[Any], trainer: GRPOTrainer) -> dict[str, Any]:
        first, before = self._pushed.step is None, self._graph.played
        self._push()
        replayed = super()._replay(prompts, trainer)
        self._compare(self._playing if first else self._playing[:1])
        played = self._graph.played - before
        self._log_metric("server/played_again", (played - len(self._playing)) / played)
        attempts = [each.attempt for each in self._playing if each.attempt is not None]
        for name, value in rollout_metrics(attempts).items():
            self._log_metric(name, value)
        return replayed

    def _push(self) -> None:
        step, pushed = self.state.global_step, self._pushed
        if pushed.step == step:
            return
        weights = self.accelerator.get_state_dict(self.model_wrapped)
        if self.accelerator.is_main_process:
            folder = pushed.folder / f"step-{step:06}"
            model = self.accelerator.unwrap_model(self.model_wrapped)
            write_weights(model, weights, folder, getattr(torch, DTYPES[pushed.precision]))
            pushed.server.load(folder)
            for older in pushed.folder.glob("step-*"):
                if older != folder:
                    shutil.rmtree(older)
        self.accelerator.wait_for_everyone()
        pushed.step = step

    def _compare(self, rollouts: Sequence[Rollout]) -> None:
        processor: Any = self.processing_class
        found = agreement(
            self.accelerator.unwrap_model(self.model_wrapped),
            processor,
            rollouts,
            temperature=self.temperature,
            precision=self.accelerator.autocast,
        )
        self._log_metric("server/logprob_difference", found.mean)
        bound = BOUNDS[self._pushed.precision]
        found.require(bound, f"after the push of step {self._pushed.step}")
