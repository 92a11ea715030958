"""Calls side by side: the same frames as one after the other, a bound on what is open, on time."""

import gc
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numbered_video import Clip, number_of

from eva_graph_tools import DecodeError, DecodeTimeout, Video
from eva_graph_tools.deadline import Deadline
from eva_graph_tools.decoder_pool import MOST_OPEN, MOST_PER_VIDEO
from eva_graph_tools.local_reader import LocalReader
from eva_graph_tools.operations import OPERATIONS, Media
from eva_graph_tools.reader import Reply
from eva_graph_tools.side_by_side import decode_side_by_side, shares

Clips = Callable[[str], Clip]


def open_files(path: Path) -> int:
    """How often this process has a file open."""
    links = Path("/proc/self/fd").iterdir()
    return sum(1 for link in links if link.is_symlink() and same(link, path))


def same(link: Path, path: Path) -> bool:
    try:
        return link.readlink() == path
    except FileNotFoundError:
        return False  # closed meanwhile


def look(video: Video, seed: int) -> list[tuple[float, bytes]]:
    random = Random(seed)
    duration = video.info.duration_seconds
    start, end = sorted(random.uniform(0, duration) for _ in range(2))
    match random.randrange(3):
        case 0:
            frames = [video.seek(start, size=(80, 48))]
        case 1:
            frames = video.frame_select(start, end, nframes=random.randint(1, 12), size=(84, 56))
        case _:
            frames = video.frames_at([end, start], box=(0.1, 0.2, 0.7, 0.9), resize=0.5)
    return [(frame.pts_seconds, frame.to_numpy().tobytes()) for frame in frames]


@pytest.mark.parametrize("name", ["h264_mkv", "h264_ts", "long_sparse_keys", "h264_raw"])
def test_eight_threads_see_what_one_sees(name: str, clip: Clips) -> None:
    path = clip(name).path
    before = open_files(path)
    most = 0

    def watched(seed: int) -> list[tuple[float, bytes]]:
        nonlocal most
        seen = look(video, seed)
        most = max(most, open_files(path))
        return seen

    with Video.open(path) as video:
        serial = [look(video, seed) for seed in range(64)]
        with ThreadPoolExecutor(8) as threads:
            assert list(threads.map(watched, range(64))) == serial
        assert 1 <= most <= before + MOST_PER_VIDEO
    assert open_files(path) == before


def test_many_videos_share_a_bound(clip: Clips, tmp_path: Path) -> None:
    data = clip("h264_mp4").path.read_bytes()
    paths = [tmp_path / f"{number}.mp4" for number in range(MOST_OPEN + 6)]
    for path in paths:
        path.write_bytes(data)
    videos = [Video.open(path) for path in paths]
    for t in (0.5, 1.5):
        numbers = [number_of(video.seek(t).to_numpy()) for video in videos]
        assert numbers == [int(t * 25)] * len(videos)
        assert sum(open_files(path) for path in paths) <= MOST_OPEN
    for video in videos:
        video.close()
    assert sum(open_files(path) for path in paths) == 0


def test_a_forgotten_video_gives_its_files_back(clip: Clips) -> None:
    path = clip("h264_mkv").path
    video = Video.open(path)
    video.seek(1.0)
    assert open_files(path) == 1
    del video
    gc.collect()  # a container of PyAV and its streams hold each other
    assert open_files(path) == 0


class Held:
    """An operation that keeps its decoder until it is let go, as a packet without end would."""

    def __init__(self) -> None:
        self.begun, self.go_on, self.ended = (threading.Event() for _ in range(3))

    def __call__(self, media: Media, arguments: Mapping[str, Any], deadline: Deadline) -> Reply:
        try:
            with media.decoder(deadline) as decoder:
                self.begun.set()
                self.go_on.wait()
                decoder.decode([0], lambda frame: frame.pts)
            return Reply()
        finally:
            self.ended.set()


def test_a_late_call_loses_its_decoder(clip: Clips, monkeypatch: pytest.MonkeyPatch) -> None:
    path = clip("h264_mp4").path
    held = Held()
    monkeypatch.setitem(OPERATIONS, "held", held)
    video = Video(reader := LocalReader.open(path, max_decoders=1))
    with pytest.raises(DecodeTimeout):
        reader.perform("held", {}, timeout_seconds=0.05)
    assert held.begun.is_set()
    assert not held.ended.is_set()
    assert number_of(video.seek(1.0).to_numpy()) == 25  # on a fresh one
    assert open_files(path) == 2
    held.go_on.set()
    held.ended.wait()
    assert open_files(path) == 1
    assert number_of(video.seek(2.0, timeout_seconds=60).to_numpy()) == 50
    video.close()
    assert open_files(path) == 0


def test_waiting_for_a_decoder_ends_at_the_deadline(
    clip: Clips, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held()
    monkeypatch.setitem(OPERATIONS, "held", held)
    video = Video(reader := LocalReader.open(clip("h264_mp4").path, max_decoders=1))
    with ThreadPoolExecutor(1) as threads:
        busy = threads.submit(reader.perform, "held", {})
        held.begun.wait()
        with pytest.raises(DecodeTimeout):
            video.seek(1.0, timeout_seconds=0.05)
        held.go_on.set()
        busy.result()
    assert number_of(video.seek(1.0).to_numpy()) == 25
    video.close()


def test_calls_after_a_timeout_work(clip: Clips) -> None:
    with Video.open(clip("long").path, timeout_seconds=60) as video:
        for _ in range(3):
            with pytest.raises(DecodeTimeout):
                video.frame_select(0, 20, nframes=200, mode="exact", timeout_seconds=1e-6)
            assert number_of(video.seek(12.0, timeout_seconds=60).to_numpy()) == 120


@pytest.mark.parametrize("name", ["h264_mp4", "h264_ts"])
def test_opening_ends_at_its_deadline(name: str, clip: Clips) -> None:
    with pytest.raises(DecodeTimeout):
        Video.open(clip(name).path, timeout_seconds=1e-9)


def test_a_file_that_is_replaced_is_not_read_on(clip: Clips, tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(clip("h264_mp4").path.read_bytes())
    held = threading.Barrier(2)
    reader = LocalReader.open(path, max_decoders=2)
    path.unlink()
    path.write_bytes(clip("h264_open_gop").path.read_bytes())

    def second() -> None:
        held.wait()
        try:
            with reader.decoder(Deadline()):
                pass
        finally:
            held.wait()

    with ThreadPoolExecutor(1) as threads:
        with reader.decoder(Deadline()):
            later = threads.submit(second)
            held.wait()
            held.wait()
        with pytest.raises(DecodeError, match="changed while it was open"):
            later.result()
    reader.close()


@given(wanted=st.sets(st.integers(0, 199), min_size=1), picture_pixels=st.integers(1, 10**9))
def test_shares_hold_everything_once_and_split_no_group(
    clip: Clips, wanted: set[int], picture_pixels: int
) -> None:
    with Video.open(clip("long").path) as video:
        index = video._reader.opened.index
    parts = shares(index, wanted, picture_pixels)
    assert sorted(i for part in parts for i in part) == sorted(wanted)
    starts = [set(index.groups(part)) for part in parts]
    assert sum(len(s) for s in starts) == len(set().union(*starts))


def test_a_request_over_several_decoders_gives_the_same_frames(clip: Clips) -> None:
    reader = LocalReader.open(clip("long").path, max_decoders=3)
    index = reader.opened.index
    wanted = list(range(0, 200, 3))
    parts = shares(index, wanted, 10**9)
    assert len(parts) > 3

    def converter() -> Callable[[Any], Any]:
        return lambda frame: frame.to_ndarray(format="gray")

    with reader.decoders(3, Deadline()) as decoders:
        assert len(decoders) == 3
        together = decode_side_by_side(decoders, parts, converter)
    with reader.decoder(Deadline()) as decoder:
        alone = decoder.decode(wanted, converter())
    reader.close()
    assert together.keys() == alone.keys()
    assert all(np.array_equal(together[i][1], alone[i][1]) for i in wanted)
