"""One process of a checked SFT run of two: `checked_run.py MODEL RUN OUT`.

The first row, which the first process takes, has no frames.
"""

from __future__ import annotations

import sys

from trl import SFTConfig, SFTTrainer
from trl_steps import QUIET

from eva_graph.policy.processor import load_model, load_processor
from eva_graph_training.checks.sight import SightCheck
from eva_graph_training.dataset import sft_dataset


class CheckedSft(SightCheck, SFTTrainer):
    pass


def main(model_folder: str, run: str, out: str) -> None:
    settings = {**QUIET, "max_steps": 2, "train_sampling_strategy": "sequential"}
    config = SFTConfig(
        output_dir=out, assistant_only_loss=True, max_length=None, per_device_train_batch_size=1,
        ddp_find_unused_parameters=True, **settings,
    )  # fmt: skip
    rows = sft_dataset([run]).select([2, 0, 3, 4])
    trainer = CheckedSft(
        model=load_model(model_folder), args=config, train_dataset=rows,
        processing_class=load_processor(model_folder),
    )  # fmt: skip
    trainer.train()
    process, of = trainer.accelerator.process_index, trainer.accelerator.num_processes
    print(f"process {process} of {of} saw: {trainer.sight}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
