"""A video read in a worker process: the same answers, whatever happens to the process."""

import errno
import gc
import itertools
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import misbehaving_worker
import numpy as np
import pytest
from numbered_video import Clip, number_of

from eva_graph_tools import (
    DecodeError,
    DecodeTimeout,
    EvaGraphError,
    StoreError,
    UnsupportedMedia,
    Video,
)
from eva_graph_tools.isolation import IsolatedReader, Limits, open_isolated
from eva_graph_tools.isolation.process import command

Clips = Callable[[str], Clip]
MISBEHAVING = Path(misbehaving_worker.__file__)


def misbehaving(path: Path, **limits: Any) -> IsolatedReader:
    return IsolatedReader(path, command(MISBEHAVING), limits=Limits(**limits))


def children() -> set[int]:
    """Processes of this one, ended ones that nobody reaped included."""
    found = set()
    for task in Path("/proc/self/task").iterdir():
        found |= {int(pid) for pid in (task / "children").read_text().split()}
    return found


def files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@contextmanager
def nothing_left() -> Iterator[Callable[[], set[int]]]:
    """No process and no descriptor is left; yields what tells the processes there are within."""
    gc.collect()
    processes, descriptors = children(), files()
    yield lambda: children() - processes
    gc.collect()
    assert children() == processes
    assert files() == descriptors


@pytest.mark.parametrize("name", ["h264_mp4", "vp9_webm", "offset_ts", "single_frame"])
def test_the_same_frames_as_in_this_process(name: str, clip: Clips) -> None:
    path = clip(name).path
    with nothing_left(), Video.open(path) as local, Video(open_isolated(path)) as isolated:
        assert isolated.info == local.info
        assert isolated.video_id == local.video_id
        assert isolated.path == path
        times = local.frame_times_seconds
        assert np.array_equal(isolated.frame_times_seconds, times)
        for ours, theirs in zip(
            isolated.frames_at(times, resize=0.5), local.frames_at(times, resize=0.5), strict=True
        ):
            assert ours.pts_seconds == theirs.pts_seconds
            assert np.array_equal(ours.pixels, theirs.pixels)


def test_errors_are_those_of_this_process(tmp_path: Path) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("no video\n" * 100)
    with pytest.raises(UnsupportedMedia) as here:
        Video.open(text)
    with nothing_left(), pytest.raises(UnsupportedMedia) as there:
        open_isolated(text)
    assert str(here.value) == str(there.value)


@pytest.mark.parametrize("operation", ["spin", "spin_without_lock"])
def test_a_decoder_that_spins_is_killed_in_time(operation: str, clip: Clips) -> None:
    with nothing_left():
        reader = misbehaving(clip("h264_mp4").path)
        with nothing_left_but_one(reader):
            began = time.monotonic()
            with pytest.raises(DecodeTimeout, match="ask for less"):
                reader.perform(operation, {}, timeout_seconds=0.5)
            # It is back within the limit and a second; the rest is what a busy machine may add.
            assert time.monotonic() - began < 30
        assert number_of(Video(reader).seek(1.0).pixels) == 25
        reader.close()


@contextmanager
def nothing_left_but_one(reader: IsolatedReader) -> Iterator[None]:
    """The process that served the reader before is gone afterwards."""
    before = reader.perform("surroundings", {}).values["pid"]
    yield
    assert not Path(f"/proc/{before}").exists()


def test_a_decoder_that_allocates_ends_and_says_so(clip: Clips) -> None:
    with nothing_left():
        reader = misbehaving(clip("h264_mp4").path, memory_bytes=256 * 2**20)
        with nothing_left_but_one(reader):
            with pytest.raises(DecodeError, match=r"h264_mp4\.mp4: .* more than the 256 MiB"):
                reader.perform("allocate", {})
            assert number_of(Video(reader).seek(1.0).pixels) == 25
        reader.close()


@pytest.mark.parametrize(
    ("operation", "error", "words"),
    [
        ("crash", DecodeError, "crashed (SIGSEGV)"),
        ("use_processor", DecodeTimeout, "more processor time"),
        ("fail", DecodeError, "process failed"),
        ("huge", DecodeError, "nonsense"),
    ],
)
def test_what_ends_a_worker_is_one_line_and_the_next_call_works(
    operation: str, error: type[DecodeError], words: str, clip: Clips
) -> None:
    with nothing_left():
        reader = misbehaving(clip("h264_mp4").path, reply_bytes=32 * 2**20)
        with pytest.raises(error) as caught:
            reader.perform(operation, {})
        assert words in str(caught.value)
        assert "source.c" not in str(caught.value)
        assert number_of(Video(reader).seek(1.0).pixels) == 25
        reader.close()


def test_a_late_call_that_ends_by_itself_keeps_its_process(clip: Clips) -> None:
    with nothing_left():
        reader = misbehaving(clip("h264_mp4").path)
        before = reader.perform("surroundings", {}).values["pid"]
        with pytest.raises(DecodeTimeout):
            reader.perform("late", {}, timeout_seconds=0.05)
        assert reader.perform("surroundings", {}).values["pid"] == before
        reader.close()


def test_what_a_decoder_prints_does_no_harm(capfd: pytest.CaptureFixture[str], clip: Clips) -> None:
    with nothing_left():
        reader = misbehaving(clip("h264_mp4").path)
        assert reader.perform("shout", {}).values == {"said": True}
        reader.close()
    assert capfd.readouterr() == ("", "")


def test_a_worker_has_little_of_its_parent(clip: Clips, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "x")
    reader = misbehaving(clip("h264_mp4").path)
    found = reader.perform("surroundings", {}).values
    assert "SECRET_TOKEN" not in found["environment"]
    assert found["files"] < 12
    assert found["session"] == found["pid"]
    reader.close()


def test_a_worker_loads_what_decoding_needs(clip: Clips) -> None:
    with nothing_left() as workers:
        reader = open_isolated(clip("h264_mp4").path)
        (pid,) = workers()
        maps = Path(f"/proc/{pid}/maps").read_text()
        reader.close()
    assert "libavcodec" in maps
    assert "pydantic_core" not in maps


def test_a_worker_neither_connects_nor_starts_programs(clip: Clips) -> None:
    reader = misbehaving(clip("h264_mp4").path)
    assert reader.perform("reach_out", {}).values == {"failed": [errno.EPERM, errno.EPERM]}
    reader.close()


def test_only_a_cut_may_write(clip: Clips, tmp_path: Path) -> None:
    reader = misbehaving(clip("h264_mp4").path, written_bytes=4000)
    target = {"path": str(tmp_path / "out.bin"), "size": 3000}
    assert "errno" in reader.perform("write", target).values
    assert reader.perform("cut", target).values["end_seconds"] == 3000
    assert "errno" in reader.perform("write", target).values
    with pytest.raises(StoreError, match=r"h264_mp4\.mp4: .* cannot be written \(File too large\)"):
        reader.perform("cut", {**target, "size": 5000})
    reader.close()


def test_a_cut_is_the_same(clip: Clips, tmp_path: Path) -> None:
    path = clip("h264_mp4").path
    with Video.open(path, isolated=True) as isolated, Video.open(path) as local:
        there = isolated.cut(0.5, 1.5, tmp_path / "there.mp4")
        here = local.cut(0.5, 1.5, tmp_path / "here.mp4")
    assert (there.start_seconds, there.end_seconds) == (here.start_seconds, here.end_seconds)
    assert there.path.read_bytes() == here.path.read_bytes()


def test_what_a_worker_scanned_is_kept_by_its_parent(
    clip: Clips, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVA_GRAPH_INDEX_CACHE", str(tmp_path / "cache"))
    path = clip("h264_mkv").path
    with Video.open(path, isolated=True) as first:
        (kept,) = (tmp_path / "cache").iterdir()
        content, changed = kept.read_bytes(), kept.stat().st_mtime_ns
    with Video.open(path, isolated=True) as again, Video.open(path) as local:
        assert np.array_equal(again.frame_times_seconds, first.frame_times_seconds)
        assert np.array_equal(local.frame_times_seconds, first.frame_times_seconds)
    assert kept.read_bytes() == content
    assert kept.stat().st_mtime_ns > changed


def test_calls_run_side_by_side_in_bounded_processes(clip: Clips) -> None:
    made = clip("h264_mp4")
    with nothing_left() as workers:
        video = Video(open_isolated(made.path, limits=Limits(workers=2)))
        with ThreadPoolExecutor(6) as pool:
            numbers = list(pool.map(lambda k: number_of(video.seek(k / 25).pixels), range(60)))
        assert numbers == list(range(60))
        assert 1 <= len(workers()) <= 2
        video.close()


def test_waiting_for_a_free_process_counts(clip: Clips) -> None:
    with nothing_left():
        reader = misbehaving(clip("h264_mp4").path, workers=1)
        with ThreadPoolExecutor(1) as pool:
            busy = pool.submit(reader.perform, "spin_without_lock", {}, timeout_seconds=3)
            while not reader._crew._busy:
                time.sleep(0.01)
            with pytest.raises(DecodeTimeout, match="other calls"):
                reader.perform("surroundings", {}, timeout_seconds=0.05)
            assert isinstance(busy.exception(), DecodeTimeout)
        reader.close()


def test_closing_ends_what_runs(clip: Clips) -> None:
    with nothing_left():
        reader = misbehaving(clip("h264_mp4").path)
        with ThreadPoolExecutor(1) as pool:
            busy = pool.submit(reader.perform, "spin", {}, timeout_seconds=200)
            while not reader._crew._busy:
                time.sleep(0.01)
            reader.close()
            with pytest.raises(DecodeError, match="closed"):
                busy.result()
        with pytest.raises(DecodeError, match="closed"):
            reader.perform("surroundings", {})
        reader.close()


def test_a_reader_that_is_forgotten_leaves_nothing(clip: Clips) -> None:
    with nothing_left() as workers:
        reader = open_isolated(clip("h264_mp4").path)
        assert len(workers()) == 1
        del reader


def test_a_killed_worker_is_replaced(clip: Clips) -> None:
    with nothing_left() as workers, Video(open_isolated(clip("h264_mp4").path)) as video:
        (pid,) = workers()
        os.kill(pid, signal.SIGKILL)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)  # a zombie may still have threads
        assert number_of(video.seek(1.0).pixels) == 25


def test_a_file_that_is_replaced_is_noticed(clip: Clips, tmp_path: Path) -> None:
    path = tmp_path / "video.mp4"
    path.write_bytes(clip("h264_mp4").path.read_bytes())
    with nothing_left():
        reader = misbehaving(path)
        path.write_bytes(clip("h264_no_b").path.read_bytes())
        with pytest.raises(DecodeError):
            reader.perform("crash", {})
        with pytest.raises(DecodeError, match="has changed, open it again"):
            reader.perform("surroundings", {})
        reader.close()


PROGRAM = """
import sys, threading
from pathlib import Path
from eva_graph_tools.isolation import IsolatedReader
from eva_graph_tools.isolation.process import command
reader = IsolatedReader(Path(sys.argv[2]), command(Path(sys.argv[1])))
print(reader.perform("surroundings", {}).values["pid"], flush=True)
call = threading.Thread(target=reader.perform, args=(sys.argv[3], {}), daemon=True)
call.start()
exec(sys.argv[4])
"""


@pytest.mark.parametrize("operation", ["spin_without_lock", "surroundings"])
@pytest.mark.parametrize(
    "end", ["sys.exit()", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"]
)
def test_no_worker_outlives_its_parent(end: str, operation: str, clip: Clips) -> None:
    argv = [str(MISBEHAVING), str(clip("h264_mp4").path), operation, end]
    done = subprocess.run([sys.executable, "-c", PROGRAM, *argv], capture_output=True, text=True)
    pid = int(done.stdout)
    waited = threading.Event()
    while _running(pid):
        waited.wait(0.05)


def _running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"  # it belongs to the system now, which reaps it when it likes


def test_a_fork_does_not_touch_its_parents_worker(clip: Clips) -> None:
    program = """
import os, sys
from pathlib import Path
from eva_graph_tools import Video
from eva_graph_tools.isolation import open_isolated
video = Video(open_isolated(Path(sys.argv[1])))
pid = os.fork()
if pid == 0:
    frame = video.seek(1.0)
    sys.exit(0 if frame.pts_seconds == 1.0 else 1)
assert os.waitpid(pid, 0)[1] == 0
print(video._reader._crew._idle[0].usable, video.seek(2.0).pts_seconds)
"""
    argv = [sys.executable, "-W", "ignore", "-c", program, str(clip("h264_mp4").path)]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "2.0"]


def limit_that_leaves(descriptors: int) -> int:
    """What RLIMIT_NOFILE must be: it bounds their numbers, and other tests may have left holes."""
    listed = os.listdir("/proc/self/fd")  # noqa: PTH208
    used = {int(name) for name in listed if os.path.lexists(f"/proc/self/fd/{name}")}
    free = (number for number in itertools.count() if number not in used)
    return next(itertools.islice(free, descriptors, None))


def test_a_system_that_is_full_says_so(clip: Clips) -> None:
    with nothing_left():
        path = clip("h264_mp4").path
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit_that_leaves(3), hard))
        try:
            with pytest.raises(DecodeError, match=r"no process .* \(Too many open files\)"):
                open_isolated(path)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_system_without_limits_says_so(clip: Clips, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(EvaGraphError, match="isolated=False"):
        open_isolated(clip("h264_mp4").path)
