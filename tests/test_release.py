"""What would be released: wheel and source distribution are built, looked into, and installed.

The wheel goes into an environment of its own and is run from another folder, so that nothing of the
checkout is seen. Needs a package index, as `.ci/run` does anyway.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = {"eva_graph", "eva_graph_tools", "eva_graph_training"}
WHEEL_MEGABYTES = 12
"""nano's weights are nearly all of it."""
JUNK = ("__pycache__", ".pyc", ".egg-info", ".venv", ".pytest_cache", ".ruff_cache", "/runs/")
TESTS_NEED = {".ci/run", "constraints.txt", "langgraph.json", "pyproject.toml", "tests/conftest.py"}
MENDED = 'pip install "eva-graph[nano]"'

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def run(*command: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs without a way to import the checkout."""
    hidden = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"}
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    return subprocess.run(
        [str(word) for word in command],
        cwd=folder,
        env={**environment, "OMP_NUM_THREADS": "1", "XDG_CACHE_HOME": str(folder / "cache")},
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built")
    done = run(sys.executable, "-m", "build", "--outdir", folder, ROOT, folder=folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    (file,) = built.glob("*.whl")
    return file


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a fresh environment with the wheel and its base dependencies."""
    folder = tmp_path_factory.mktemp("fresh")
    venv.create(folder / "venv", with_pip=True)
    python = folder / "venv" / "bin" / "python"
    done = install(python, str(wheel), folder=folder)
    assert done.returncode == 0, done.stderr
    return python


def install(python: Path, *wanted: str, folder: Path) -> subprocess.CompletedProcess[str]:
    constraints = ROOT / "constraints.txt"
    return run(python, "-m", "pip", "install", "-q", "-c", constraints, *wanted, folder=folder)


def test_the_wheel_holds_the_three_packages_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == PACKAGES
    assert {f"{package}/py.typed" for package in PACKAGES} <= set(names)
    assert [name for name in names if any(junk in f"/{name}" for junk in JUNK)] == []
    assert wheel.stat().st_size < WHEEL_MEGABYTES * 1e6


def test_the_source_distribution_holds_what_the_tests_need(built: Path) -> None:
    (file,) = built.glob("*.tar.gz")
    with tarfile.open(file) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert names >= TESTS_NEED
    tests = {str(path.relative_to(ROOT)) for path in (ROOT / "tests").rglob("*.py")}
    assert tests <= names
    assert [name for name in names if any(junk in f"/{name}" for junk in JUNK)] == []


def test_without_extras_it_imports_and_says_what_is_missing(python: Path, tmp_path: Path) -> None:
    where = "import eva_graph, eva_graph_tools, eva_graph_training as t\n"
    where += "print(eva_graph.__file__, eva_graph_tools.__file__, t.__file__, sep='\\n')"
    done = run(python, "-W", "error", "-c", where, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert all(str(python.parent.parent) in line for line in done.stdout.splitlines())
    program = python.with_name("eva-graph")
    assert run(program, "--help", folder=tmp_path).returncode == 0
    asked = run(program, "demo", folder=tmp_path)
    assert (asked.returncode, asked.stderr.count("\n")) == (1, 1), asked.stderr
    assert MENDED in asked.stderr


def test_the_readme_s_main_command_runs_from_the_wheel(
    python: Path, wheel: Path, tmp_path: Path
) -> None:
    done = install(python, "torch==2.13.0", f"{wheel}[nano]", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    demo = run(python.with_name("eva-graph"), "demo", "--json", folder=tmp_path)
    assert demo.returncode == 0, demo.stderr
    report = json.loads(demo.stdout)
    assert report["correct"] is True
    assert report["stop_reason"] == "answered"
