"""`Video.frame_select`: even points when close, one representative per interval when coarse."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numbered_video import Clip, number_of

from eva_graph_tools import InvalidArguments, SeekOutOfRange, Video

Clips = Callable[[str], Clip]


def test_close_looks_take_even_points_with_both_ends(clip: Clips) -> None:
    with Video.open(clip("long").path) as video:
        frames = video.frame_select(5.0, 7.0, nframes=5)
        assert [number_of(f.to_numpy()) for f in frames] == [50, 54, 59, 64, 69]
        assert [f.pts_seconds for f in frames] == [5.0, 5.4, 5.9, 6.4, 6.9]
        assert not any(f.snapped for f in frames)
        (middle,) = video.frame_select(5.0, 5.9, nframes=1)
        assert middle.pts_seconds == 5.4
        assert middle.requested_seconds == pytest.approx(5.45)


def test_overviews_snap_to_key_frames_inside_their_interval(clip: Clips) -> None:
    with Video.open(clip("long").path) as video:
        frames = video.frame_select(0, 20, nframes=8)
        assert [f.pts_seconds for f in frames] == [2.5 * k for k in range(8)]
        assert [f.requested_seconds for f in frames] == [1.25 + 2.5 * k for k in range(8)]
        assert all(f.snapped for f in frames)
        exact = video.frame_select(0, 20, nframes=8, mode="exact")
        assert not any(f.snapped for f in exact)
        assert exact[0].pts_seconds == 0.0
        assert exact[-1].pts_seconds == 19.9


def test_overviews_are_exact_where_no_key_frame_is_near(clip: Clips) -> None:
    with Video.open(clip("long_sparse_keys").path) as video:
        frames = video.frame_select(0, 20, nframes=10)
        keys = [f.pts_seconds for f in frames if f.snapped]
        exact = [f.pts_seconds for f in frames if not f.snapped]
        assert keys == [0.0, 14.0]  # the key frame at 7.0 is itself the centre of its interval
        assert exact == [3.0, 5.0, 7.0, 9.0, 11.0, 13.0, 17.0, 19.0]


@settings(max_examples=60)
@given(data=st.data())
@pytest.mark.parametrize("name", ["long", "long_sparse_keys", "variable_mp4", "vp9_webm"])
def test_every_label_is_true_and_every_frame_comes_once(
    name: str, clip: Clips, data: st.DataObject
) -> None:
    with Video.open(clip(name).path) as video:
        times = [float(t) for t in video.frame_times_seconds]
        duration = video.info.duration_seconds
        start = data.draw(st.floats(0, duration), "start")
        end = data.draw(st.floats(start, duration), "end")
        nframes = data.draw(st.integers(1, 40), "nframes")
        frames = video.frame_select(start, end, nframes=nframes, size=(80, 48))
        assert 1 <= len(frames) <= nframes
        shown = [f.pts_seconds for f in frames]
        assert shown == sorted(set(shown))
        spacing = (end - start) / nframes
        for frame in frames:
            assert times[number_of(frame.to_numpy())] == frame.pts_seconds
            if frame.snapped:
                assert spacing >= 1
                assert abs(frame.pts_seconds - frame.requested_seconds) <= spacing / 2 + 1e-9
            else:
                on_screen = max(t for t in times if t <= frame.requested_seconds + 1e-9)
                assert frame.pts_seconds == on_screen


def test_a_range_with_fewer_frames_gives_those_it_holds(clip: Clips) -> None:
    with Video.open(clip("long").path) as video:
        frames = video.frame_select(5.0, 5.35, nframes=1_000_000)
        assert [number_of(f.to_numpy()) for f in frames] == [50, 51, 52, 53]
        (instant,) = video.frame_select(6.0, 6.0, nframes=3)
        assert number_of(instant.to_numpy()) == 60


def test_impossible_ranges_are_refused(clip: Clips) -> None:
    with Video.open(clip("long").path) as video:
        for start, end in [(5, 4), (-1, 4), (3, 30), (float("nan"), 4)]:
            with pytest.raises(SeekOutOfRange):
                video.frame_select(start, end, nframes=2)
        with pytest.raises(InvalidArguments, match="at least 1"):
            video.frame_select(1, 4, nframes=0)
