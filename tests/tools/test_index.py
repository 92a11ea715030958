"""However an index is come by, it is the one that reading all packets gives."""

import dataclasses
import os
import struct
from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from clip_recipes import RECIPES
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numbered_video import Clip, Recipe, number_of, render

from eva_graph_tools import UnsupportedMedia, Video
from eva_graph_tools.deadline import Deadline
from eva_graph_tools.errors import DecodeTimeout
from eva_graph_tools.index import FrameIndex
from eva_graph_tools.indexing import build_index
from eva_graph_tools.indexing.cache import keep_index, load_index
from eva_graph_tools.indexing.columns import PacketColumns, assemble
from eva_graph_tools.indexing.sample_tables import read_tables
from eva_graph_tools.indexing.scan import scan
from eva_graph_tools.media import content_id, open_source

Clips = Callable[[str], Clip]

TABLED = [
    name
    for name, recipe in RECIPES.items()
    if recipe.suffix in {"mp4", "mov"} and name != "h264_fragments"
]


def differing(a: FrameIndex, b: FrameIndex) -> list[str]:
    fields = [field.name for field in dataclasses.fields(FrameIndex)]
    return [f for f in fields if not np.array_equal(getattr(a, f), getattr(b, f))]


def both(path: Path) -> tuple[FrameIndex | None, FrameIndex | None]:
    """The index by the file's tables, None where they are not used, and by its packets."""
    container, stream = open_source(path)
    with container:
        tables = read_tables(path, container, stream)
        packets = scan(container, stream, Deadline())

        def index(columns: PacketColumns | None) -> FrameIndex | None:
            return assemble(container, stream, columns) if columns is not None else None

        return index(tables), index(packets)


@pytest.mark.parametrize("name", TABLED)
def test_tables_say_what_packets_say(name: str, clip: Clips) -> None:
    tables, packets = both(clip(name).path)
    assert tables is not None
    assert packets is not None
    assert differing(tables, packets) == []


@pytest.mark.parametrize("name", ["h264_mp4", "h264_open_gop", "hevc_mp4", "variable_mp4"])
@pytest.mark.parametrize("suffix", ["mp4", "mov"])
@pytest.mark.parametrize("skip_frames", [3, 7])
def test_tables_of_cut_copies_say_what_packets_say(
    name: str, suffix: str, skip_frames: int, remuxed: Callable[..., Clip]
) -> None:
    tables, packets = both(remuxed(name, suffix, skip_frames=skip_frames).path)
    assert tables is not None
    assert packets is not None
    assert differing(tables, packets) == []


@settings(max_examples=25)
@given(steps=st.lists(st.integers(1, 4000), min_size=1, max_size=30), b_frames=st.integers(0, 3))
def test_tables_of_any_rhythm_say_what_packets_say(
    steps: list[int], b_frames: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    ticks = tuple(np.cumsum(steps).tolist())
    recipe = Recipe(
        suffix="mp4", ticks=ticks, time_base=Fraction(1, 90_000), gop=8, b_frames=b_frames
    )
    tables, packets = both(render(tmp_path_factory.mktemp("rhythm") / "a.mp4", recipe).path)
    assert tables is not None
    assert packets is not None
    assert differing(tables, packets) == []


@pytest.mark.parametrize("options", [{"movflags": "frag_keyframe+empty_moov"},
                                     {"movflags": "negative_cts_offsets"}])  # fmt: skip
def test_files_that_are_not_plain_are_scanned(options: dict[str, str], tmp_path: Path) -> None:
    recipe = Recipe(suffix="mp4", container_options=options)
    tables, packets = both(render(tmp_path / "a.mp4", recipe).path)
    assert tables is None
    assert packets is not None
    assert packets.frame_count == 60


def movie(data: bytes) -> tuple[int, int]:
    """Where the moov box of an MP4 starts and ends."""
    offset = 0
    while data[offset + 4 : offset + 8] != b"moov":
        offset += struct.unpack_from(">I", data, offset)[0]
    return offset, offset + struct.unpack_from(">I", data, offset)[0]


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_tables_never_say_otherwise(
    clip: Clips, tmp_path: Path, data: st.DataObject
) -> None:
    damaged = bytearray(clip("h264_mp4").path.read_bytes())
    start, end = movie(bytes(damaged))
    flips = data.draw(
        st.dictionaries(
            st.integers(start + 8, end - 1), st.integers(0, 255), min_size=1, max_size=3
        )
    )
    for at, value in flips.items():
        damaged[at] = value
    path = tmp_path / "damaged.mp4"
    path.write_bytes(damaged)
    with suppress(UnsupportedMedia):
        tables, packets = both(path)
        if tables is not None:
            assert packets is not None
            # The demuxer looks into the pictures and corrects a list of key frames that lies; here
            # the decoder finds out when it lands on one that is none.
            assert set(differing(tables, packets)) <= {"key"}


@pytest.mark.parametrize("kind", [b"stts", b"ctts", b"stss", b"stsz", b"stsc", b"stco", b"elst"])
def test_tables_that_claim_billions_are_bounded(kind: bytes, clip: Clips, tmp_path: Path) -> None:
    data = bytearray(clip("h264_mp4").path.read_bytes())
    start = data.index(kind, movie(bytes(data))[0]) + 4
    at = start + (8 if kind == b"stsz" else 4)
    data[at : at + 4] = b"\xff\xff\xff\xff"
    path = tmp_path / "claims.mp4"
    path.write_bytes(data)
    with suppress(UnsupportedMedia):
        tables, packets = both(path)
        assert tables is None or packets is None or differing(tables, packets) == []


def indexed(path: Path) -> FrameIndex:
    container, stream = open_source(path)
    with container:
        index = build_index(path, content_id(path), container, stream, Deadline())
    assert index is not None
    return index


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "indices"
    monkeypatch.setenv("EVA_GRAPH_INDEX_CACHE", str(folder))
    return folder


@pytest.mark.parametrize("name", ["h264_mkv", "h264_ts", "h264_avi", "h264_raw", "gif"])
def test_a_scan_is_kept_and_found_again(name: str, clip: Clips, cache: Path) -> None:
    path = clip(name).path
    scanned = indexed(path)
    (entry,) = cache.iterdir()
    kept = load_index(cache, content_id(path), path)
    assert kept is not None
    assert differing(scanned, kept) == []
    with Video.open(path) as video:
        assert video.info.frame_count == 60
    assert list(cache.iterdir()) == [entry]


def test_what_is_read_in_a_moment_is_not_kept(clip: Clips, cache: Path) -> None:
    indexed(clip("h264_mp4").path)
    assert not cache.exists()


def test_damaged_entries_are_made_again(clip: Clips, cache: Path) -> None:
    path = clip("h264_mkv").path
    scanned = indexed(path)
    (entry,) = cache.iterdir()
    whole = entry.read_bytes()
    middle = len(whole) // 2
    flipped = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
    for damaged in (
        b"",
        whole[:20],
        whole[:-7],
        flipped,
        b"eva-graph index 0\n" + whole,
        b"\0" * 99,
    ):
        entry.write_bytes(damaged)
        assert load_index(cache, content_id(path), path) is None
        assert differing(indexed(path), scanned) == []
        assert entry.read_bytes() == whole


def test_a_changed_file_is_scanned_again(clip: Clips, cache: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    path.write_bytes(clip("h264_mkv").path.read_bytes())
    indexed(path)
    os.utime(path, ns=(1, 1))
    assert load_index(cache, content_id(path), path) is None
    path.write_bytes(clip("variable_mkv").path.read_bytes())
    assert indexed(path).frame_count == 11


def test_the_folder_is_bounded(clip: Clips, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = clip("h264_mkv").path
    index = indexed(path)
    size = next(cache.iterdir()).stat().st_size
    monkeypatch.setattr("eva_graph_tools.disk_cache.MAX_BYTES", 4 * size)
    for number in range(12):
        keep_index(cache, f"sha256:{number}", path, index)
    assert sum(entry.stat().st_size for entry in cache.iterdir()) <= 4 * size
    assert load_index(cache, "sha256:11", path) is not None


def test_a_folder_that_cannot_be_written_is_no_failure(
    clip: Clips, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("EVA_GRAPH_INDEX_CACHE", str(tmp_path / "file"))
    assert indexed(clip("h264_mkv").path).frame_count == 60


def test_a_scan_ends_at_its_deadline(clip: Clips) -> None:
    container, stream = open_source(clip("h264_ts").path)
    with container, pytest.raises(DecodeTimeout):
        scan(container, stream, Deadline(at=0.0))


def test_a_stream_without_pictures_has_no_index(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "none.mkv"), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        container.start_encoding()
    with pytest.raises(UnsupportedMedia), Video.open(tmp_path / "none.mkv"):
        pass


@pytest.mark.parametrize("shift", [-2, 1, 3])
def test_frames_are_right_where_the_list_of_key_frames_lies(
    shift: int, clip: Clips, tmp_path: Path
) -> None:
    made = clip("long")
    data = bytearray(made.path.read_bytes())
    entries = data.index(b"stss", movie(bytes(data))[0]) + 12
    for entry in (2, 3, 5):
        at = entries + 4 * entry
        (number,) = struct.unpack_from(">I", data, at)
        struct.pack_into(">I", data, at, number + shift)
    path = tmp_path / "lying.mp4"
    path.write_bytes(data)
    with Video.open(path) as video:
        asked = [float(t) for t in video.frame_times_seconds][::3]
        alone = [video.seek(t) for t in asked]
        together = video.frames_at(asked)
    for t, one, other in zip(asked, alone, together, strict=True):
        assert number_of(one.to_numpy()) == number_of(other.to_numpy()) == made.number_at(t)
