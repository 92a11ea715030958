from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from eva_graph.errors import InvalidRequest
from eva_graph.evaluation.uniform_frames import UniformFrames
from eva_graph.limits import FRAME_TEXT_TOKENS
from eva_graph.testing import make_clip
from eva_graph_tools import Video, VideoInfo, VisualGrid

GRID = VisualGrid()


@pytest.fixture(scope="module")
def info(tmp_path_factory: pytest.TempPathFactory) -> VideoInfo:
    clip = make_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", seconds=3, size=(64, 64), fps=2)
    with Video.open(clip) as video:
        return replace(video.info, width=1280, height=720, frame_count=10_000)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("uniform:32", UniformFrames(form="uniform", nframes=32, visual_tokens=None)),
        (
            "uniform:32@0.5",
            UniformFrames(form="uniform", nframes=32, visual_tokens=None, resize=0.5),
        ),
        ("uniform:tokens=12000", UniformFrames(form="uniform", nframes=None, visual_tokens=12_000)),
        (
            "uniform-look:8,tokens=900@.25",
            UniformFrames(form="uniform-look", nframes=8, visual_tokens=900, resize=0.25),
        ),
    ],
)
def test_what_the_command_line_says(text: str, expected: UniformFrames) -> None:
    assert UniformFrames.parse(text) == expected


@pytest.mark.parametrize(
    "text",
    ["uniform", "uniform:", "uniform:0", "uniform:32,", "uniform:8tokens=9", "uniform:32@0",
     "uniform:32@2", "uniform:tokens=0", "uniform:-1", "random:32", "uniform:1e9"],
)  # fmt: skip
def test_what_it_may_not_say(text: str) -> None:
    with pytest.raises(InvalidRequest, match=r"--baseline"):
        UniformFrames.parse(text)


def test_frames_at_full_detail(info: VideoInfo) -> None:
    fitted = UniformFrames.parse("uniform:32").fitted(info, GRID, room_tokens=None)
    assert (fitted.nframes, fitted.resize, fitted.notes) == (32, 1.0, ())


def test_as_many_frames_as_the_tokens_pay_for(info: VideoInfo) -> None:
    each = GRID.estimate(1280, 720, 0.5, 1)
    spec = UniformFrames.parse("uniform:tokens=12000@0.5")
    assert spec.fitted(info, GRID, room_tokens=None).nframes == 12_000 // each
    short = replace(info, frame_count=3)
    assert spec.fitted(short, GRID, room_tokens=None).nframes == 3


def test_a_full_context_makes_frames_smaller_and_says_so(info: VideoInfo) -> None:
    fitted = UniformFrames.parse("uniform:32").fitted(info, GRID, room_tokens=8_000)
    assert fitted.nframes == 32
    assert fitted.resize < 1
    assert "to fit the context" in fitted.notes[0]


@given(
    nframes=st.integers(1, 400),
    tokens=st.integers(4, 60_000),
    width=st.integers(28, 4_000),
    height=st.integers(28, 4_000),
    room=st.none() | st.integers(4_000, 60_000),
)
def test_no_bound_is_exceeded_where_one_frame_fits(
    info: VideoInfo, nframes: int, tokens: int, width: int, height: int, room: int | None
) -> None:
    shown = replace(info, width=width, height=height)
    smallest = GRID.estimate(width, height, 1e-4, 1)
    assume(tokens >= smallest)
    spec = UniformFrames(form="uniform", nframes=nframes, visual_tokens=tokens)
    fitted = spec.fitted(shown, GRID, room_tokens=room)
    assert 1 <= fitted.nframes <= nframes
    cost = GRID.estimate(width, height, fitted.resize, fitted.nframes)
    assert cost <= tokens
    assert room is None or cost + FRAME_TEXT_TOKENS * fitted.nframes <= room
    if fitted.nframes < nframes:
        more = fitted.nframes + 1
        too_dear = smallest * more > tokens
        assert too_dear or (room or 0) < (smallest + FRAME_TEXT_TOKENS) * more
