"""A cut holds the frames it says it holds, at their times, whole or not at all."""

import itertools
import threading
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numbered_video import Clip, Recipe, number_of, render
from text_tracks import with_text_track

from eva_graph_tools import (
    CannotCopy,
    DecodeTimeout,
    InvalidArguments,
    SeekOutOfRange,
    StoreError,
    ToolError,
    Video,
)
from eva_graph_tools.cutting.encoding import display_matrix
from eva_graph_tools.cutting.request import Cut
from eva_graph_tools.cutting.stream_copy import decoding_times
from eva_graph_tools.isolation import open_isolated
from eva_graph_tools.picture import Geometry

Clips = Callable[[str], Clip]
COPIED = [
    ("h264_mp4", "mp4"),
    ("h264_mkv", "mp4"),
    ("h264_ts", "mp4"),
    ("h264_mp4", "mkv"),
    ("h264_one_gop", "mp4"),
    ("h264_open_gop", "mp4"),
    ("h264_fragments", "mov"),
    ("hevc_open_gop", "mkv"),
    ("vp8_alt_ref", "webm"),
    ("vp9_webm", "mp4"),
    ("av1_mp4", "mkv"),
    ("mpeg4_avi", "mp4"),
    ("mjpeg_avi", "mkv"),
    ("variable_mkv", "mp4"),
    ("variable_mp4", "mkv"),
    ("offset_ts", "mp4"),
    ("audio_first_mp4", "mp4"),
    ("audio_first_mkv", "mkv"),
]
ENCODED = [
    *[(name, "mp4") for name in ("h264_mp4", "h264_avi", "h264_raw", "h264_intra_refresh")],
    *[(name, "mp4") for name in ("hevc_open_gop", "vp9_webm", "mpeg2_mpg", "gif", "offset_ts")],
    *[(name, "mkv") for name in ("h264_10_bit", "variable_mp4", "audio_first_mp4", "mjpeg_avi")],
]


def shown(path: Path) -> list[tuple[int, float]]:
    """Numbers and times of all frames of a cut."""
    with Video.open(path) as cut:
        assert cut.info.start_offset_seconds == pytest.approx(0, abs=1e-3)
        frames = cut.frames_at(cut.frame_times_seconds)
        return [(number_of(frame.to_numpy()), frame.pts_seconds) for frame in frames]


def check(made: Cut, times: tuple[float, ...], frames: list[tuple[int, float]]) -> None:
    """Every frame of the video between the cut's bounds is in it, at its time, and no other."""
    first = max(k for k, t in enumerate(times) if t <= made.start_seconds + 1e-3)
    last = max(k for k, t in enumerate(times) if t < made.end_seconds - 2e-3)
    assert [number for number, _ in frames] == list(range(first, last + 1))
    for number, at in frames:
        expected = max(times[number], made.start_seconds) - made.start_seconds
        assert at == pytest.approx(expected, abs=2e-3)


@pytest.mark.parametrize(("name", "suffix"), COPIED)
def test_a_copy_tells_what_it_holds(name: str, suffix: str, clip: Clips, tmp_path: Path) -> None:
    with Video.open(clip(name).path) as video:
        start, end = video.info.duration_seconds * 0.31, video.info.duration_seconds * 0.63
        made = video.cut(start, end, tmp_path / f"cut.{suffix}")
        times = tuple(float(t) for t in video.frame_times_seconds)
    assert not made.exact
    assert made.start_seconds <= start
    assert made.end_seconds >= end
    frames = shown(made.path)
    check(made, times, frames)
    with Video.open(made.path) as cut:
        assert cut.info.duration_seconds == pytest.approx(made.duration_seconds, abs=0.002)
    assert list(tmp_path.iterdir()) == [made.path]


@pytest.mark.parametrize(("name", "suffix"), ENCODED)
def test_an_exact_cut_is_what_was_asked_for(
    name: str, suffix: str, clip: Clips, tmp_path: Path
) -> None:
    with Video.open(clip(name).path) as video:
        start, end = video.info.duration_seconds * 0.31, video.info.duration_seconds * 0.63
        made = video.cut(start, end, tmp_path / f"cut.{suffix}", exact=True)
        times = tuple(float(t) for t in video.frame_times_seconds)
    assert (made.start_seconds, made.end_seconds, made.exact) == (start, end, True)
    check(made, times, shown(made.path))
    with Video.open(made.path) as cut:
        assert cut.info.duration_seconds == pytest.approx(end - start, abs=0.002)


def test_a_copy_may_begin_with_what_the_file_hides(
    remuxed: Callable[..., Clip], tmp_path: Path
) -> None:
    with Video.open(remuxed("h264_mp4", "mp4", skip_frames=17).path) as video:
        assert number_of(video.seek(0).to_numpy()) == 17
        made = video.cut(0, 0.5, tmp_path / "copy.mp4")
        exact = video.cut(0, 0.5, tmp_path / "exact.mp4", exact=True)
    assert made.start_seconds == pytest.approx(-0.04)
    assert shown(made.path)[0] == (16, 0.0)
    assert [number for number, _ in shown(exact.path)] == list(range(17, 30))


def test_a_copy_takes_the_whole_video(clip: Clips, tmp_path: Path) -> None:
    with Video.open(clip("long").path) as video:
        made = video.cut(0, video.info.duration_seconds, tmp_path / "cut.mp4")
    assert [number for number, _ in shown(made.path)] == list(range(200))


@pytest.fixture(scope="module")
def sounding(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four seconds of numbered pictures; a second of silence, then of noise, in turn."""
    path = tmp_path_factory.mktemp("sound") / "sounding.mkv"
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 32_000).astype(np.float32)
    noise *= np.arange(32_000) // 8000 % 2
    recipe = Recipe(suffix="mp4", ticks=tuple(range(100)))
    with (
        av.open(str(render(path.with_name("silent.mp4"), recipe).path)) as given,
        av.open(str(path), "w") as taken,
    ):
        pictures = taken.add_stream_from_template(given.streams.video[0])
        sound = taken.add_stream("pcm_s16le", rate=8000, layout="mono")
        for packet in given.demux(video=0):
            if packet.dts is not None:
                packet.stream = pictures
                taken.mux(packet)
        for start in range(0, 32_000, 800):
            frame = av.AudioFrame.from_ndarray(
                (noise[start : start + 800] * 32_767).astype(np.int16)[None], "s16", "mono"
            )
            frame.sample_rate, frame.pts = 8000, start
            taken.mux(sound.encode(frame))
        taken.mux(sound.encode(None))
    return path


def loudness(path: Path) -> tuple[str, list[float]]:
    """The audio's codec, and its mean level in each tenth of a second."""
    with av.open(str(path)) as container:
        (stream,) = container.streams.audio
        samples = np.zeros(8 * 48_000)
        resampler = av.AudioResampler("flt", "mono", 48_000)
        for decoded in container.decode(stream):
            for frame in resampler.resample(decoded):
                assert frame.pts is not None
                at = max(0, frame.pts)
                piece = frame.to_ndarray()[0][: len(samples) - at]
                samples[at : at + len(piece)] = piece
        tenths = np.abs(samples.reshape(-1, 4800)).mean(axis=1)
        return stream.codec_context.codec.canonical_name, tenths.tolist()


@pytest.mark.parametrize(
    ("suffix", "exact", "codec"),
    [("mkv", False, "pcm_s16le"), ("mkv", True, "pcm_s16le"), ("mov", True, "pcm_s16le")],
)
def test_sound_comes_along_in_time(
    sounding: Path, tmp_path: Path, suffix: str, exact: bool, codec: str
) -> None:
    with Video.open(sounding) as video:
        made = video.cut(0.5, 3.2, tmp_path / f"cut.{suffix}", exact=exact)
    name, levels = loudness(made.path)
    assert name == codec
    for tenth, level in enumerate(levels[: int(made.duration_seconds * 10) - 1]):
        at = made.start_seconds + tenth / 10 + 0.05
        if 0.1 < at % 1 < 0.9:
            assert (level > 0.1) == (int(at) % 2 == 1), at


@pytest.mark.parametrize("exact", [False, True])
def test_sound_that_does_not_fit_is_encoded_again(tmp_path: Path, exact: bool) -> None:
    source = tmp_path / "telephone.avi"
    recipe = Recipe(suffix="avi", codec="mpeg4", ticks=tuple(range(50)), b_frames=0)
    with (
        av.open(str(render(tmp_path / "silent.avi", recipe).path)) as given,
        av.open(str(source), "w") as taken,
    ):
        pictures = taken.add_stream_from_template(given.streams.video[0])
        sound = taken.add_stream("pcm_mulaw", rate=16_000, layout="mono")
        for packet in given.demux(video=0):
            if packet.dts is not None:
                packet.stream = pictures
                taken.mux(packet)
        tone = (np.sin(np.arange(32_000) / 5) * 16_000).astype(np.int16)[None]
        for start in range(0, 32_000, 800):
            frame = av.AudioFrame.from_ndarray(tone[:, start : start + 800], "s16", "mono")
            frame.sample_rate, frame.pts = 16_000, start
            taken.mux(sound.encode(frame))
        taken.mux(sound.encode(None))
    with Video.open(source) as video:
        made = video.cut(0.5, 1.5, tmp_path / "cut.mp4", exact=exact)
    name, levels = loudness(made.path)
    assert name == "aac"
    assert min(levels[1:9]) > 0.1


@pytest.mark.parametrize(
    ("flip_x", "flip_y", "transpose"), list(itertools.product([0, 1], repeat=3))
)
def test_an_exact_cut_keeps_orientation_and_aspect(
    flip_x: int, flip_y: int, transpose: int, tmp_path: Path
) -> None:
    wanted = Geometry(
        width=1, height=1, transpose=bool(transpose), flip_x=bool(flip_x), flip_y=bool(flip_y)
    )
    source = tmp_path / "turned.mp4"
    recipe = Recipe(suffix="mp4", ticks=tuple(range(12)), sample_aspect_ratio=Fraction(4, 3))
    with (
        av.open(str(render(tmp_path / "plain.mp4", recipe).path)) as given,
        av.open(str(source), "w") as taken,
    ):
        stream = taken.add_stream_from_template(given.streams.video[0])
        stream.set_display_matrix(display_matrix(wanted))
        for packet in given.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                taken.mux(packet)
    with Video.open(source) as video:
        before, size = video.seek(0.2).to_numpy(), (video.info.width, video.info.height)
        made = video.cut(0.2, 0.4, tmp_path / "cut.mp4", exact=True)
    assert size == ((96, 213) if transpose else (213, 96))
    with Video.open(made.path) as cut:
        assert (cut.info.width, cut.info.height) == size
        after = cut.seek(0).to_numpy()
    assert np.abs(before.astype(int) - after).mean() < 6


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(suffix="mkv", pix_fmt="yuv444p", ticks=(0, 1, 2), b_frames=0),
        Recipe(suffix="mkv", codec="ffv1", pix_fmt="bgr0", ticks=(0, 1, 2), b_frames=0),
        Recipe(suffix="mkv", codec="ffv1", pix_fmt="yuva420p", ticks=(0, 1, 2), b_frames=0),
        Recipe(
            suffix="mkv",
            pix_fmt="yuv420p10le",
            ticks=(0, 1, 2),
            b_frames=0,
            options={
                "x264-params": "colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc:range=tv"
            },
        ),
    ],
    ids=lambda recipe: recipe.pix_fmt,
)
def test_an_exact_cut_keeps_colours(recipe: Recipe, tmp_path: Path) -> None:
    source = render(tmp_path / "source.mkv", recipe)
    with Video.open(source.path) as video:
        before = video.seek(0.05).to_numpy()
        made = video.cut(0.04, 0.12, tmp_path / "cut.mp4", exact=True)
    with Video.open(made.path) as cut:
        after = cut.seek(0.01).to_numpy()
    assert np.abs(before.astype(int) - after).mean() < 4
    with av.open(str(source.path)) as one, av.open(str(made.path)) as other:
        given, kept = (c.streams.video[0].codec_context for c in (one, other))
        assert (kept.color_trc, kept.color_primaries) == (given.color_trc, given.color_primaries)


@pytest.mark.parametrize(
    ("start", "end", "name", "error", "message"),
    [
        (0, 1, "cut.txt", InvalidArguments, "cuts are written to .mp4"),
        (0, 1, "cut.webm", (InvalidArguments, CannotCopy), "does not go into webm"),
        (0, 1, "none/cut.mp4", InvalidArguments, "no such folder, create it first"),
        (1, 1, "cut.mp4", InvalidArguments, "ends .1 s. where it starts"),
        (2, 1, "cut.mp4", InvalidArguments, "or before"),
        (0, 99, "cut.mp4", SeekOutOfRange, "outside the video"),
        (float("nan"), 1, "cut.mp4", SeekOutOfRange, "outside the video"),
    ],
)
@pytest.mark.parametrize("exact", [False, True])
def test_what_cannot_be_cut_is_told_and_leaves_nothing(
    clip: Clips,
    tmp_path: Path,
    start: float,
    end: float,
    name: str,
    error: type[Exception] | tuple[type[Exception], ...],
    message: str,
    exact: bool,
) -> None:
    with Video.open(clip("h264_mp4").path) as video, pytest.raises(error, match=message):
        video.cut(start, end, tmp_path / name, exact=exact)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["h264_avi", "h264_raw", "mpeg2_mpg"])
def test_files_without_times_are_not_copied(name: str, clip: Clips, tmp_path: Path) -> None:
    with Video.open(clip(name).path) as video, pytest.raises(CannotCopy, match="exact=True"):
        video.cut(0.5, 1, tmp_path / "cut.mkv")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("exact", [False, True])
def test_bounds_hold_and_leave_nothing(exact: bool, clip: Clips, tmp_path: Path) -> None:
    with Video.open(clip("long").path) as video:
        with pytest.raises(InvalidArguments, match="choose a shorter range"):
            video.cut(0, 20, tmp_path / "cut.mp4", exact=exact, max_bytes=2000)
        for timeout_seconds in (1e-6, 1e-3, 5e-3):
            with pytest.raises(DecodeTimeout):
                video.cut(0, 20, tmp_path / "cut.mp4", exact=True, timeout_seconds=timeout_seconds)
        for thread in threading.enumerate():
            if thread.name == "eva-graph decoding":
                thread.join()
        assert list(tmp_path.iterdir()) == []
        assert video.cut(3, 4, tmp_path / "cut.mp4", exact=exact).path.exists()


def test_nothing_is_overwritten_unasked(clip: Clips, tmp_path: Path) -> None:
    target = tmp_path / "cut.mp4"
    target.write_bytes(b"mine")
    with Video.open(clip("h264_mp4").path) as video:
        with pytest.raises(InvalidArguments, match="exists already"):
            video.cut(0, 1, target)
        assert target.read_bytes() == b"mine"
        video.cut(0, 1, target, overwrite=True)
    with Video.open(target) as video:
        with pytest.raises(InvalidArguments, match="over itself"):
            video.cut(0, 0.5, target, overwrite=True)
        assert number_of(video.seek(0).to_numpy()) == 0


def test_a_folder_that_cannot_be_written_is_told(clip: Clips) -> None:
    with Video.open(clip("h264_mp4").path) as video, pytest.raises(StoreError, match="written"):
        video.cut(0, 1, "/proc/cut.mp4")


@pytest.mark.parametrize("exact", [False, True])
def test_a_worker_process_cuts_as_well(exact: bool, clip: Clips, tmp_path: Path) -> None:
    with Video.open(clip("long").path) as video:
        here = video.cut(3.3, 5.1, tmp_path / "here.mp4", exact=exact)
    with Video(open_isolated(clip("long").path)) as video:
        there = video.cut(3.3, 5.1, tmp_path / "there.mp4", exact=exact)
    assert shown(there.path) == shown(here.path)


@pytest.mark.parametrize(("codec", "suffix"), [("mov_text", "mp4"), ("subrip", "mkv")])
def test_text_tracks_come_along_in_a_copy(
    codec: str, suffix: str, clip: Clips, tmp_path: Path
) -> None:
    source = with_text_track(
        tmp_path / f"talk.{suffix}",
        clip("long").path,
        codec,
        {1.0: "before", 6.0: "red car", 9.9: "late", 15.0: "after"},
    )
    with Video.open(source) as video:
        made = video.cut(6, 9.5, tmp_path / f"cut.{suffix}")
        shift = made.start_seconds
        expected = [
            (max(0.0, cue.start_seconds - shift), cue.text)
            for cue in video.transcript().between(shift, made.end_seconds)
        ]
    with Video.open(made.path) as cut:
        found = [(cue.start_seconds, cue.text) for cue in cut.transcript().cues]
    assert [text for _, text in found] == [text for _, text in expected]
    assert [at for at, _ in found] == pytest.approx([at for at, _ in expected], abs=0.002)


@settings(max_examples=25)
@given(st.sampled_from(["long_sparse_keys", "h264_open_gop", "variable_mkv"]), st.data())
def test_any_range_is_cut(clip: Clips, name: str, data: st.DataObject) -> None:
    with Video.open(clip(name).path) as video, TemporaryDirectory() as folder:
        duration = video.info.duration_seconds
        start = data.draw(st.floats(0, duration - 0.05))
        end = data.draw(st.floats(start + 0.01, duration))
        made = video.cut(start, end, Path(folder) / "cut.mkv")
        assert made.start_seconds <= start < end <= made.end_seconds + 1e-3
        check(made, tuple(float(t) for t in video.frame_times_seconds), shown(made.path))


TICKS = st.lists(st.integers(0, 200), min_size=1, max_size=30)


@given(TICKS, st.integers(0, 100), st.integers(0, 1000))
def test_decoding_times_ascend_and_are_never_late(ticks: list[int], start: int, first: int) -> None:
    pts = np.array([*ticks, start + 200])
    dts = decoding_times(pts, first, start)
    assert list(dts) == [first + number for number, at in enumerate(pts) if at >= start]
    times = list(dts.values())
    assert times == sorted(set(times))
    assert all(at <= pts[number - first] for number, at in dts.items())
    if sorted(set(pts.tolist())) == pts.tolist():
        assert all(at == pts[number - first] for number, at in dts.items())


@settings(max_examples=60)
@given(
    st.sampled_from(["h264_mp4", "audio_first_mkv", "h264_ts", "mjpeg_avi"]),
    st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), max_size=60),
    st.floats(0.3, 1),
    st.booleans(),
)
def test_a_damaged_file_is_cut_or_refused(
    clip: Clips, name: str, changes: list[tuple[float, int]], kept: float, exact: bool
) -> None:
    data = bytearray(clip(name).path.read_bytes())
    for where, byte in changes:
        data[int(where * len(data))] = byte
    with TemporaryDirectory() as folder:
        source = Path(folder) / clip(name).path.name
        source.write_bytes(data[: int(len(data) * kept)])
        target = Path(folder) / "cut.mkv"
        try:
            with Video.open(source) as video:
                duration = video.info.duration_seconds
                video.cut(duration * 0.2, duration * 0.6, target, exact=exact)
        except ToolError:
            assert not target.exists()
        else:
            assert target.stat().st_size > 0
        assert {path.name for path in Path(folder).iterdir()} <= {source.name, target.name}
