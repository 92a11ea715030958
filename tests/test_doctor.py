"""`eva-graph doctor` on what is installed here, and on a package that does not load."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from eva_graph.doctor import EXTRAS


def findings(path: Path) -> tuple[int, dict[str, dict[str, Any]]]:
    done = subprocess.run(
        [sys.executable, "-m", "eva_graph.cli", "doctor", "--json"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(path), *sys.path])},
        check=False,
    )
    return done.returncode, {one["name"]: one for one in json.loads(done.stdout)}


@pytest.mark.slow
def test_every_extra_is_loaded_and_a_broken_one_is_told_with_its_mend(tmp_path: Path) -> None:
    broken = tmp_path / "vllm"
    broken.mkdir()
    (broken / "__init__.py").write_text("raise ImportError('libcudart.so.13 is missing')")
    metadata = tmp_path / "vllm-9.9.dist-info/METADATA"
    metadata.parent.mkdir()
    metadata.write_text("Metadata-Version: 2.1\nName: vllm\nVersion: 9.9\n")
    code, found = findings(tmp_path)
    assert code == 1
    told = {name.removeprefix("extra "): one for name, one in found.items() if "extra" in name}
    assert set(told) == {extra.name for extra in EXTRAS}
    serve = told.pop("serve")
    assert serve["status"] == "broken"
    assert serve["detail"] == "vllm 9.9: ImportError: libcudart.so.13 is missing"
    assert "environment of its own" in serve["mend"]
    assert {name: one["status"] for name, one in told.items()} == dict.fromkeys(told, "ok")
    assert found["decoding"]["status"] == found["embedded policy"]["status"] == "ok"
