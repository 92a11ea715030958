"""Garbage collection and merging of runs, and the command that does both."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from episodes import QUESTION, TWO_LOOKS, answer, call, look, span
from run_writer import journal_episode, old_record

from eva_graph import VideoAgent
from eva_graph.cli import app
from eva_graph.errors import EvaGraphError, TrajectoryError
from eva_graph.testing import ScriptedPolicy
from eva_graph.trajectory import Recorder, RunStore, require_sound
from eva_graph.trajectory.clock import utc_now
from eva_graph.trajectory.garbage import collect_garbage
from eva_graph.trajectory.merge import merge_runs
from eva_graph_tools import ToolOutput, Video
from eva_graph_tools.cached_looks import take_look

HOURS_AGO = time.time() - 7_200


@pytest.fixture
def store(clip: Path, tmp_path: Path) -> RunStore:
    """One episode of three frames, and six frames that nothing names; all are two hours old."""
    run = tmp_path / "run"
    VideoAgent(ScriptedPolicy(TWO_LOOKS)).run(clip, QUESTION, record=run)
    store = RunStore(run)
    with Video.open(clip) as video:
        for frame in video.frames_at([0.2, 1.2, 2.2, 4.4, 5.4, 6.4], resize=1.0):
            store.frames.put(frame, video.video_id)
    age(store)
    return store


def age(store: RunStore) -> None:
    for path in store.frames.root.rglob("*.*"):
        os.utime(path, (HOURS_AGO, HOURS_AGO))


def files(store: RunStore, *, notes: bool = False) -> list[Path]:
    """Frames, or the notes of looks taken before."""
    found = (path for path in store.frames.root.rglob("*") if path.is_file())
    return sorted(path for path in found if (path.suffix == ".json") == notes)


def named(store: RunStore) -> list[Path]:
    told = str([record.model_dump() for record in store.records()])
    return [path for path in files(store) if path.stem in told]


def counts(garbage: Any) -> tuple[int, int]:
    return garbage.frames, garbage.kept_frames


def test_only_what_nothing_names_is_removed(store: RunStore) -> None:
    size = sum(path.stat().st_size for path in files(store))
    would = collect_garbage(store, dry_run=True)
    assert (counts(would), len(files(store))) == ((6, 3), 9)
    removed = collect_garbage(store)
    assert removed == would
    assert size - removed.size_bytes == sum(path.stat().st_size for path in files(store))
    assert require_sound(store.records(), store.frames) == 1
    assert counts(collect_garbage(store)) == (0, 3)


def test_nothing_is_removed_where_nobody_knows_what_was_named(store: RunStore) -> None:
    (shard,) = (store.run / "records").glob("*.jsonl")
    whole = shard.read_bytes()
    shard.write_bytes(whole + whole[: len(whole) // 2])  # torn, but its episode is known
    assert counts(collect_garbage(RunStore(store.run), dry_run=True)) == (6, 3)
    shard.write_bytes(whole[: len(whole) // 2])
    assert counts(collect_garbage(RunStore(store.run), dry_run=True)) == (6, 3), "by its journal"
    (journal,) = (store.run / "journal").glob("*.jsonl")
    journal.unlink()
    for noise in (whole[: len(whole) // 2], os.urandom(500).replace(b"\n", b" ") + b"\n"):
        shard.write_bytes(noise)
        with pytest.raises(TrajectoryError, match="nobody knows which frames they named"):
            collect_garbage(RunStore(store.run), min_age_seconds=0)
    assert len(files(store)) == 9


def test_frames_of_running_episodes_stay(store: RunStore) -> None:
    journaled, young = [path for path in files(store) if path not in named(store)][:2]
    recorder = Recorder(store.run)
    journal_episode(recorder, "running", finished=None)
    look_of = {"calls": [], "messages": [{"content": f"frame://sha256:{journaled.stem}"}]}
    recorder.append("running", turn=1, kind="look", node="action", attempt=1, data=look_of)
    os.utime(young)
    assert counts(collect_garbage(store)) == (4, 5)
    assert journaled.exists()
    assert young.exists()
    assert counts(collect_garbage(store, min_age_seconds=-1)) == (1, 4), "no age, no guard"


def test_a_frame_that_is_wanted_meanwhile_stays(store: RunStore, clip: Path) -> None:
    """A writer puts old frames again while a collection runs: none of them may be missing after."""
    with Video.open(clip) as video:
        video_id = video.video_id
        wanted = video.frames_at([0.2, 1.2, 2.2, 4.4, 5.4, 6.4], resize=1.0)
    with ThreadPoolExecutor(1) as other:
        for _ in range(40):
            age(store)
            collecting = other.submit(collect_garbage, store)
            refs = [store.frames.put(frame, video_id) for frame in wanted]
            collecting.result()
            assert all(store.frames.path(ref).is_file() for ref in refs)


def test_a_remembered_look_goes_with_its_frames(store: RunStore, clip: Path) -> None:
    kept = files(store, notes=True)
    assert kept
    with Video.open(clip) as video:
        look = frame_select_look(video)
        for taken in (False, True):
            shown = take_look(store.frames, video.video_id, "ab" * 32, look)
            assert shown.cached == taken
    assert counts(collect_garbage(store)) == (6, 5), "the note is young: its two frames stay"
    age(store)
    assert counts(collect_garbage(store)) == (2, 3)
    assert files(store, notes=True) == kept, "their frames are named by a record"


def frame_select_look(video: Video) -> Callable[[], ToolOutput]:
    return lambda: ToolOutput(frames=tuple(video.frames_at([0.6, 7.6], resize=1.0)))


def test_what_a_killed_collection_left_behind_is_mended(store: RunStore) -> None:
    kept = named(store)
    loose = [path for path in files(store) if path not in kept]
    for path in (kept[0], loose[0]):
        path.rename(path.with_name(path.name + ".doomed"))
    assert counts(collect_garbage(store)) == (6, 3)
    assert files(store) == kept
    unfinished = kept[0].with_name("tmpabc.tmp")
    unfinished.write_bytes(b"x")
    os.utime(unfinished, (HOURS_AGO, HOURS_AGO))
    assert counts(collect_garbage(store)) == (1, 3)


def test_runs_become_one(store: RunStore, clip: Path, tmp_path: Path) -> None:
    other = RunStore(tmp_path / "other")
    script = [look(span(0, 8, 2, 0.5)), look(span(6, 6, 1)), answer("cyan")]
    VideoAgent(ScriptedPolicy(script)).run(clip, "Which at 6?", record=other.run)
    (first,) = store.records()
    other.append(first)
    other.amend([first.model_copy(update={"labels": ["right_and_grounded"]})])
    journal_episode(Recorder(other.run), "only in the journal", finished=utc_now())
    out = RunStore(tmp_path / "out")
    merged = merge_runs([store, other], out)
    assert (merged.records, merged.duplicates) == (3, 1)
    assert (merged.frames, merged.missing_frames) == (4, 0)
    assert sorted(out.ids()) == sorted({*store.ids(), *other.ids(), "only in the journal"})
    assert out.get(first.trajectory_id).labels == ["right_and_grounded"], "the later one counts"
    assert require_sound(out.records(), out.frames) == 3
    shared = files(out)[0]
    assert shared.stat().st_nlink > 1
    again = merge_runs([other, store], out)
    assert (again.records, again.duplicates, again.frames) == (0, 4, 0)


def test_files_that_tools_made_come_along(clip: Path, tmp_path: Path) -> None:
    script = [call({"start_time": 2, "end_time": 4}, tool="clip"), answer("red")]
    agent = VideoAgent(ScriptedPolicy(script), instructions=True)
    made = agent.run(clip, QUESTION, record=tmp_path / "a").trajectory.turns[0].calls[0].artifacts
    assert Path(made[0].path).parent == tmp_path / "a" / "artifacts"
    out = RunStore(tmp_path / "out")
    assert merge_runs([RunStore(tmp_path / "a")], out).files == 1
    (record,) = out.records()
    (brought,) = record.turns[0].calls[0].artifacts
    assert Path(brought.path).parent == tmp_path / "out" / "artifacts"
    assert Path(brought.path).read_bytes() == Path(made[0].path).read_bytes()


def test_missing_frames_are_counted(store: RunStore, tmp_path: Path) -> None:
    named(store)[0].unlink()
    out = RunStore(tmp_path / "out")
    assert merge_runs([store], out).missing_frames > 0
    with pytest.raises(TrajectoryError, match="missing_frame"):
        require_sound(out.records(), out.frames)


def test_a_run_is_not_merged_into_itself(store: RunStore) -> None:
    with pytest.raises(TrajectoryError, match="into itself"):
        merge_runs([store], RunStore(store.run / ".." / "run"))


@dataclass(frozen=True, kw_only=True)
class Done:
    """What a command left: its output, or the one line that it failed with."""

    stdout: str
    stderr: str
    error: str | None = None


Command = Callable[..., Done]


@pytest.fixture
def command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Command:
    """`eva-graph runs` in this process."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Done:
        capsys.readouterr()
        error = None
        try:
            app(["runs", *arguments], standalone_mode=False)
        except EvaGraphError as raised:
            error = str(raised)
        output = capsys.readouterr()
        return Done(stdout=output.out, stderr=output.err, error=error)

    return run


def test_the_command_lists_and_filters(store: RunStore, command: Command) -> None:
    shown = {"options": {"A": "red", "B": "yellow"}, "expected": "B"}
    evil = "a\x1b[31m\nred [bold]one[/]"
    for name, given in (("right", "B"), ("wrong", evil)):
        update = {"trajectory_id": name, "answer": given, "labels": [name], **shown}
        store.append(old_record().model_copy(update=update))
    done = command("run")
    assert done.error is None
    assert "3 of 3 records: 1 right, 1 wrong, 1 without a reference answer" in done.stdout
    assert "\x1b" not in done.stdout
    assert "clip.mp4" in done.stdout
    told = json.loads(command("run", "--wrong", "--label", "wrong", "--json").stdout)
    (row,) = told["records"]
    assert (row["trajectory_id"], row["answer"], row["correct"]) == ("wrong", evil, False)
    assert (told["total"], told["notes"]) == (3, [])
    assert json.loads(command("run", "--max-turns", "1", "--json").stdout)["records"] == []


def test_the_command_tells_of_unfinished_episodes(store: RunStore, command: Command) -> None:
    journal_episode(Recorder(store.run), "begun", finished=None)
    assert "begun and not finished: 1" in command("run").stderr


def test_a_stop_reason_that_does_not_exist_is_refused(store: RunStore, command: Command) -> None:
    refused = command("run", "--stop-reason", "anwsered").error or ""
    assert refused.startswith("there is no stop reason 'anwsered': choose from answered, forced")
    assert "1 of 1 records" in command("run", "--stop-reason", "answered").stdout


def test_the_command_tidies(store: RunStore, command: Command) -> None:
    journal_episode(Recorder(store.run), "late", finished=utc_now())
    assert "finished and only in the journal: 1" in command("run").stderr
    assert "1 episode (late)" in command("run", "--recover").stdout
    assert json.loads(command("run", "--recover", "--json").stdout)["folded"] == []
    assert "would remove 6 frames" in command("run", "--gc", "--dry-run").stdout
    assert json.loads(command("run", "--gc", "--json").stdout)["frames"] == 6
    assert "out holds 2 records: 2 new" in command("run", "--merge", "out").stdout
    assert "2 records are sound" in command("out", "--check").stdout
    files(RunStore(store.run.with_name("out")))[0].write_bytes(b"")
    broken = command("out", "--check")
    assert broken.stdout == ""
    assert "changed_frame" in (broken.error or "")


def test_the_check_tells_of_what_it_could_not_see(store: RunStore, command: Command) -> None:
    (shard,) = (store.run / "records").glob("*.jsonl")
    with shard.open("ab") as file:
        file.write(b'{"version": 2, "traj\n')
    done = command("run", "--check")
    assert "1 records are sound" in done.stdout
    assert "has 21 bytes at" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("nowhere",), "nothing was recorded there"),
        (("run", "run"), "give one run"),
        (("run", "--check", "--allow", "everything"), "unknown violation"),
        (("run", "--merge", "run"), "into itself"),
        (("run", "--merge", "out", "--right"), "--merge takes the whole run"),
        (("run", "--gc", "--check"), "--gc and --check cannot go together"),
        (("run", "--dry-run"), "--dry-run needs --gc"),
        (("run", "--gc", "--min-age-minutes", "nan"), "--min-age-minutes must be 0 or more"),
        (("run", "--allow", "blank_frame"), "--allow needs --check"),
        (("run", "--since", "yesterday"), "since must be a time"),
    ],
)
def test_the_command_says_what_is_wrong(
    arguments: tuple[str, ...], complaint: str, store: RunStore, command: Command
) -> None:
    done = command(*arguments)
    assert complaint in (done.error or "")
    assert "\n" not in (done.error or "")
    assert (done.stdout, done.stderr) == ("", "")


def test_an_error_is_one_line(tmp_path: Path) -> None:
    program = [sys.executable, "-W", "error", "-m", "eva_graph.cli", "runs", "nowhere"]
    done = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    line = "eva-graph: nowhere holds no records: nothing was recorded there\n"
    assert done.stderr == line
