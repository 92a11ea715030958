"""What stands in a page: everything once, nothing as markup, nothing lost on the way."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from itertools import chain
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_run import HOSTILE, hostile, make_run
from page_parts import parts_of
from run_writer import journal_episode

from eva_graph.errors import InvalidRequest, TrajectoryError
from eva_graph.trajectory import Recorder, RunStore
from eva_graph.viewer import View, write_view
from eva_graph.viewer.assets import asset, script, source_hash, style
from eva_graph.viewer.page import embedded_json

Write = Callable[..., View]
Change = Callable[..., Path]


def test_every_question_is_listed_with_what_it_cost(run: Path, written: Write) -> None:
    view = written(run)
    records = list(RunStore(run).records())
    index, episodes, _ = parts_of(view.path)
    assert view.questions == len(index["questions"]) == len(records) == 12
    for question, record in zip(index["questions"], records, strict=True):
        (side,) = question["sides"]
        assert question["question"] == record.question
        assert question["duration"] == record.video.duration_seconds
        assert side["stop"] == record.stop_reason
        assert side["visual_tokens"] == record.usage.visual_tokens
        assert side["prompt_tokens"] == record.usage.last_prompt_tokens
        assert side["verdict"] == {True: "right", False: "wrong", None: "unknown"}[record.correct]
        assert [look[3] for look in side["looks"]] == [4, 4]
        assert episodes[side["chunk"]]["trajectory_id"] == record.trajectory_id


def test_an_episode_is_whole(run: Path, written: Write) -> None:
    record = RunStore(run).get("00-000001")
    (episode,) = parts_of(written(run, only=[record.trajectory_id]).path).episodes
    for turn, shown in zip(record.turns, episode["turns"], strict=True):
        assert (shown["summary"], shown["reflection"]) == (turn.summary, turn.reflection)
        assert shown["plan"] == turn.plan.model_dump()
        for call, seen in zip(turn.calls, shown["calls"], strict=True):
            assert (seen["requested"], seen["applied"]) == (call.requested, call.applied)
            times = [episode["frames"][frame["frame"]]["pts_seconds"] for frame in seen["frames"]]
            assert times == [frame.ref["pts_seconds"] for frame in call.frames]
    assert [len(item["frames"]) for item in episode["evidence"]] == [4]


def test_each_distinct_frame_stands_once(run: Path, tmp_path: Path, written: Write) -> None:
    twice = RunStore(tmp_path / "twice")
    twice.run.mkdir()
    twice.frames.root.symlink_to(RunStore(run).frames.root)
    records = list(RunStore(run).records())
    twice.append_all(records)
    twice.append_all(
        each.model_copy(update={"trajectory_id": f"again {each.trajectory_id}"}) for each in records
    )
    view = written(run, twice.run)
    _, episodes, thumbnails = parts_of(view.path)
    assert view.thumbnails == len(list(chain(*thumbnails))) == 12 * 8
    assert len(episodes) == 3 * 12
    for episode in episodes:
        assert len(episode["frames"]) == 8
        for frame in episode["frames"]:
            chunk, position = frame["thumbnail"]
            assert thumbnails[chunk][position].startswith(b"RIFF")


def test_a_thousand_questions_of_forty_frames_stay_below_the_bound(
    tmp_path: Path, written: Write
) -> None:
    """A page grows by less than 120 kB a question; no thumbnail can take more than 2,731 bytes."""
    view = written(make_run(tmp_path / "run", 4, frames=40))
    empty = len(asset("page.html")) + len(script()) + len(style())
    assert view.thumbnails == 40 * 4
    assert view.total_bytes - empty < 4 * 120_000


def test_no_text_becomes_markup(changed: Change, run: Path, written: Write) -> None:
    record = hostile(next(iter(RunStore(run).records())))
    page = written(changed(**record.model_dump())).path
    text = page.read_text(encoding="utf-8")
    assert not [
        one for one in (*HOSTILE, "window.ran", "onerror") if one in text.split(script())[1]
    ]
    assert text.count("<script") == text.count("</script>") == 3, "list, script, one episode"
    index, (episode,), _ = parts_of(page)
    assert index["questions"][0]["question"] == record.question
    assert episode["turns"][0]["summary"] == HOSTILE[2]


@given(st.text())
def test_embedded_json_can_end_no_block(text: str) -> None:
    embedded = embedded_json({"text": text})
    assert json.loads(embedded) == {"text": text}
    assert not set(embedded) & set("<>&\u2028\u2029")


def test_the_page_allows_its_own_script_and_style_alone(run: Path, written: Write) -> None:
    text = written(run).path.read_text(encoding="utf-8")
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    (code,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    (looks,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    assert policy.split("; ") == [
        "default-src 'none'",
        f"script-src {source_hash(code)}",
        f"style-src {source_hash(looks)}",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
    ]


def test_the_run_s_name_is_text(run: Path, tmp_path: Path) -> None:
    named = tmp_path / "<b onclick=alert(1)>"
    RunStore(named).append_all(RunStore(run).records())
    text = write_view([named], tmp_path / "page.html").path.read_text(encoding="utf-8")
    assert "<title>&lt;b onclick=alert(1)&gt; · eva-graph</title>" in text
    assert "<b onclick" not in text


def test_a_run_s_name_need_not_be_unicode(run: Path, tmp_path: Path) -> None:
    named = tmp_path / os.fsdecode(b"run \xff")
    RunStore(named).append_all(RunStore(run).records())
    index = parts_of(write_view([named], tmp_path / "page.html").path).index
    assert index["runs"][0]["frames"] == "./run%20%FF/frames/"


def test_two_runs_are_matched_by_video_and_question(
    run: Path, other_run: Path, tmp_path: Path, written: Write
) -> None:
    first, second = list(RunStore(run).records()), list(RunStore(other_run).records())
    asked = RunStore(tmp_path / "asked")
    again = second[3].model_copy(update={"trajectory_id": "again", "answer": "again"})
    asked.append_all([second[5], second[3], again])
    index = parts_of(written(run, asked.run).path).index
    sides = {question["question"]: [] for question in index["questions"]}
    for question in index["questions"]:
        sides[question["question"]].append([side and side["id"] for side in question["sides"]])
    assert sides[first[5].question] == [[first[5].trajectory_id, second[5].trajectory_id]]
    assert sides[first[3].question] == [
        [first[3].trajectory_id, second[3].trajectory_id],
        [None, "again"],
    ]
    assert sides[first[0].question] == [[first[0].trajectory_id, None]]


def test_frames_that_are_gone_or_damaged_are_told_and_left_alone(
    run: Path, tmp_path: Path, written: Write
) -> None:
    store = RunStore(make_run(tmp_path / "run", 2, frames=4))
    gone, damaged, *_ = sorted(store.frames.root.rglob("*.jpg"))
    gone.unlink()
    damaged.write_bytes(b"something else")
    view = written(store.run)
    assert (view.missing_frames, view.thumbnails) == (2, 6)
    frames = chain(*(episode["frames"] for episode in parts_of(view.path).episodes))
    missing = {frame["sha256"] for frame in frames if frame["thumbnail"] is None}
    assert missing == {gone.stem, damaged.stem}
    assert damaged.read_bytes() == b"something else"


def test_references_that_say_nothing_are_missing_frames(changed: Change, written: Write) -> None:
    shown = {"ref": {"uri": "nonsense"}, "requested_seconds": 1.0, "snapped": False}
    call = {"id": "c", "tool": "seek", "requested": {"time": 1}, "frames": [shown]}
    turn = {"turn": 1, "text": "", "spans": [], "outcome": "calls", "calls": [call]}
    view = written(changed(turns=[turn], evidence=[]))
    assert parts_of(view.path).episodes[0]["frames"] == [{"thumbnail": None}]


def test_numbers_that_json_does_not_know_are_left_out(changed: Change, written: Write) -> None:
    run = changed()
    shard = next((run / "records").iterdir())
    shard.write_text(shard.read_text().replace("29.97", "Infinity").replace("12000", "NaN"))
    (episode,) = parts_of(written(run).path).episodes
    assert episode["video"]["average_fps"] is None
    assert episode["context"]["look_budget"] is None


def test_episodes_that_only_the_journal_knows_are_unfinished(
    tmp_path: Path, written: Write
) -> None:
    recorder = Recorder(tmp_path / "run")
    journal_episode(recorder, "running", finished=None)
    journal_episode(recorder, "done", finished="2026-01-01T00:00:00.000000+00:00")
    (tmp_path / "run" / "journal" / "torn.jsonl").write_text('{"turn": 0, "ki')
    index = parts_of(written(tmp_path / "run").path).index
    sides = [side for question in index["questions"] for side in question["sides"]]
    assert {side["id"]: side["stop"] for side in sides} == {
        "done": "no_answer",
        "running": "unfinished",
    }
    assert {side["verdict"] for side in sides} == {"unknown"}
    assert RunStore(tmp_path / "run").ids() == [], "looking writes nothing"


def test_a_page_shows_the_episodes_asked_for(run: Path, written: Write) -> None:
    index = parts_of(written(run, only=["00-000007", "00-000003"]).path).index
    assert [question["sides"][0]["id"] for question in index["questions"]] == [
        "00-000003",
        "00-000007",
    ]
    with pytest.raises(InvalidRequest, match=r"no episode has the id nobody$"):
        written(run, only=["00-000003", "nobody"])


@pytest.mark.parametrize("count", [0, 3])
def test_one_run_or_two(count: int, run: Path, written: Write) -> None:
    with pytest.raises(InvalidRequest, match=f"not {count}"):
        written(*[run] * count)


def test_what_is_no_run_is_said_in_one_line(tmp_path: Path, written: Write) -> None:
    with pytest.raises(TrajectoryError, match="nothing was recorded there"):
        written(tmp_path / "nowhere")
    assert list(tmp_path.iterdir()) == []
