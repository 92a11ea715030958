"""Codec by container: whatever is asked, the frame is the one on screen and its label is true.

Every frame carries its number, so what is true is read from the pixels.
"""

from collections.abc import Callable, Iterator

import pytest
from clip_recipes import MATRIX
from hypothesis import given, settings
from hypothesis import strategies as st
from numbered_video import Clip, number_of

from eva_graph_tools import Frame, Video

Clips = Callable[[str], Clip]


@pytest.fixture(scope="module", params=list(MATRIX))
def video(request: pytest.FixtureRequest, clip: Clips) -> Iterator[Video]:
    with Video.open(clip(request.param).path) as opened:
        yield opened


def check(video: Video, frame: Frame, seconds: float | None) -> None:
    times = video.frame_times_seconds
    number = number_of(frame.to_numpy())
    assert times[number] == frame.pts_seconds
    if seconds is not None:
        assert number == max(k for k, time in enumerate(times) if time <= seconds + 1e-9)


def test_every_frame_is_where_it_belongs(video: Video) -> None:
    times = [float(t) for t in video.frame_times_seconds]
    assert times == pytest.approx([k / 10 for k in range(50)], abs=0.0011)
    for offset, count in ((0.05, 11), (1e-5, 11), (-1e-3, 10)):
        asked = [max(0.0, times[k] + offset) for k in range(1, 50, 4)][:count]
        for frame, seconds in zip(video.frames_at(asked), asked, strict=True):
            check(video, frame, seconds)
        check(video, video.seek(asked[3]), asked[3])


@settings(max_examples=10)
@given(data=st.data())
def test_any_look_is_true(video: Video, data: st.DataObject) -> None:
    duration = video.info.duration_seconds
    asked = data.draw(st.lists(st.floats(0, duration), min_size=1, max_size=6), "times")
    size = data.draw(st.tuples(st.integers(80, 300), st.integers(48, 200)), "size")
    box = data.draw(st.sampled_from([None, (0.0, 0.0, 1.0, 0.5)]), "box")
    for frame, seconds in zip(video.frames_at(asked, size=size, box=box), asked, strict=True):
        assert (frame.width, frame.height) == size
        check(video, frame, seconds)
    start, end = sorted(data.draw(st.tuples(st.floats(0, duration), st.floats(0, duration))))
    nframes = data.draw(st.integers(1, 8), "nframes")
    for frame in video.frame_select(start, end, nframes=nframes, size=size):
        check(video, frame, None if frame.snapped else frame.requested_seconds)
        assert not frame.snapped or start <= frame.pts_seconds <= end
