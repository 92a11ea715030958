"""What the trajectory log costs: bytes a turn, records a second, growth to 100,000 records.

    python benchmarks/trajectories.py [--largest 100000]

Every ratio is of two things measured side by side in this run: a turn's record with frames by
reference beside the same turn with base64 in its messages; writes flushed one by one beside writes
flushed together; a run of 1,000 records beside ones of 10,000 and of `--largest`, each read by a
fresh process that reports its peak memory. Exports and growth count CPU seconds.
"""

from __future__ import annotations

import argparse
import base64
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from eva_graph import Trajectory, VideoAgent
from eva_graph.testing import ScriptedPolicy, make_clip
from eva_graph.trajectory import RunStore
from eva_graph.trajectory.frames import frame_refs
from eva_graph.trajectory.shards import ShardWriter
from eva_graph_training.export.exporting import ExportRequest, export
from eva_graph_training.export.forms import FORMS

CALL = (
    '<tool_call>{{"tool": "frame_select", "arguments": {{"start_time": {start}, '
    '"end_time": {end}, "nframes": {nframes}, "resize": {resize}}}}}</tool_call>'
)
SCRIPT = (
    "Summary: Nothing is known yet.\nPlan:\nA scan.\n"
    + CALL.format(start=0, end=60, nframes=16, resize=0.5),
    "Reflection: It changes near [00:30].\nSummary: A scan.\nPlan:\nCloser.\n"
    + CALL.format(start=28, end=32, nframes=8, resize=1.0),
    "Reflection: At [00:30] it is seen.\n<answer>yes</answer>",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--largest", type=int, default=100_000)
    parser.add_argument("--read", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.read is not None:
        print(json.dumps(read(arguments.read)))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store, record = episode(folder)
        show_bytes(store, record)
        show_writes(folder, record)
        show_exports(folder, store, record)
        show_growth(folder, record, arguments.largest)


def episode(folder: Path) -> tuple[RunStore, Trajectory]:
    """A recorded episode of three turns and 24 frames of a 640x360 video."""
    clip = make_clip(folder / "clip.mp4", seconds=60, size=(640, 360), fps=5)
    VideoAgent(ScriptedPolicy(SCRIPT)).run(clip, "Is it seen?", record=folder / "run")
    store = RunStore(folder / "run")
    return store, next(store.records())


def show_bytes(store: RunStore, record: Trajectory) -> None:
    """A turn in the record, with and without its frames, beside the same turn with base64."""
    refs = {ref.sha256: ref for ref in frame_refs(record)}
    frames = {ref.uri: store.frames.read(ref) for ref in refs.values()}
    line = record.to_line()
    inlined = line
    shown = sum(line.count(f'"url": "{uri}"') for uri in frames)
    for uri, data in frames.items():
        url = f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"
        inlined = inlined.replace(f'"url": "{uri}"', f'"url": "{url}"')
    turns = len(record.turns)
    stored = sum(map(len, frames.values()))
    print(f"bytes a turn ({turns} turns, {shown} frames shown, {len(frames)} distinct)")
    print(f"  record, frames by reference   {len(line) / turns:12,.0f}")
    print(f"  record and its frames' files  {(len(line) + stored) / turns:12,.0f}")
    print(f"  record with base64 in it      {len(inlined) / turns:12,.0f}")
    print(f"  ratio base64 / by reference   {len(inlined) / len(line):12.1f}")
    print(f"  ratio base64 / with files     {len(inlined) / (len(line) + stored):12.2f}")
    again = (10 * len(inlined)) / (10 * len(line) + stored)
    print(f"  the same looks in ten episodes{again:12.1f}  (frames are stored once)\n")


def show_writes(folder: Path, record: Trajectory) -> None:
    """Records a second, each flushed to disk, and flushed together."""
    one, many = RunStore(folder / "one"), RunStore(folder / "many")
    few = [named(record, number) for number in range(300)]
    singly = seconds(lambda: [one.append(each) for each in few]) / len(few)
    lot = [named(record, number) for number in range(3_000)]
    together = seconds(lambda: many.append_all(lot)) / len(lot)
    print("records written a second")
    print(f"  append, flushed one by one    {1 / singly:12,.0f}")
    print(f"  append_all, flushed together  {1 / together:12,.0f}")
    print(f"  ratio                         {singly / together:12.1f}\n")


def show_exports(folder: Path, store: RunStore, record: Trajectory) -> None:
    """Records exported a second, integrity check included, for small and ten times larger runs."""
    print("records exported a CPU second (vision-integrity check included)")
    for form in ("trl-sft", "openai", "sharegpt"):
        rates = []
        for count in (100, 1_000):
            run = RunStore(folder / f"{form}-{count}")
            run.append_all(named(record, number) for number in range(count))
            run.frames.root.symlink_to(store.frames.root)
            out = folder / f"{form}-{count}-rows"
            request = ExportRequest(runs=[run.run], form=FORMS[form], out=out)
            rates.append(
                count / seconds(lambda request=request: export(request), time.process_time)
            )
        print(f"  {form:<10} 100 records {rates[0]:8,.0f}   1,000 records {rates[1]:8,.0f}")
    print()


def show_growth(folder: Path, record: Trajectory, largest: int) -> None:
    """Time and memory to open, read and look up, by size."""
    print("growth (each run read by a fresh process)")
    print("  records      index s    read s   look-up ms   peak MB   index bytes/record")
    base: dict[str, float] = {}
    for count in sorted({1_000, 10_000, largest}):
        run = folder / f"growth-{count}"
        ShardWriter(run / "records").append_all(lines(record, count))
        program = [sys.executable, __file__, "--read", str(run)]
        done = subprocess.run(program, check=True, capture_output=True, text=True)
        told = json.loads(done.stdout)
        base = base or told
        grown = (told["peak_mb"] - base["peak_mb"]) * 1e6 / max(count - 1_000, 1)
        print(
            f"  {count:>9,}  {told['index']:9.2f} {told['read']:9.1f} {told['lookup'] * 1e3:12.2f}"
            f" {told['peak_mb']:9.0f}   {grown:12,.0f}"
        )
    factor = largest / 1_000
    print(f"  ratio of the largest run to the smallest, {factor:g} times the records:")
    for name in ("index", "read", "lookup", "peak_mb"):
        print(f"    {name:<8} {told[name] / base[name]:8.2f}")


def read(run: Path) -> dict[str, float]:
    """What reading a run takes."""
    store = RunStore(run)
    cpu = time.process_time
    index = seconds(lambda: len(store), cpu)
    ids = store.ids()
    whole = seconds(lambda: sum(1 for _ in store.records()), cpu)
    some = ids[:: max(1, len(ids) // 100)]
    lookup = seconds(lambda: [store.get(each) for each in some], cpu) / len(some)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_000
    return {"index": index, "read": whole, "lookup": lookup, "peak_mb": peak_mb}


def named(record: Trajectory, number: int) -> Trajectory:
    return record.model_copy(update={"trajectory_id": f"{number:024d}"})


def lines(record: Trajectory, count: int) -> Iterator[str]:
    head, tail = record.to_line().split(f'"{record.trajectory_id}"', 1)
    for number in range(count):
        yield f'{head}"{number:024d}"{tail}'


def seconds(work: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    began = clock()
    work()
    return clock() - began


if __name__ == "__main__":
    main()
