"""The journal: durable, torn lines ignored, repeated steps written once, many writers."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from journal_writer import write_events

from eva_graph.errors import TrajectoryError
from eva_graph.trajectory import Recorders
from eva_graph.trajectory.journal import (
    Event,
    FileJournal,
    MemoryJournal,
    append_line,
    course_of,
    read_json_lines,
)
from eva_graph_tools import FrameStore


def event(turn: int, kind: str, node: str = "", **data: Any) -> Event:
    writers = {"start": "summary", "message": "reflection", "plan": "plan", "look": "action"}
    return {
        "turn": turn,
        "kind": kind,
        "node": node or writers.get(kind, "reflection"),
        "attempt": 1,
        "data": data,
    }


EPISODE = [
    event(0, "start"), event(1, "message", "summary"), event(1, "plan"), event(1, "look"),
    event(2, "message"), event(2, "plan"), event(2, "look"), event(3, "message"), event(0, "end"),
]  # fmt: skip


def keys(events: list[Event]) -> list[tuple[int, str]]:
    return [(event["turn"], event["kind"]) for event in events]


def test_events_come_back_in_order() -> None:
    assert course_of(EPISODE) == EPISODE


@given(first=st.integers(0, len(EPISODE)), back=st.integers(0, len(EPISODE)))
def test_a_course_resumed_from_anywhere_is_whole(first: int, back: int) -> None:
    """Dies after `first` events, goes on from an older checkpoint: nothing twice, nothing stale."""
    again = [{**each, "attempt": 2} for each in EPISODE[min(first, back) :]]
    assert keys(course_of([*EPISODE[:first], *again])) == keys(EPISODE)
    repeated = course_of([*EPISODE[:first], *again])[min(first, back) :]
    assert all(each["attempt"] == 2 for each in repeated)


def test_the_last_written_event_of_a_key_counts() -> None:
    twice = [*EPISODE[:4], event(1, "look", calls=["second"])]
    assert course_of(twice)[-1]["data"] == {"calls": ["second"]}
    assert len(course_of(twice)) == 4


def test_another_course_voids_what_it_overtakes() -> None:
    shorter = [*EPISODE, event(2, "message", text="I know"), event(0, "end")]
    assert keys(course_of(shorter)) == [
        *keys(EPISODE[:4]),
        (2, "message"),
        (0, "end"),
    ]


def test_a_part_written_by_action_keeps_the_plan() -> None:
    phases = [*EPISODE[:3], event(1, "message", "action"), event(1, "look")]
    assert keys(course_of(phases)) == keys(EPISODE[:4])


def test_torn_lines_are_ignored(tmp_path: Path) -> None:
    journal = FileJournal(tmp_path)
    for each in EPISODE[:3]:
        journal.append("t", each)
    path = tmp_path / "t.jsonl"
    path.write_bytes(path.read_bytes() + b'{"turn": 1, "kind": "lo')
    assert keys(journal.events("t")) == keys(EPISODE[:3])
    journal.append("t", EPISODE[3])
    assert keys(journal.events("t")) == keys(EPISODE[:4])
    path.write_bytes(b"\xff\xfe\x00 torn" + path.read_bytes()[-20:])
    assert journal.events("t") == []


@pytest.mark.parametrize("text", ["\u2028 \x85 \x0b \r\n", "\udcff", "😀"])
def test_any_text_stays_on_its_line(text: str, tmp_path: Path) -> None:
    journal = FileJournal(tmp_path)
    journal.append("t", event(1, "message", text=text))
    assert journal.events("t")[0]["data"]["text"] == text


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TrajectoryError, match="cannot write") as raised:
        FileJournal(tmp_path / "file" / "journal").append("t", EPISODE[0])
    assert "\n" not in str(raised.value)


def test_memory_holds_what_a_file_would(tmp_path: Path) -> None:
    memory, file = MemoryJournal(), FileJournal(tmp_path)
    for each in [*EPISODE[:4], event(1, "look", box=(0, 1))]:
        memory.append("t", each)
        file.append("t", each)
    assert memory.events("t") == file.events("t")
    assert memory.events("other") == []
    with pytest.raises(ValueError, match="JSON"):
        memory.append("t", event(1, "plan", cost=float("nan")))


def test_a_run_without_directory_is_kept_while_somebody_listens(frames: FrameStore) -> None:
    recorders = Recorders(frames)

    def write(thread: str) -> None:
        recorders.of(None, thread).append(
            "t", turn=1, kind="plan", node="plan", attempt=1, data={"thread": thread}
        )

    with recorders.listening(None, "a") as first, recorders.listening(None, "b") as second:
        write("a")
        write("b")
        write("nobody's")
        assert recorders.of(None, "a") is first
        for recorder, thread in ((first, "a"), (second, "b")):
            with pytest.raises(TrajectoryError, match="nothing was recorded"):
                recorder.trajectory("t")
            assert recorder._journal.events("t")[0]["data"] == {"thread": thread}
    assert recorders.of(None, "a") is recorders.of(None, "nobody's")
    assert recorders.of(None, "a")._journal.events("t") == []


def test_several_threads_write_one_file(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: append_line(path, f'{{"n": {n}}}\n'), range(200)))
    assert sorted(value["n"] for value in read_json_lines(path)) == list(range(200))


def test_several_processes_write_one_run(tmp_path: Path) -> None:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["eva_graph.trajectory"])
    names = ["a", "b", "c"]
    writers = [
        context.Process(target=write_events, args=(str(tmp_path), name, 20)) for name in names
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    for name in names:
        assert len(FileJournal(tmp_path / "journal").events(name)) == 20
    shared = [(value["id"], value["turn"]) for value in read_json_lines(tmp_path / "shared.jsonl")]
    assert sorted(shared) == [(name, turn) for name in names for turn in range(1, 21)]
