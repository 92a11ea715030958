"""A reel plays what was looked at, in order; a page leads to it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from episodes import TWO_LOOKS, answer, look, span
from page_parts import parts_of

from eva_graph import VideoAgent
from eva_graph.errors import EvaGraphError, TrajectoryError
from eva_graph.testing import CLIP_COLOURS, ScriptedPolicy, clip_colour, make_clip
from eva_graph.trajectory import RunStore
from eva_graph.viewer import View
from eva_graph.viewer.reel import reel_parts
from eva_graph_tools import Video

Write = Callable[..., View]


@pytest.fixture
def watched(clip: Path, tmp_path: Path) -> RunStore:
    """A scan of eight seconds, a close look at the third, and the answer."""
    run = tmp_path / "watched"
    VideoAgent(ScriptedPolicy(TWO_LOOKS)).run(clip, "Which colour?", record=run)
    return RunStore(run)


def colours(path: Path) -> list[str]:
    """The clip's colour in each frame of a reel, looked up at the top, away from the caption."""
    names = []
    with Video.open(path) as reel:
        for frame in reel.frames_at(reel.frame_times_seconds):
            pixel = frame.to_numpy()[3, 3].astype(int)
            names.append(min(CLIP_COLOURS, key=lambda n: abs(pixel - CLIP_COLOURS[n]).sum()))
    return names


def test_a_reel_plays_the_looks_and_then_the_evidence(watched: RunStore, written: Write) -> None:
    view = written(watched.run, reels=True)
    (episode,) = parts_of(view.path).episodes
    assert episode["reel"] == "./page-reels/0.mp4"
    (record,) = watched.records()
    scan = [frame.ref["pts_seconds"] for frame in record.turns[0].calls[0].frames]
    each_second = [clip_colour(time) for time in [*scan, 3, 3]]
    assert colours(view.path.parent / "page-reels" / "0.mp4")[2::5] == each_second


def test_captions_tell_turn_tool_time_and_answer(watched: RunStore) -> None:
    (record,) = watched.records()
    captions = [part.caption for part in reel_parts(record)]
    assert captions[-2:] == ["Turn 2, frame_select [00:03]", "Evidence [00:03]: yellow"]
    assert captions[0].startswith("Turn 1, frame_select [0")


def test_a_dense_look_plays_as_it_is(clip: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    script = [look(span(2, 4, 4), span(9, 99, 2)), answer("yellow")]
    VideoAgent(ScriptedPolicy(script)).run(clip, "Which colour?", record=run)
    (record,) = RunStore(run).records()
    first, *rest = reel_parts(record)
    assert (first.start_seconds, first.end_seconds) == (2, 4)
    assert {part.caption.partition(" ")[0] for part in rest} == {"Evidence"}


def test_an_episode_without_a_look_has_no_reel(clip: Path, tmp_path: Path, written: Write) -> None:
    run = tmp_path / "run"
    VideoAgent(ScriptedPolicy([answer("blue")])).run(clip, "Which colour?", record=run)
    view = written(run, reels=True)
    assert parts_of(view.path).episodes[0]["reel"] is None
    assert not (tmp_path / "page-reels").exists()


def test_what_keeps_a_reel_from_being_made_is_one_line(
    tmp_path: Path, written: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = make_clip(tmp_path / "clip.mp4", seconds=4)
    content = video.read_bytes()
    run = tmp_path / "run"
    VideoAgent(ScriptedPolicy(TWO_LOOKS)).run(video, "Which colour?", record=run)
    make_clip(video, seconds=5)
    with pytest.raises(TrajectoryError, match="is another video now"):
        written(run, reels=True)
    video.unlink()
    with pytest.raises(TrajectoryError, match="is gone, put it back there"):
        written(run, reels=True)
    video.write_bytes(content)
    monkeypatch.setitem(sys.modules, "moviepy", None)
    with pytest.raises(EvaGraphError, match=r"pip install 'eva-graph\[clips\]'"):
        written(run, reels=True)
    assert not (tmp_path / "page.html").exists()
