"""The cost of looks: eva_graph against the harness's structure and three libraries, side by side.

    python benchmarks/tools.py --work DIR            about 15 minutes on two cores once rendered
    python benchmarks/tools.py --work DIR --quick    about a minute: checks that everything runs

CPU seconds (user and system, children included) on an hour of 720p H.264 with key frames at cuts
and at most 250 frames apart. Every method has a process of its own; methods take turns within every
round; figures are medians over the rounds. Imports are counted for the harness's structure alone,
which starts a process per call. Opening the file is counted everywhere but in the warm frame, and
eva_graph opens without anything cached by an earlier opening.
"""

import argparse
import platform
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import clips
import looks
from footage import FULL, QUICK, Files, Footage, prepare
from report import Results, report
from side_by_side import Worker, WorkerLost, shuffled, workers

METHODS = (
    "eva_graph_exact",
    "eva_graph_auto",
    "harness",
    "torchcodec",
    "torchcodec_approximate",
    "decord",
    "opencv",
    "pyav_recipe",
)
_INFORMATION = {"torchcodec_approximate"}  # not exact on files in general: two rounds are enough
_SEEKS = 8
_AGAIN_TIMES = 200
_TRIES = 2  # decord crashes now and then


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What a row of the table measures.

    Attributes:
        name: of the row.
        looks: what is taken.
        warm: the file is open already.
        files: frames are written to disk.
        methods: who is asked.
    """

    name: str
    looks: Sequence[looks.Look]
    warm: bool = False
    files: bool = False
    methods: Sequence[str] = METHODS


def jobs(seconds: float, round_number: int) -> list[Job]:
    """The jobs of a round."""
    exact = [method for method in METHODS if method != "eva_graph_auto"]
    episode = ["eva_graph_exact", "eva_graph_auto", "harness", "torchcodec"]
    seeks = looks.single_frames(seconds, _SEEKS, seed=round_number)
    return [
        Job(name="hour", looks=looks.overview(seconds)),
        Job(name="seek", looks=seeks, warm=True, methods=exact),
        Job(name="window", looks=looks.window(seconds), methods=exact),
        Job(name="episode", looks=looks.episode(seconds), files=True, methods=episode),
    ]


class Run:
    """One run of the benchmark: workers and what they gave."""

    def __init__(
        self, files: Files, staff: dict[str, Worker], floor: Worker, cutters: dict[str, Worker]
    ) -> None:
        self.files, self.results = files, Results()
        self._staff, self._floor, self._cutters = staff, floor, cutters

    def round(self, number: int) -> None:
        """Every job once by every method."""
        clips.measure(self.files, self._cutters, self.results, number)
        path = str(self.files.usual)
        for job in jobs(self.files.usual_seconds, number):
            for method in shuffled([m for m in job.methods if m in self._staff], number):
                if method in _INFORMATION and number >= 2:
                    continue
                self._do(job, method, path)
            if job.name != "episode":
                self._measure_floor(job, path)
        self._first_looks()
        if "eva_graph_exact" in self._staff:
            self._again()

    def _do(self, job: Job, method: str, path: str) -> None:
        for _ in range(_TRIES):
            try:
                self._measure(job, method, path)
                return
            except WorkerLost as error:
                print(f"  {job.name}: {error}; again, in a new one", flush=True)
                self._staff[method].restart()

    def _measure(self, job: Job, method: str, path: str) -> None:
        worker = self._staff[method]
        opened = worker.ask(do="open", path=path)
        asked = [look.to_json() for look in job.looks]
        taken = worker.ask(do="take", looks=asked, files=job.files)
        if job.name == "hour" and method not in self.results.peak_mb:
            self.results.peak_mb[method] = worker.ask(do="memory")["peak_mb"]
        cpu = taken["cpu"] + (0 if job.warm else opened["cpu"])
        print(f"  {job.name}: {method} {cpu:.3f} CPU s in {taken['wall']:.1f} s", flush=True)
        self.results.samples.add(job.name, method, cpu)
        if job.name == "window" and method == "eva_graph_exact":
            self.results.samples.add("window, without opening", method, taken["cpu"])
        self._check(job, method, taken)

    def _check(self, job: Job, method: str, taken: dict[str, Any]) -> None:
        footage = self.files.footage
        counts = self.results.wrong.setdefault((job.name, method), [0, 0])
        for place, (look, numbers) in enumerate(zip(job.looks, taken["numbers"], strict=True)):
            labels = taken["labels"][place]
            times = look.times_seconds() if labels is None else labels
            expected = [footage.number_at(t) for t in times]
            counts[0] += sum(a != b for a, b in zip(numbers, expected, strict=False))
            counts[0] += abs(len(numbers) - len(expected))
            counts[1] += len(expected)

    def _measure_floor(self, job: Job, path: str) -> None:
        asked = [look.to_json() for look in job.looks]
        measures = self._floor.ask(path=path, looks=asked)
        self.results.packets[job.name] = measures["packets"]
        self.results.samples.add(job.name, "all packets", measures["all_seconds"])
        self.results.samples.add(job.name, "needed packets", measures["needed_seconds"])

    def _first_looks(self) -> None:
        footage = self.files.footage
        for name, path, copies in (
            ("short", self.files.short, footage.copies[0]),
            ("long", self.files.long, footage.copies[2]),
        ):
            seconds = float(copies * footage.segment_seconds)
            start = (copies - 1) * footage.segment_seconds + footage.segment_seconds / 3
            close = looks.Look(start_seconds=start, end_seconds=start + 10, nframes=16, resize=0.3)
            for kind, method, look in (
                ("window", "eva_graph_exact", close),
                ("overview", "eva_graph_auto", looks.overview(seconds)[0]),
            ):
                job = Job(name=f"first {kind}, {name} file", looks=[look])
                self._do(job, method, str(path))

    def _again(self) -> None:
        worker = self._staff["eva_graph_exact"]
        worker.ask(do="open", path=str(self.files.usual))
        look = looks.overview(self.files.usual_seconds)[0].to_json()
        again = worker.ask(do="again", looks=[look], times=_AGAIN_TIMES)
        self.results.samples.add("again", "references", again["known"])
        self.results.samples.add("again", "bytes", again["read"])


def versions() -> str:
    """Versions of everything that is compared."""
    names = ("av", "torchcodec", "torch", "decord", "opencv-python-headless", "moviepy", "pillow")
    found = []
    for name in names:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"{name} not installed")
    return f"Python {platform.python_version()}, {', '.join(found)}"


def main() -> int:
    """Measure, print the table, and return 1 if an aim is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="folder for rendered files")
    parser.add_argument("--rounds", type=int, help="how often each job is measured (5)")
    parser.add_argument("--quick", action="store_true", help="small files, one round")
    options = parser.parse_args()
    footage: Footage = QUICK if options.quick else FULL
    rounds = options.rounds or (1 if options.quick else 5)
    files = prepare(options.work, footage)
    print(versions(), flush=True)
    with (
        workers(METHODS) as staff,
        workers(["floor"]) as extra,
        workers(clips.METHODS, clips.SCRIPT) as cutters,
    ):
        run = Run(files, staff, extra["floor"], cutters)
        with suppress(KeyboardInterrupt):  # what was measured until then is reported
            for number in range(rounds):
                print(f"round {number + 1} of {rounds}", flush=True)
                run.round(number)
    return report(run.results, full=not options.quick)


if __name__ == "__main__":
    sys.exit(main())
