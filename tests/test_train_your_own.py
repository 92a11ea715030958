"""The whole journey of `examples/train_your_own.py` on the embedded nano, stopped on its way."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from eva_graph import StopReason, VideoAgent
from eva_graph.trajectory import RunStore, require_sound

SCRIPT = Path(__file__).parent.parent / "examples" / "train_your_own.py"
COMMAND = [sys.executable, "-W", "error", str(SCRIPT)]
SMALL = ["--set", "sft.max_steps=2", "--set", "kto.max_steps=1"]


def stopped_at(line: str, folder: Path) -> tuple[int, str]:
    """Ctrl-C when the script tells of a step."""
    process = subprocess.Popen([*COMMAND, *SMALL], cwd=folder, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for told in process.stderr:
        if line in told:
            process.send_signal(signal.SIGINT)
            break
    _, said = process.communicate(timeout=120)
    return process.returncode, said


@pytest.mark.slow
def test_from_three_videos_to_another_policy(tmp_path: Path) -> None:
    code, said = stopped_at("5. train: sft", tmp_path)
    assert (code, said.splitlines()[-1]) == (130, "stopped: the same command goes on from here")
    assert "Traceback" not in said
    work = tmp_path / "runs" / "mine"
    attempts = RunStore(work / "attempts")
    recorded = attempts.ids()

    done = subprocess.run([*COMMAND, *SMALL], cwd=tmp_path, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    assert attempts.ids() == recorded, "what is on record is not played again"
    assert require_sound(attempts.records(), attempts.frames) == len(recorded) == 24
    assert {record.desirable for record in attempts.records()} >= {True, False}
    questions = work / "world" / "questions.jsonl"
    rows = [json.loads(line) for line in questions.read_text("utf-8").splitlines()]
    unseen = rows[-1]["video"]
    assert all(Path(record.video.path).name != unseen for record in attempts.records())
    for stage in ("sft", "kto", "grpo"):
        state = json.loads((work / stage / "stage.json").read_text("utf-8"))
        assert (state["status"], (work / stage / "report.html").is_file()) == ("finished", True)
    assert "12 questions in common" in done.stdout
    assert "4 questions in common" in done.stdout
    agent = VideoAgent(policy=work / "grpo")
    result = agent.run(work / "world" / "videos" / unseen, rows[-1]["question"])
    assert result.stop_reason is StopReason.ANSWERED


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--videos", "videos"], "--videos and --questions go together"),
        (["--videos", "v", "--questions", "q.jsonl"], "1 of the videos in q.jsonl are in v; give"),
        (["--videos", "v", "--questions", "q.jsonl", "--policy", "none"], "'none' is neither"),
    ],
)
def test_what_cannot_be_learned_from(
    arguments: list[str], said: str, tmp_path: Path, clip: Path
) -> None:
    (tmp_path / "v").mkdir()
    (tmp_path / "v" / "one.mp4").symlink_to(clip)
    row = {"video": "one.mp4", "question": "Which colour?", "answer": "red"}
    (tmp_path / "q.jsonl").write_text(json.dumps(row), encoding="utf-8")
    done = subprocess.run([*COMMAND, *arguments], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode in (1, 2)
    assert said in done.stderr
    assert "Traceback" not in done.stderr
