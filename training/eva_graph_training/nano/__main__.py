"""`python -m eva_graph_training.nano STAGE --work DIR`: train, measure and export nano.

Stages in order: perception, rehearsal, trajectories, sft, evaluate, export. Each goes on where it
was stopped; run with OMP_NUM_THREADS=1 on a shared machine.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from eva_graph_training.nano.evaluate import table
from eva_graph_training.nano.stages import Workshop

STAGES = ("perception", "rehearsal", "trajectories", "sft", "evaluate", "export")


def main(arguments: list[str] | None = None) -> None:
    """Run one stage."""
    parser = argparse.ArgumentParser(prog="python -m eva_graph_training.nano", description=__doc__)
    parser.add_argument("stage", choices=STAGES)
    parser.add_argument("--work", type=Path, required=True, help="working folder of all stages")
    parser.add_argument(
        "--folder", type=Path, help="evaluate: the model to ask; export: where to write"
    )
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of torch")
    given = parser.parse_args(arguments)
    torch.set_num_threads(given.threads)
    workshop = Workshop(work=given.work)
    if given.stage == "evaluate":
        print(table(workshop.evaluate(given.folder)))
    elif given.stage == "export":
        if given.folder is None:
            parser.error("export needs --folder")
        workshop.export(given.folder)
    else:
        done = getattr(workshop, given.stage)()
        if done is not None:
            print(done)


if __name__ == "__main__":
    main()
