"""10,000 records from four processes, one of them killed hard in the middle."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import Counter
from pathlib import Path

import pytest
from run_writer import write_episodes

from eva_graph.trajectory import RunStore

WRITERS = ("a", "b", "c", "d")
_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(["run_writer"])


def start(run: Path, name: str, numbers: range) -> tuple[multiprocessing.Process, object]:
    reader, writer = _PROCESSES.Pipe(duplex=False)
    process = _PROCESSES.Process(target=write_episodes, args=(str(run), name, numbers, writer))
    process.start()
    writer.close()
    return process, reader


@pytest.mark.parametrize(
    "each", [250, pytest.param(2_500, marks=[pytest.mark.slow, pytest.mark.timeout(900)])]
)
def test_nothing_finished_is_lost_and_nothing_is_there_twice(each: int, tmp_path: Path) -> None:
    run = tmp_path / "run"
    writers = {name: start(run, name, range(each)) for name in WRITERS}
    victim, told = writers["d"]
    while told.recv() < each // 2:
        pass
    os.kill(victim.pid, signal.SIGKILL)
    victim.join()
    done = each // 2
    try:
        while True:
            done = told.recv()
    except (EOFError, OSError):
        pass
    for name in WRITERS[:3]:
        process, reader = writers[name]
        while reader.poll(60) and reader.recv() < each - 1:
            pass
        process.join()
        assert process.exitcode == 0
    assert victim.exitcode == -signal.SIGKILL

    store = RunStore(run)
    recovered = store.recover()
    written = Counter(one.partition("-")[0] for one in store.ids())
    assert [written[name] for name in WRITERS[:3]] == [each] * 3
    assert set(store.ids()) >= {f"d-{number:05d}" for number in range(done + 1)}
    assert written["d"] <= done + 2, "at most the episode that it was killed in"
    assert {one[:2] for one in (*recovered.folded, *recovered.unfinished)} <= {"d-"}
    assert len(recovered.folded) + len(recovered.unfinished) <= 1

    rest, reader = start(run, "d", range(written["d"], each))
    while reader.poll(60) and reader.recv() < each - 1:
        pass
    rest.join()
    records = [record.trajectory_id for record in store.records()]
    assert len(records) == len(set(records)) == len(store) == len(WRITERS) * each
    assert store.recover().folded == ()
    lines = sum(path.read_bytes().count(b"\n") for path in (run / "records").iterdir())
    assert lines == len(records), "no record was written twice"
