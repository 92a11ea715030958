"""Files that are damaged, odd or no videos: what can be seen is shown, else one clear line."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random

import av
import numpy as np
import pytest
from numbered_video import Clip, Recipe, number_of, render

from eva_graph_tools import DecodeError, UnsupportedMedia, Video

Clips = Callable[[str], Clip]


def cut(path: Path, target: Path, fraction: float) -> Path:
    data = path.read_bytes()
    target.write_bytes(data[: int(len(data) * fraction)])
    return target


@pytest.mark.parametrize("suffix", ["ts", "mkv", "mp4", "avi"])
def test_a_truncated_file_gives_the_frames_before_the_break(suffix: str, tmp_path: Path) -> None:
    recipe = Recipe(
        suffix=suffix,
        b_frames=0,
        codec="mpeg4" if suffix == "avi" else "libx264",
        container_options={"movflags": "faststart"} if suffix == "mp4" else {},
    )
    whole = render(tmp_path / f"whole.{suffix}", recipe)
    with Video.open(cut(whole.path, tmp_path / f"cut.{suffix}", 0.6)) as video:
        assert 10 < video.info.frame_count <= 60
        if suffix != "ts":  # a transport stream says nothing of what should follow
            assert video.info.damaged_after_seconds == video.info.duration_seconds
        for t in whole.times_seconds[: video.info.frame_count]:
            frame = video.seek(t)
            assert number_of(frame.to_numpy()) == whole.number_at(frame.pts_seconds)
            assert t - 0.05 <= frame.pts_seconds <= t + 1e-6
        overview = video.frame_select(0, video.info.duration_seconds, nframes=20)
        assert len(overview) > 5


@pytest.mark.parametrize("name", ["h264_mp4", "h264_mkv", "h264_ts", "h264_avi", "gif"])
def test_a_whole_file_is_not_called_damaged(name: str, clip: Clips) -> None:
    with Video.open(clip(name).path) as video:
        assert video.info.damaged_after_seconds is None


@pytest.mark.parametrize(
    ("suffix", "options"), [("ts", {}), ("mp4", {}), ("mkv", {"cluster_time_limit": "300"})]
)
def test_damage_in_the_middle_costs_only_what_it_hits(
    suffix: str, options: dict[str, str], tmp_path: Path
) -> None:
    recipe = Recipe(suffix=suffix, gop=6, container_options=options)
    made = render(tmp_path / f"whole.{suffix}", recipe)
    data = bytearray(made.path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 400] = b"\xa5" * 400
    damaged = tmp_path / f"damaged.{suffix}"
    damaged.write_bytes(data)
    with Video.open(damaged) as video:
        assert video.info.duration_seconds == pytest.approx(2.4, abs=0.1)
        for t in (0.0, 0.3, 2.0, 2.3):
            assert number_of(video.seek(t).to_numpy()) == made.number_at(t)


def test_flipped_bits_never_crash(tmp_path: Path, clip: Clips) -> None:
    made = clip("h264_ts")
    random = Random(7)
    data = bytearray(made.path.read_bytes())
    for _ in range(30):
        data[random.randrange(len(data) // 4, len(data))] ^= 1 << random.randrange(8)
    (tmp_path / "flipped.ts").write_bytes(data)
    with Video.open(tmp_path / "flipped.ts") as video:
        for t in video.frame_times_seconds:
            with suppress(DecodeError):
                assert video.seek(t).pts_seconds <= t


def refusals(folder: Path) -> dict[str, Path]:
    text = folder / "text.mp4"
    text.write_text("this is not a video\n" * 200)
    empty = folder / "empty.mp4"
    empty.touch()
    noise = folder / "noise.mp4"
    noise.write_bytes(Random(1).randbytes(20_000))
    playlist = folder / "playlist.mp4"
    playlist.write_text("#EXTM3U\n#EXTINF:1,\nfile:///etc/hostname\n#EXT-X-ENDLIST\n")
    concat = folder / "concat.mp4"
    concat.write_text("ffconcat version 1.0\nfile /etc/hostname\n")
    pipe = folder / "pipe.mp4"
    os.mkfifo(pipe)
    return {
        "missing": folder / "missing.mp4",
        "directory": folder,
        "pipe": pipe,
        "empty": empty,
        "text": text,
        "noise": noise,
        "playlist": playlist,
        "concat": concat,
        "null byte": folder / "a\0b.mp4",
    }


def test_files_that_are_no_videos_are_refused_in_one_line(tmp_path: Path) -> None:
    for name, path in refusals(tmp_path).items():
        with pytest.raises(UnsupportedMedia) as caught:
            Video.open(path)
        assert "\n" not in str(caught.value), name


def test_a_file_with_sound_alone_is_refused(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
        container.mux(stream.encode(None))
    with pytest.raises(UnsupportedMedia, match="no video stream"):
        Video.open(tmp_path / "sound.mp4")


def test_an_mp4_without_its_index_is_refused(tmp_path: Path, clip: Clips) -> None:
    with pytest.raises(UnsupportedMedia, match="not a video file that can be read"):
        Video.open(cut(clip("h264_mp4").path, tmp_path / "cut.mp4", 0.5))


@pytest.mark.parametrize("name", ["sp ace ünï 'q' %d.mp4", "http:a.mp4", "subfile,,start,0:b.mp4"])
def test_names_are_never_protocols_or_patterns(name: str, tmp_path: Path, clip: Clips) -> None:
    (tmp_path / name).write_bytes(clip("h264_mp4").path.read_bytes())
    with Video.open(tmp_path / name) as video:
        assert number_of(video.seek(1.0).to_numpy()) == 25


def test_the_identity_follows_the_content(tmp_path: Path, clip: Clips) -> None:
    data = clip("h264_mp4").path.read_bytes()
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / name).write_bytes(data)
    with (
        Video.open(tmp_path / "a.mp4") as a,
        Video.open(tmp_path / "b.mp4") as b,
        Video.open(clip("h264_mkv").path) as other,
    ):
        assert a.video_id == b.video_id != other.video_id
        assert a.video_id.startswith("sha256:")
