"""The GPU benchmark's own script, on this machine: every part runs and reports what it measured."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow
SCRIPT = Path(__file__).parents[2] / "benchmarks" / "gpu_training.py"


def sees(figures: dict[str, Any]) -> bool:
    return "swapped frames" in figures["blind_control"]


@pytest.mark.timeout(900)
def test_every_part_of_the_gpu_benchmark_reports(tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPT), "--small", "--seconds", "850"]
    command += ["--out", str(tmp_path / "out"), "--work", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "out" / "gpu_training.json").read_text())
    assert found["model"]["episodes"]["images"] == 5
    for stage in ("sft", "kto", "grpo"):
        assert sees(found[stage])
        assert found[stage]["steps"] == 2
        assert found[stage]["tokens_a_step"] >= found["model"]["episodes"]["tokens"][0]
    assert found["on_policy"]["steps"] == 1
    assert set(found["nano"]["stages"]) == {"sft", "kto", "grpo"}
    assert set(found["nano"]["accuracy"]) == {"before", "sft", "kto", "grpo"}
    assert not list(tmp_path.glob("gpu-training-*"))
