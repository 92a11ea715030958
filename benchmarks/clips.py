"""The cost of cutting ten seconds out of the hour, by copy and exactly, against moviepy.

    python benchmarks/clips.py --work DIR [--quick]

`tools.py` measures the same within its rounds. CPU seconds, opening the file included, children
(moviepy's ffmpeg) included.
"""

import argparse
import sys
from pathlib import Path

from footage import FULL, QUICK, Files, prepare
from report import Results, clip_figures
from side_by_side import Worker, WorkerLost, shuffled, workers

METHODS = ("eva_graph_copy", "eva_graph_cut", "moviepy", "moviepy_veryfast")
SCRIPT = "clip_worker.py"
_INFORMATION = {"moviepy_veryfast"}  # not moviepy's default: two rounds are enough
_SECONDS = 10.0
_OFF_BOUNDARY_SECONDS = 0.0137


def measure(files: Files, staff: dict[str, Worker], results: Results, round_number: int) -> None:
    """One round: every method cuts the same range."""
    start = files.usual_seconds * 2 / 3 + round_number * 7 + _OFF_BOUNDARY_SECONDS
    end = start + _SECONDS
    footage = files.footage
    for method in shuffled(list(staff), round_number):
        if method in _INFORMATION and round_number >= 2:
            continue
        try:
            reply = staff[method].ask(path=str(files.usual), start=start, end=end)
        except WorkerLost as error:
            print(f"  clip: {error}; it goes on in a new one", flush=True)
            staff[method].restart()
            continue
        results.samples.add("clip", method, reply["cpu"])
        off = [
            _distance(reply["first"], footage.number_at(start), footage.segment_frames),
            _distance(reply["last"], footage.number_at(end), footage.segment_frames),
        ]
        results.cuts.setdefault(method, []).append((off[0], off[1], reply["sound"]))


def _distance(number: int | None, wanted: int, period: int) -> int | None:
    """How many frames a number lies after the wanted one, numbers repeating with a period."""
    if number is None:
        return None
    return (number - wanted + period // 2) % period - period // 2


def main() -> int:
    """Measure and print; returns 1 if an aim is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="folder for rendered files")
    parser.add_argument("--rounds", type=int, default=5, help="how often each cut is measured")
    parser.add_argument("--quick", action="store_true", help="small files")
    options = parser.parse_args()
    files = prepare(options.work, QUICK if options.quick else FULL)
    results = Results()
    with workers(METHODS, SCRIPT) as staff:
        for number in range(options.rounds):
            measure(files, staff, results, number)
    for job, method, seconds, least, most in results.samples.rows():
        print(f"{job:<8} {method:<20} {seconds:9.4f} CPU s ({least:.4f} to {most:.4f})")
    figures = clip_figures(results)
    for figure in figures:
        print(f"{figure.text:<50} {figure}")
    return 1 if any(figure.missed for figure in figures) else 0


if __name__ == "__main__":
    sys.exit(main())
