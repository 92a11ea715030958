"""What a finished run leaves: a small JSON file a policy, from which all tables are made.

`<size>-<ablation>-seed<N>-<policy>.json`; `main` stands for no ablation. They are committed, so
they hold no path and no name of a machine but its kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from eva_graph_training.data.workplace import write_whole
from eva_graph_training.errors import DataError
from eva_graph_training.miniature.chain import MEASURED_ON, Chain, Policy, read_measured
from eva_graph_training.miniature.measuring import Measured
from eva_graph_training.miniature.plan import Size
from eva_graph_training.miniature.steps import in_order
from eva_graph_training.stage_report.facts import machine

MAIN: Final = "main"
SHIPPED: Final = Path(__file__).parent / "reports"
"""Those of the runs behind the shipped nano."""


class PolicyReport(BaseModel):
    """One policy of one run.

    Attributes:
        size, ablation, seed: of the run; `main` is no ablation.
        policy: e.g. `grpo`, `passive-2x`.
        baseline: how a passive one was asked, as `--baseline` names it.
        base: fingerprint of the base model.
        seconds: of every step that led to the policy.
        machine: what it ran on.
        settings: what the training step was done with.
        splits: measurements by split.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal[1] = 1
    size: Size
    ablation: str
    seed: int
    policy: str
    baseline: str | None
    base: str
    seconds: dict[str, float]
    machine: dict[str, Any]
    settings: dict[str, Any]
    splits: dict[str, Measured]

    @property
    def name(self) -> str:
        """Of its file."""
        return f"{self.size}-{self.ablation}-seed{self.seed}-{self.policy}.json"


def write_reports(
    chain: Chain, work: Path, folder: Path, *, size: Size, ablation: str
) -> list[Path]:
    """Write the reports of a run whose steps are done.

    Raises:
        DataError: a step is not done, or a file cannot be written.
    """
    written = []
    for policy in chain.policies:
        found = _report(chain, work, policy, size, ablation)
        path = folder / found.name
        write_whole(path, found.model_dump_json(indent=None) + "\n")
        written.append(path)
    return written


def read_reports(folder: Path) -> list[PolicyReport]:
    """All reports of a folder, by name.

    Raises:
        DataError: there is none, or one cannot be read.
    """
    found = []
    for path in sorted(folder.glob("*.json")):
        try:
            found.append(PolicyReport.model_validate_json(path.read_bytes()))
        except (OSError, ValidationError) as error:
            raise DataError(f"cannot read {path}: {str(error).splitlines()[0]}") from None
    if not found:
        raise DataError(f"{folder} holds no report: run the recipe first, or name another folder")
    return found


def _report(chain: Chain, work: Path, policy: Policy, size: Size, ablation: str) -> PolicyReport:
    evaluations = {split: chain.steps[f"eval-{policy.name}-{split}"] for split in MEASURED_ON}
    behind = {one.name: one for step in evaluations.values() for one in in_order(step)}
    settings: Mapping[str, Any] = policy.step.settings if policy.step else {}
    return PolicyReport(
        size=size,
        ablation=ablation,
        seed=chain.plan.seed,
        policy=policy.name,
        baseline=policy.data.facts(work)["baseline"] if policy.data else None,
        base=chain.base_fingerprint[:16],
        seconds={name: step.facts(work)["seconds"] for name, step in behind.items()},
        machine=machine(),
        settings=dict(settings.get("stage", {})),
        splits={split: read_measured(step.folder(work)) for split, step in evaluations.items()},
    )
