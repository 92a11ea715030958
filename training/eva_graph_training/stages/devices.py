"""What a training runs on: how many processes, which of them speaks, and in what precision.

Launchers (`accelerate launch`, `torchrun`) tell every process its place by environment variables.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal

import torch
from rich.console import Console

from eva_graph_training.errors import TrainingError

Precision = Literal["bf16", "fp32"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Devices:
    """The processes of a training, one device each.

    Attributes:
        count: of processes.
        rank: of this process.
        on_gpu: whether they compute on GPUs.
    """

    count: int
    rank: int
    on_gpu: bool

    @classmethod
    def found(cls) -> Devices:
        """Those that this process was started with.

        Raises:
            TrainingError: one process sees several GPUs: TRL would split its batches wrongly.
        """
        count = int(os.environ.get("WORLD_SIZE", "1"))
        visible = torch.cuda.device_count()
        if count == 1 and visible > 1:
            raise TrainingError(
                f"{visible} GPUs are visible to one process: start with `accelerate launch "
                f"--num_processes {visible} -m eva_graph.cli train …`, or set CUDA_VISIBLE_DEVICES"
            )
        return cls(count=count, rank=int(os.environ.get("RANK", "0")), on_gpu=visible > 0)

    @property
    def first(self) -> bool:
        """Whether this process is the one that prints and writes."""
        return self.rank == 0

    def precision(self, wanted: Precision) -> Precision:
        """What is computed in: bf16 needs a GPU that has it; without any, fp32 is exact and faster.

        Raises:
            TrainingError: the GPU is too old for bf16.
        """
        if wanted == "fp32" or not self.on_gpu:
            return "fp32"
        if not torch.cuda.is_bf16_supported(including_emulation=False):
            raise TrainingError("this GPU has no bf16: set precision=fp32 for the stage")
        return "bf16"

    def console(self) -> Console:
        """For news, on stderr; silent in every process but the first."""
        return Console(stderr=True, highlight=False, soft_wrap=True, quiet=not self.first)
