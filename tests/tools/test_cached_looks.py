"""Looks taken before: found by what they depend on, and only while their frames are there."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from eva_graph.testing import make_clip
from eva_graph_tools import (
    Artifact,
    DecodeError,
    FrameStore,
    StoredLook,
    ToolOutput,
    Video,
    VisualGrid,
    execute,
    look_key,
    prepare,
    take_look,
)

GRID = VisualGrid()


class Counted:
    """A look at a real video that counts how often it is taken."""

    def __init__(self, video: Video, nframes: int = 4) -> None:
        arguments = {"start_time": 0, "end_time": 4, "nframes": nframes}
        self.look = prepare(
            "frame_select", arguments, info=video.info, grid=GRID, look_budget=12_000
        )
        self.key = look_key(video.video_id, "frame_select", self.look.applied, GRID)
        self.video = video
        self.taken = 0

    def __call__(self) -> ToolOutput:
        self.taken += 1
        return execute(self.video, self.look)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cached") / "clip.mp4"
    make_clip(path, seconds=4, size=(112, 84), fps=5)
    return path


Take = Callable[[Counted], StoredLook]


@pytest.fixture
def store(tmp_path: Path) -> FrameStore:
    return FrameStore(tmp_path / "frames")


def take(store: FrameStore, look: Counted) -> StoredLook:
    return take_look(store, look.video.video_id, look.key, look)


def test_the_same_look_decodes_nothing(store: FrameStore, clip: Path) -> None:
    with Video.open(clip) as video:
        look = Counted(video)
        first, again = take(store, look), take(store, look)
    assert look.taken == 1
    assert (first.cached, again.cached) == (False, True)
    assert again.frames == first.frames
    assert again.requested_seconds == first.requested_seconds
    assert again.snapped == first.snapped
    with Video.open(clip) as reopened:
        elsewhere = Counted(reopened)
        assert take(FrameStore(store.root), elsewhere).cached, "in another process as well"
        assert elsewhere.taken == 0


def test_another_look_is_another_one(store: FrameStore, clip: Path) -> None:
    with Video.open(clip) as video:
        take(store, Counted(video, 4))
        other = Counted(video, 3)
        assert len(take(store, other).frames) == 3
        assert other.taken == 1
    keys = {
        look_key("sha256:a", "seek", {"time": 1.0}, GRID),
        look_key("sha256:b", "seek", {"time": 1.0}, GRID),
        look_key("sha256:a", "zoom", {"time": 1.0}, GRID),
        look_key("sha256:a", "seek", {"time": 2.0}, GRID),
        look_key("sha256:a", "seek", {"time": 1.0}, VisualGrid(patch_pixels=32)),
    }
    assert len(keys) == 5


def test_it_counts_only_while_all_its_frames_are_there(store: FrameStore, clip: Path) -> None:
    with Video.open(clip) as video:
        look = Counted(video)
        first = take(store, look)
        store.path(first.frames[2]).unlink()
        again = take(store, look)
    assert look.taken == 2
    assert again.frames == first.frames
    assert store.read(again.frames[2])


@pytest.mark.parametrize("text", ["", "{", "[]", '{"frames": [{}]}', '{"frames": 3}'])
def test_a_spoilt_memory_is_taken_anew(store: FrameStore, clip: Path, text: str) -> None:
    with Video.open(clip) as video:
        look = Counted(video)
        first = take(store, look)
        (memory,) = store.root.rglob("*.json")
        memory.write_text(text)
        assert take(store, look).frames == first.frames
        assert look.taken == 2
        assert json.loads(memory.read_text())["frames"], "and remembered again"


def test_a_look_that_failed_or_made_a_file_is_not_remembered(store: FrameStore, clip: Path) -> None:
    with Video.open(clip) as video:
        look = Counted(video)
        made = Artifact(path=clip, media_type="video/mp4", start_seconds=0, end_seconds=4)

        def cut() -> ToolOutput:
            return ToolOutput(frames=look().frames, artifacts=(made,))

        def fail() -> ToolOutput:
            raise DecodeError("damaged")

        with pytest.raises(DecodeError):
            take_look(store, video.video_id, look.key, fail)
        for _ in range(2):
            assert take_look(store, video.video_id, look.key, cut).artifacts == (made,)
        assert look.taken == 2
        assert not list(store.root.rglob("*.json"))


def test_memories_are_dropped_like_frames(tmp_path: Path, clip: Path) -> None:
    store = FrameStore(tmp_path / "frames", max_bytes=2_000)
    with Video.open(clip) as video:
        for nframes in range(1, 12):
            take(store, Counted(video, nframes))
    files = [path for path in store.root.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 12_000
