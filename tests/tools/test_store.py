"""Frames on disk: named by their bytes, shared by processes, bounded, and made again when gone."""

import json
import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numbered_video import Clip, Recipe, number_of, picture, render

from eva_graph_tools import (
    Frame,
    FrameMissing,
    FrameRef,
    FrameStore,
    StoreError,
    Video,
    encode,
    restore,
)

Clips = Callable[[str], Clip]


def frame(number: int, side: int = 64) -> Frame:
    noise = np.random.default_rng(number).integers(0, 256, (side, side, 3), np.uint8)
    return Frame(pts_seconds=number / 10, requested_seconds=0.0, pixels=noise)


@pytest.mark.parametrize(
    ("encoding", "media_type", "start"),
    [
        ("jpeg;q=90", "image/jpeg", b"\xff\xd8"),
        ("jpeg;q=30", "image/jpeg", b"\xff\xd8"),
        ("png", "image/png", b"\x89PNG"),
    ],
)
def test_a_stored_frame_is_read_back(
    encoding: str, media_type: str, start: bytes, tmp_path: Path
) -> None:
    store = FrameStore(tmp_path)
    shown = Frame(pts_seconds=1.5, requested_seconds=1.6, pixels=picture(77))
    ref = store.put(shown, "sha256:v", encoding)
    assert (ref.width, ref.height, ref.pts_seconds, ref.box) == (160, 96, 1.5, None)
    assert (ref.media_type, ref.encoding, ref.video_id) == (media_type, encoding, "sha256:v")
    assert ref.uri == f"frame://sha256:{ref.sha256}"
    data = store.read(ref)
    assert data.startswith(start)
    assert data == encode(shown, encoding) == store.path(ref).read_bytes()
    image = store.open_image(ref)
    assert (image.mode, image.size) == ("RGB", (160, 96))
    assert number_of(np.asarray(image)) == 77
    if encoding == "png":
        assert np.array_equal(np.asarray(image), shown.pixels)


def test_references_survive_json(tmp_path: Path) -> None:
    shown = Frame(
        pts_seconds=0.1 + 0.2,
        requested_seconds=0.0,
        pixels=picture(3),
        box=(0.1, 0.2, 1 / 3, 1.0),
    )
    ref = FrameStore(tmp_path).put(shown, "sha256:v")
    assert FrameRef.from_json(json.loads(json.dumps(ref.to_json()))) == ref
    whole = FrameStore(tmp_path).put(frame(1), "sha256:v")
    assert FrameRef.from_json(json.loads(json.dumps(whole.to_json()))) == whole


@pytest.mark.parametrize(
    "change",
    [
        {"uri": "https://example.org/a.jpg"},
        {"uri": "frame://sha256:abc"},
        {"uri": "frame://sha256:../../../../etc/passwd"},
        {"encoding": "webp"},
        {"encoding": "jpeg;q=0"},
        {"encoding": "png"},
        {"width": 0},
        {"box": [0.0]},
        {"pts_seconds": "nan"},
    ],
)
def test_malformed_references_are_refused(change: dict[str, object], tmp_path: Path) -> None:
    value = FrameStore(tmp_path).put(frame(1), "sha256:v").to_json()
    with pytest.raises(ValueError, match=r"."):
        FrameRef.from_json({**value, **change})
    del value["uri"]
    with pytest.raises(ValueError, match="not a frame reference"):
        FrameRef.from_json(value)


def test_missing_and_corrupt_frames_are_missing(tmp_path: Path) -> None:
    store = FrameStore(tmp_path)
    ref = store.put(frame(1), "sha256:v")
    path = store.path(ref)
    path.write_bytes(b"x" * path.stat().st_size)
    for _ in range(2):
        with pytest.raises(FrameMissing, match="restore it from its video"):
            store.read(ref)
    assert store.put(frame(1), "sha256:v") == ref
    assert store.read(ref)
    with pytest.raises(ValueError, match="not those"):
        store.keep(ref, b"other bytes")


def test_the_least_recently_used_frames_are_dropped(tmp_path: Path) -> None:
    one = len(encode(frame(0)))
    store = FrameStore(tmp_path, max_bytes=20 * one)
    refs = []
    for number in range(40):
        refs.append(store.put(frame(number), "sha256:v"))
        os.utime(store.path(refs[-1]), (number, number))
        if number >= 5:
            store.read(refs[0])
            os.utime(store.path(refs[0]), (number, number))
    kept = [ref for ref in refs if store.path(ref).exists()]
    assert refs[0] in kept
    assert kept[1:] == refs[-len(kept) + 1 :]
    assert sum(store.path(ref).stat().st_size for ref in kept) <= 20 * one * (1 + 1 / 8)


def test_an_unbounded_store_keeps_everything(tmp_path: Path) -> None:
    store = FrameStore(tmp_path)
    refs = [store.put(frame(number), "sha256:v") for number in range(30)]
    assert all(store.read(ref) for ref in refs)


def _write_and_read(root: str, offset: int) -> int:
    store = FrameStore(root, max_bytes=400_000)
    wrong = 0
    for k in range(60):
        shown = frame((k + offset) % 30)
        ref = store.put(shown, "sha256:v")
        try:
            wrong += store.read(ref) != encode(shown)
        except FrameMissing:
            continue  # another process dropped it
    return wrong


def test_processes_share_a_store_without_corruption(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        wrong = pool.starmap(_write_and_read, [(str(tmp_path), k * 7) for k in range(3)])
    assert wrong == [0, 0, 0]
    assert not list(tmp_path.rglob("*.tmp"))


@pytest.mark.parametrize("box", [None, (0.0, 0.0, 0.5, 0.5)])
@pytest.mark.parametrize("encoding", ["jpeg;q=90", "png"])
def test_a_deleted_frame_is_decoded_again(
    box: tuple[float, float, float, float] | None, encoding: str, tmp_path: Path, clip: Clips
) -> None:
    store = FrameStore(tmp_path)
    with Video.open(clip("h264_open_gop").path) as video:
        shown = video.frames_at([0.9, 1.7, 2.3], size=(84, 56), box=box)
        refs = [store.put(f, video.video_id, encoding) for f in shown]
        before = [store.read(ref) for ref in refs]
    for ref in refs:
        store.path(ref).unlink()
    with Video.open(clip("h264_open_gop").path) as video:
        again = [
            restore(store, FrameRef.from_json(json.loads(json.dumps(ref.to_json()))), video)
            for ref in refs
        ]
    assert again == before == [store.read(ref) for ref in refs]


def test_snapped_frames_of_an_overview_are_decoded_again(tmp_path: Path, clip: Clips) -> None:
    store = FrameStore(tmp_path)
    with Video.open(clip("long").path) as video:
        for shown in video.frame_select(0, 20, nframes=9):
            ref = store.put(shown, video.video_id)
            store.path(ref).unlink()
            assert restore(store, ref, video) == encode(shown)


def test_a_frame_is_not_restored_from_anything_else(tmp_path: Path, clip: Clips) -> None:
    store = FrameStore(tmp_path)
    with Video.open(clip("h264_mp4").path) as video:
        ref = store.put(video.seek(1.0), video.video_id)
        unlike = store.put(
            Frame(pts_seconds=1.0, requested_seconds=1.0, pixels=picture(9)), video.video_id
        )
        with pytest.raises(FrameMissing, match="no longer decodes to the same bytes"):
            restore(store, unlike, video)
    other = render(tmp_path / "other.mp4", Recipe(suffix="mp4", ticks=(0, 1, 2)))
    with (
        Video.open(other.path) as video,
        pytest.raises(FrameMissing, match=r"of another video than other\.mp4"),
    ):
        restore(store, ref, video)


def test_frames_print_their_shape_and_copy_their_pixels() -> None:
    shown = Frame(pts_seconds=1.25, requested_seconds=1.0, snapped=True, pixels=picture(5))
    assert repr(shown) == "Frame(160x96 at 1.25 s, snapped)"
    shown.to_numpy()[:] = 0
    assert number_of(shown.to_numpy()) == 5
    assert shown.to_pil().size == (160, 96)


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    with pytest.raises(StoreError, match="frames cannot be kept in") as told:
        FrameStore(blocked).put(frame(1), "sha256:v")
    assert "\n" not in str(told.value)
