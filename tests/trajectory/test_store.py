"""The run store: shards, torn lines, recovery, filters, versions side by side, random access."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from run_writer import OLD_RECORDS, journal_episode, old_record

from eva_graph.errors import InvalidRequest, TrajectoryError
from eva_graph.trajectory import Recorder, RecordFilter, RunStore, Trajectory, read_records
from eva_graph.trajectory.clock import utc_now
from eva_graph.trajectory.migrations import MIGRATIONS, migrate
from eva_graph.trajectory.schema import TRAJECTORY_VERSION


def record(trajectory_id: str, **changes: Any) -> Trajectory:
    return old_record().model_copy(update={"trajectory_id": trajectory_id, **changes})


def ids(store: RunStore, **conditions: Any) -> list[str]:
    return [each.trajectory_id for each in store.records(RecordFilter(**conditions))]


def shards(run: Path) -> list[Path]:
    return sorted((run / "records").iterdir())


def test_what_is_appended_is_read(tmp_path: Path) -> None:
    store, reader = RunStore(tmp_path), RunStore(tmp_path)
    for name in ("a", "b"):
        store.append(record(name))
        assert reader.get(name) == record(name)
    assert (len(reader), reader.ids(), "a" in reader, "c" in reader) == (2, ["a", "b"], True, False)
    assert list(reader.records()) == list(read_records(tmp_path)) == [record("a"), record("b")]
    assert reader.recovered.lines() == []
    with pytest.raises(TrajectoryError, match="no record of trajectory c"):
        reader.get("c")


def test_the_record_finished_or_amended_last_counts(tmp_path: Path) -> None:
    first, second = RunStore(tmp_path), RunStore(tmp_path)
    older, newer = "2026-01-01T00:00:00.000001+00:00", "2026-01-01T00:00:00.000002+00:00"
    first.append(record("a", finished=newer, answer="newer"))
    first.append(record("b"))
    second.append(record("a", finished=older, answer="older"))
    assert first.get("a").answer == "newer", "though it was written first"
    first.amend([record("a", finished=older, answer="amended")])
    second.append(record("a", finished=newer, answer="again"))
    assert [each.answer for each in second.records()] == ["amended", "yellow"]
    assert (first.get("a").amended or "") > newer
    assert len(shards(tmp_path)) == 2


def test_an_amended_record_counts_though_clocks_differ(tmp_path: Path) -> None:
    far = "2999-12-31T23:59:59.999999+00:00"
    store = RunStore(tmp_path)
    store.append(record("a", finished=far))
    for label in ("first", "second"):
        store.amend([store.get("a").model_copy(update={"labels": [label]})])
        assert store.get("a").labels == [label]
    assert store.get("a").amended == "3000-01-01T00:00:00.000001+00:00"


def test_full_shards_are_not_written_to_again(tmp_path: Path) -> None:
    size = len(record("00").to_line())
    store = RunStore(tmp_path, shard_bytes=3 * size)
    names = [f"{number:02d}" for number in range(10)]
    store.append_all(map(record, names[:5]))
    for name in names[5:]:
        store.append(record(name))
    assert ids(store) == names
    assert [path.read_bytes().count(b"\n") for path in shards(tmp_path)] == [3, 3, 3, 1]


def test_threads_share_a_writer(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    names = [f"{number:03d}" for number in range(64)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: store.append(record(name)), names))
    assert sorted(ids(store)) == names
    assert len(shards(tmp_path)) == 1


def test_a_forked_child_writes_a_shard_of_its_own(tmp_path: Path) -> None:
    parent = multiprocessing.get_context("forkserver").Process(
        target=_append_from_both_sides_of_a_fork, args=(str(tmp_path),)
    )
    parent.start()
    parent.join()
    assert parent.exitcode == 0
    assert sorted(ids(RunStore(tmp_path))) == ["child", "parent 1", "parent 2"]
    assert sorted(path.read_bytes().count(b"\n") for path in shards(tmp_path)) == [1, 2]


@settings(max_examples=25, deadline=None)
@given(kept=st.floats(0, 1, exclude_max=True))
def test_a_torn_line_is_recovered_from_the_journal(kept: float, tmp_path_factory: Any) -> None:
    run = tmp_path_factory.mktemp("torn")
    recorder = Recorder(run)
    for name in ("whole", "torn"):
        journal_episode(recorder, name, finished=utc_now())
        recorder.finish(name)
    (shard,) = shards(run)
    first, last = shard.read_bytes().splitlines(keepends=True)
    cut = 1 + int(kept * (len(last) - 1))
    shard.write_bytes(first + last[:cut])
    store = RunStore(run)
    assert ids(store) == ["whole"]
    assert store.unwritten() == ["torn"]
    (torn,) = store.recovered.torn
    assert (torn.path, torn.offset, torn.size) == (shard, len(first), cut)
    recovered = store.recover()
    assert recovered.folded == ("torn",)
    assert recovered.lines() == [
        f"left out: {shard} has {cut} bytes at {len(first)} that are no whole record",
        "recovered from the journal: 1 episode (torn)",
    ]
    assert ids(store) == ["whole", "torn"]
    assert store.get("torn") == recorder.trajectory("torn")
    assert RunStore(run).recover().folded == ()


def test_a_line_under_way_is_read_once_it_is_whole(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    store.append(record("a"))
    line = (record("b").to_line() + "\n").encode()
    with shards(tmp_path)[0].open("ab", buffering=0) as shard:
        shard.write(line[:500])
        assert ids(store) == ["a"]
        assert len(store.recovered.torn) == 1
        shard.write(line[500:])
    assert ids(store) == ["a", "b"]
    assert store.recovered.torn == ()


def test_unfinished_episodes_are_named_and_left_alone(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    journal_episode(recorder, "running", finished=None)
    journal_episode(recorder, "done", finished=utc_now())
    store = RunStore(tmp_path)
    assert ids(store) == []
    recovered = store.recover()
    assert (recovered.folded, recovered.unfinished) == (("done",), ("running",))
    assert recovered.lines()[-1] == "not finished: 1 episode (running)"
    assert ids(store) == ["done"]


def test_a_journal_that_makes_no_record_stops_nobody(tmp_path: Path) -> None:
    recorder, store = Recorder(tmp_path), RunStore(tmp_path)
    journal_episode(recorder, "good", finished=utc_now())
    broken = {
        "no start": [{"turn": 0, "kind": "end", "node": "", "data": {"finished": "9"}}],
        "no data": [{"turn": 0, "kind": "start", "node": ""}, {"turn": 0, "kind": "end"}],
        "other data": [
            {"turn": 0, "kind": "start", "node": "", "data": {"messages": []}},
            {"turn": 0, "kind": "end", "node": "", "data": [1]},
        ],
    }
    for name, events in broken.items():
        lines = "".join(json.dumps(event) + "\n" for event in events)
        (tmp_path / "journal" / f"{name}.jsonl").write_text(lines)
    recovered = store.recover()
    assert (recovered.folded, set(recovered.unreadable)) == (("good",), set(broken))
    assert "journals that make no record: 3 episodes" in recovered.lines()[-1]
    assert ids(store) == ["good"]
    for name in broken:
        with pytest.raises(TrajectoryError) as raised:
            store.fold(name)
        assert "\n" not in str(raised.value)


def test_a_shard_that_shrinks_is_refused(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    store.append_all([record("a"), record("b")])
    assert len(store) == 2
    os.truncate(shards(tmp_path)[0], 100)
    with pytest.raises(TrajectoryError, match="was made shorter"):
        len(store)


def test_an_episode_that_ended_anew_is_unwritten_until_folded(tmp_path: Path) -> None:
    recorder, store = Recorder(tmp_path), RunStore(tmp_path)
    journal_episode(recorder, "a", finished="2026-01-01T00:00:00.000001+00:00")
    recorder.finish("a")
    assert store.unwritten() == []
    journal_episode(recorder, "a", finished="2026-01-01T00:00:00.000002+00:00")
    assert store.recover().folded == ("a",)
    assert store.get("a").finished == "2026-01-01T00:00:00.000002+00:00"


def test_a_long_last_event_is_read_whole(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    journal_episode(recorder, "a", finished=None)
    end = {"stop_reason": "answered", "answer": "x" * 300_000, "finished": utc_now()}
    recorder.append("a", turn=0, kind="end", node="action", attempt=1, data=end)
    store = RunStore(tmp_path)
    assert store.recover().folded == ("a",)
    assert len(store.get("a").answer or "") == 300_000


def test_version_1_is_read_beside_version_2(tmp_path: Path) -> None:
    old = OLD_RECORDS.read_text().splitlines()
    (tmp_path / "records.jsonl").write_text(old[0] + "\n" + old[1][:700] + "\n" + old[1] + "\n")
    store = RunStore(tmp_path)
    store.append(record("new"))
    first, second, third = store.records()
    assert {each.version for each in (first, second, third)} == {TRAJECTORY_VERSION}
    assert (first.answer, second.stop_reason, third.trajectory_id) == ("yellow", "no_answer", "new")
    assert first.turns[0].tokens is not None
    assert len(store.recovered.torn) == 1, "old files may hold torn lines anywhere"
    amended = first.model_copy(update={"labels": ["right_and_grounded"]})
    store.amend([amended])
    assert store.get(first.trajectory_id).labels == ["right_and_grounded"]
    assert store.ids()[0] == first.trajectory_id, "in the order of first lines"


def test_a_damaged_record_is_named_by_its_place(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    store.append_all([record("whole"), record("damaged")])
    (shard,) = (tmp_path / "records").glob("*.jsonl")
    first, second = shard.read_bytes().splitlines(keepends=True)
    shard.write_bytes(first + second.replace(b'"turns": [', b'"turns": [\x00', 1))
    place = re.escape(f"{shard}, {len(second) + 1} bytes at {len(first)}: ")
    with pytest.raises(TrajectoryError, match=place) as raised:
        list(RunStore(tmp_path).records())
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "time", ["2026", "2026-03", "2026-03-01T10", pytest.param(utc_now(), id="now")]
)
def test_times_of_a_filter(time: str) -> None:
    assert RecordFilter(since=time, until=time).since == time
    for name in ("since", "until"):
        with pytest.raises(InvalidRequest, match=f"{name} must be a time"):
            RecordFilter(**{name: time + "?"})


def test_every_version_has_its_migration() -> None:
    assert sorted(MIGRATIONS) == list(range(1, TRAJECTORY_VERSION))
    old = json.loads(OLD_RECORDS.read_text().splitlines()[0])
    assert migrate(old, TRAJECTORY_VERSION)["version"] == TRAJECTORY_VERSION
    assert old["version"] == 1, "the given one is left alone"
    for wrong in (0, -1, True, "1", None, TRAJECTORY_VERSION + 1):
        with pytest.raises(TrajectoryError, match="cannot be read here"):
            migrate({"version": wrong}, TRAJECTORY_VERSION)


def test_filters(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    shown = {"options": {"A": "red", "B": "yellow"}, "created": "2026-03-31T23:59:59+00:00"}
    store.append(record("right", answer="yellow", expected="b", **shown))
    store.append(record("wrong", answer="A", expected="B", labels=["blind_guess"], **shown))
    store.append(record("silent", answer=None, expected="B", stop_reason="no_answer", **shown))
    store.append(old_record(1))
    other = old_record(1).trajectory_id
    assert ids(store, correct=True) == ["right"]
    assert ids(store, correct=False) == ["wrong", "silent"]
    assert ids(store, stop_reasons=frozenset({"no_answer"})) == ["silent", other]
    assert ids(store, min_turns=4) == [other]
    assert ids(store, max_turns=3, min_turns=3) == ["right", "wrong", "silent"]
    tokens = old_record().usage.last_prompt_tokens or 0
    assert ids(store, min_tokens=tokens, max_tokens=tokens) == ["right", "wrong", "silent"]
    assert ids(store, tools=frozenset({"frame_select", "zoom"})) == ["right", "wrong", "silent"]
    assert ids(store, labels=frozenset({"blind_guess"})) == ["wrong"]
    assert ids(store, since="2026-04") == [other]
    assert ids(store, until="2026-03") == ["right", "wrong", "silent"]
    assert ids(store, correct=True, max_turns=1) == []


@pytest.mark.parametrize(
    ("answer", "expected", "correct"),
    [
        ("yellow", "Yellow ", True), ("B", "yellow", True), ("b", "B", True), ("A", "B", False),
        (None, "B", False), ("B", None, None), ("", "B", False), ("green", "green", True),
    ],
)  # fmt: skip
def test_right_or_wrong(answer: str | None, expected: str | None, correct: bool | None) -> None:
    options = {"A": "red", "B": "yellow"}
    assert record("a", answer=answer, expected=expected, options=options).correct is correct


@pytest.mark.parametrize(
    ("answer", "corrected", "reference"),
    [
        ("B", True, True),
        ("blue", True, True),
        ("The answer is B.", True, False),
        ("A or B", False, False),
        ("The answer is A.", False, False),
    ],
)
def test_options_are_read_as_evaluation_reads_them(
    answer: str, corrected: bool, reference: bool
) -> None:
    options = {"A": "red", "B": "blue"}
    asked = record("one").model_copy(
        update={"options": options, "expected": "B", "answer": answer, "dialect": "eva/corrected"}
    )
    assert asked.correct is corrected
    assert asked.model_copy(update={"dialect": "eva/reference"}).correct is reference


def test_what_is_no_run(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TrajectoryError, match="is a file"):
        RunStore(tmp_path / "file")
    empty = RunStore(tmp_path / "missing")
    assert (len(empty), empty.ids(), empty.unwritten()) == (0, [], [])
    with pytest.raises(TrajectoryError, match="nothing was recorded") as raised:
        empty.records()
    assert "\n" not in str(raised.value)
    (tmp_path / "records").write_text("")
    with pytest.raises(TrajectoryError, match="cannot write"):
        RunStore(tmp_path).append(record("a"))


def test_a_full_disk_leaves_no_half_record(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    store.append(record("a"))
    limited = multiprocessing.get_context("forkserver").Process(
        target=_append_beyond_limit, args=(str(tmp_path),)
    )
    limited.start()
    limited.join()
    assert limited.exitcode == 0
    assert ids(store) == ["a", "small"]
    assert store.recovered.torn == ()


def _append_from_both_sides_of_a_fork(run: str) -> None:
    store = RunStore(run)
    store.append(record("parent 1"))
    child = os.fork()
    if child == 0:
        store.append(record("child"))
        os._exit(0)
    os.waitpid(child, 0)
    store.append(record("parent 2"))


def _append_beyond_limit(run: str) -> None:
    """Writes files of at most 40,000 bytes, as a disk that is full would have it."""
    import resource
    import signal

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))
    store = RunStore(run)
    with pytest.raises(TrajectoryError, match="cannot write"):
        store.append(record("large", answer="x" * 60_000))
    store.append(record("small"))
