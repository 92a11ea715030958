"""What a worker process costs, and how soon a caller is back when a decoder does not end.

    python benchmarks/isolation.py            about a minute

Opening, and 16 exact frames of a rendered video, in this process and in a worker, in turn; then a
decoder that spins, one that spins without the interpreter's lock and one that allocates, each under
a limit, with the processes that are left afterwards.
"""

import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

import misbehaving_worker
from numbered_video import Recipe, number_of, render

from eva_graph_tools import DecodeError, Video
from eva_graph_tools.isolation import IsolatedReader, Limits
from eva_graph_tools.isolation.process import command

ROUNDS = 7
LIMIT_SECONDS = 2.0
SIZE = (640, 384)


def costs(path: Path) -> None:
    """Medians of opening and looking, CPU and wall, in turn."""
    times: dict[str, list[tuple[float, float]]] = {}
    for _ in range(ROUNDS):
        for isolated in (False, True):
            name = "worker" if isolated else "in process"
            kept: list[Video] = []
            opened = _timed(lambda kept=kept, way=isolated: kept.append(_open(path, way)))
            looked = _timed(lambda kept=kept: kept[0].frame_select(0, 2, nframes=16, size=SIZE))
            closed = _timed(kept[0].close)  # a worker's CPU time is known once it is reaped
            times.setdefault(f"open, {name}", []).append(opened)
            times.setdefault(f"16 frames of {SIZE[0]}x{SIZE[1]}, {name}", []).append(looked)
            whole = tuple(sum(part) for part in zip(opened, looked, closed, strict=True))
            times.setdefault(f"open, 16 frames, close, {name}", []).append((whole[0], whole[1]))
    print("| work | wall ms | CPU ms (a worker's: with its close) |\n| --- | --- | --- |")
    for name, pairs in times.items():
        wall, cpu = (1000 * median(values) for values in zip(*pairs, strict=True))
        print(f"| {name} | {wall:.1f} | {cpu:.1f} |")


def endless(path: Path) -> bool:
    """Whether every decoder that does not end is ended in time and leaves nothing."""
    right = True
    script = Path(misbehaving_worker.__file__)
    limits = Limits(memory_bytes=128 * 2**20)
    print("\n| decoder | caller is back after s | with | processes left | next video |")
    print("| --- | --- | --- | --- | --- |")
    for operation in ("spin", "spin_without_lock", "allocate"):
        reader = IsolatedReader(path, command(script), limits=limits)
        began = time.perf_counter()
        try:
            reader.perform(operation, {}, timeout_seconds=LIMIT_SECONDS)
        except DecodeError as error:
            said = f"{type(error).__name__}: {error}"
        seconds = time.perf_counter() - began
        next_one = number_of(Video(reader).seek(1.0).pixels) == 25
        reader.close()
        left = _children()
        right = right and seconds <= LIMIT_SECONDS + 1 and next_one and not left
        works = "works" if next_one else "fails"
        print(f"| {operation} | {seconds:.2f} | {said} | {left} | {works} |")
    print(f"\nThe limit is {LIMIT_SECONDS:g} s.")
    return right


def _open(path: Path, isolated: bool) -> Video:
    return Video.open(path, isolated=isolated)


def _timed(work: Callable[[], object]) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), _cpu()
    work()
    return time.perf_counter() - wall, _cpu() - cpu


def _cpu() -> float:
    own, children = (
        resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def _children() -> int:
    tasks = Path("/proc/self/task").iterdir()
    return sum(len((task / "children").read_text().split()) for task in tasks)


def main() -> int:
    """Print both tables."""
    with tempfile.TemporaryDirectory() as folder:
        path = render(Path(folder) / "video.mp4", Recipe(suffix="mp4")).path
        costs(path)
        return 0 if endless(path) else 1


if __name__ == "__main__":
    sys.exit(main())
