"""`eva-graph app`: what it says of wrong options, a missing extra, and how it ends."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = [sys.executable, "-m", "eva_graph.cli", "app"]


def run(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *options], capture_output=True, text=True, timeout=120)


def test_a_missing_folder_is_one_line(tmp_path: Path) -> None:
    done = run("--media-root", str(tmp_path / "none"))
    assert (done.returncode, done.stdout) == (1, "")
    assert "no such folder" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_without_the_extra_the_install_command_is_told() -> None:
    hide = "import sys; sys.modules['gradio'] = None; sys.argv = ['eva-graph', 'app']\n"
    program = f"{hide}from eva_graph.cli import main\nmain()"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert 'pip install "eva-graph[app]"' in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--policy", "no/such/model"], "neither a model folder nor"),
        (["--policy", "a=http://localhost:1/v1", "--port", "70000"], "cannot listen"),
        (["--max-upload-mb", "0"], "upload_bytes"),
        (["--question-timeout", "0"], "a question needs more than 0 seconds"),
        (["--policy", "x="], "names no policy"),
    ],
)
def test_wrong_options_are_one_line(options: list[str], said: str) -> None:
    done = run(*options)
    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.slow
def test_ctrl_c_ends_it_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with subprocess.Popen(
        [*COMMAND, "--port", "0", "--policy", "a=http://localhost:1/v1"],
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("http://127.0.0.1:")
        process.send_signal(signal.SIGINT)
        assert "Traceback" not in process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert list(tmp_path.glob("eva-graph-app-*")) == []
