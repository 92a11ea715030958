"""The frame for time t is the one on screen at t, under its true time, whatever the file."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from random import Random

import pytest
from clip_recipes import RECIPES
from numbered_video import Clip, number_of

from eva_graph_tools import DecodeError, SeekOutOfRange, Video

Clips = Callable[[str], Clip]


def query_times(clip: Clip, duration_seconds: float, seed: int) -> list[float]:
    random = Random(seed)
    times = [random.uniform(0, duration_seconds) for _ in range(10)]
    picked = random.sample(clip.times_seconds, min(8, len(clip.times_seconds)))
    times += picked + [max(0.0, t - 1e-3) for t in picked] + [t + 1e-5 for t in picked]
    times += [0.0, duration_seconds]
    random.shuffle(times)
    return [min(t, duration_seconds) for t in times]


@pytest.mark.parametrize("name", [name for name in RECIPES if not name.startswith("long")])
def test_frames_and_labels_are_true(name: str, clip: Clips) -> None:
    made = clip(name)
    with Video.open(made.path) as video:
        duration = video.info.duration_seconds
        assert video.info.frame_count == len(made.times_seconds)
        tolerance = 0.011 if name == "gif" else 0.001
        assert video.frame_times_seconds == pytest.approx(made.times_seconds, abs=tolerance)
        shown = tuple(float(t) for t in video.frame_times_seconds)
        truth = Clip(path=made.path, times_seconds=shown)
        times = query_times(truth, duration, seed=len(name))
        together = video.frames_at(times)
        alone = [video.seek(t) for t in times[:6]]
        for t, frame in zip([*times, *times[:6]], [*together, *alone], strict=True):
            assert number_of(frame.to_numpy()) == truth.number_at(t), t
            assert frame.pts_seconds == shown[truth.number_at(t)]
            assert frame.requested_seconds == t
            assert not frame.snapped


@pytest.mark.parametrize("name", ["h264_mp4", "variable_mkv", "offset_ts", "mpeg4_avi"])
def test_frames_by_index_are_those_of_the_display(name: str, clip: Clips) -> None:
    with Video.open(clip(name).path) as video:
        last = video.info.frame_count - 1
        indices = [last, 0, 3, 3, 7]
        frames = video.frames_by_index(indices, size=(80, 48))
        assert [number_of(frame.to_numpy()) for frame in frames] == indices
        times = [float(video.frame_times_seconds[index]) for index in indices]
        assert [frame.pts_seconds for frame in frames] == times
        assert [frame.requested_seconds for frame in frames] == times
        assert (frames[0].width, frames[0].height) == (80, 48)
        assert video.frames_by_index([]) == []
        for outside in (-1, last + 1):
            with pytest.raises(SeekOutOfRange, match=f"frame {outside} is outside"):
                video.frames_by_index([outside])


@pytest.mark.parametrize(
    ("name", "duration_seconds", "average_fps"),
    [
        ("h264_mp4", 2.4, 25.0),
        ("h264_mkv", None, 25.0),
        ("variable_mp4", pytest.approx(2.7, abs=0.1), pytest.approx(4.07, abs=0.01)),
    ],
)
def test_what_the_header_says_is_told_apart(
    name: str, duration_seconds: float | None, average_fps: float, clip: Clips
) -> None:
    with Video.open(clip(name).path) as video:
        assert video.info.stream_duration_seconds == duration_seconds
        assert video.info.stream_average_fps == average_fps


@pytest.mark.parametrize(
    ("name", "offset_seconds"),
    [("offset_mkv", 5.0), ("offset_mp4", 5.0), ("audio_first_mkv", 2.0), ("h264_mp4", 0.0)],
)
def test_time_zero_is_the_first_displayed_frame(
    name: str, offset_seconds: float, clip: Clips
) -> None:
    with Video.open(clip(name).path) as video:
        assert video.info.start_offset_seconds == pytest.approx(offset_seconds, abs=0.05)
        assert number_of(video.seek(0).to_numpy()) == 0
        assert video.info.duration_seconds == pytest.approx(2.4, abs=0.002)


def test_a_cut_copy_begins_at_its_first_displayed_frame(
    clip: Clips,
    remuxed: Callable[..., Clip],
) -> None:
    made = remuxed("h264_mp4", "mp4", skip_frames=17)
    with Video.open(made.path) as video:
        first = number_of(video.seek(0).to_numpy())
        assert first == 17
        for t in (0.0, 0.3, 1.0, video.info.duration_seconds):
            expected = min(17 + int(t * 25 + 1e-6), 59)
            assert number_of(video.seek(t).to_numpy()) == expected


def test_key_mode_gives_true_times_of_key_frames(clip: Clips) -> None:
    made = clip("long_sparse_keys")
    with Video.open(made.path) as video:
        frames = video.frames_at([0.2, 6.0, 13.0], mode="key")
        assert [number_of(f.to_numpy()) for f in frames] == [0, 70, 140]
        assert [f.pts_seconds for f in frames] == [0.0, 7.0, 14.0]
        assert [f.snapped for f in frames] == [True, True, True]


def test_threads_share_one_video(clip: Clips) -> None:
    made = clip("h264_mkv")
    with Video.open(made.path) as video, ThreadPoolExecutor(8) as pool:
        times = [k % 60 * 0.04 + 0.01 for k in range(0, 640, 7)]
        numbers = list(pool.map(lambda t: number_of(video.seek(t).to_numpy()), times))
    assert numbers == [made.number_at(t) for t in times]


def test_times_outside_the_video_are_refused(clip: Clips) -> None:
    with Video.open(clip("h264_mp4").path) as video:
        for t in (-0.1, 2.5, float("nan"), float("inf")):
            with pytest.raises(SeekOutOfRange, match="outside the video"):
                video.seek(t)
        assert number_of(video.seek(video.info.duration_seconds).to_numpy()) == 59


def test_a_closed_video_says_so(clip: Clips) -> None:
    video = Video.open(clip("h264_mp4").path)
    video.close()
    video.close()
    with pytest.raises(DecodeError, match="closed"):
        video.seek(0)
