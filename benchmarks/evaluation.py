"""The cost of an evaluation: `eva-graph eval` against the harness's structure, side by side.

    python benchmarks/evaluation.py --work DIR            about an hour on two cores
    python benchmarks/evaluation.py --work DIR --quick    a minute: checks that everything runs

200 questions about 20 different one-hour videos (720p H.264; `--videos` takes fewer, with ten
questions each), against a scripted policy behind an HTTP server of its own that takes as long as a
GPU server would (`policy_script.py`). The harness's structure (`harness_evaluation.py`) is asked
every fifth of the same questions, because it takes long; every figure is per question. CPU seconds
are user and system of the process and its children; the server's are not counted. Rounds
alternate; nothing is kept between them.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from footage import FULL, QUICK, prepare
from policy_script import LETTERS, answer_to

_AIMS = {"corrected": 8.0, "reference": 2.5}
_FREE_BOX = (20).to_bytes(4, "big") + b"free"
"""A box that readers pass over: at the end of an MP4 file it makes equal videos different."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one run took, for each question.

    Attributes:
        cpu_seconds: user and system, children included.
        wall_seconds: from start to end.
        wrong: answers that are not the policy's, or none.
    """

    cpu_seconds: float
    wall_seconds: float
    wrong: int


def different_videos(source: Path, count: int, folder: Path) -> list[Path]:
    """Copies of a video that no cache can take for one another."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number:02}.mp4" for number in range(count)]
    for number, path in enumerate(paths):
        if not path.exists():
            part = path.with_suffix(".part")
            shutil.copyfile(source, part)
            with part.open("ab") as file:
                file.write(_FREE_BOX + number.to_bytes(12, "big"))
            part.replace(path)
    return paths


def write_questions(videos: Sequence[Path], count: int, file: Path) -> None:
    """Question N, about each video in turn."""
    rows = [
        {
            "question_id": str(number),
            "video": str(videos[number % len(videos)]),
            "question": f"Question {number}: which of these is it?",
            "options": [f"thing {letter}" for letter in LETTERS],
            "answer": answer_to(number),
        }
        for number in range(count)
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))


@contextmanager
def server(seconds: float) -> Iterator[str]:
    """The scripted policy's address."""
    script = Path(__file__).with_name("policy_script.py")
    with subprocess.Popen(
        [sys.executable, script, str(seconds)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        assert process.stdin is not None
        process.stdin.close()


def run_eva_graph(
    profile: str, questions: Path, videos: Path, address: str, concurrency: int, home: Path
) -> Cost:
    """`eva-graph eval custom` in a process of its own, with empty caches."""
    out = home / "run"
    command = [
        sys.executable, "-m", "eva_graph.cli", "eval", "custom", "--annotations", str(questions),
        "--videos", str(videos), "--policy", address, "--profile", profile, "--concurrency",
        str(concurrency), "--out", str(out), "--json",
    ]  # fmt: skip
    cpu, wall, printed = _measured(command, home)
    report = json.loads(printed)
    asked = report["questions"]
    right = round(report["accuracy"]["value"] * asked)
    return Cost(cpu_seconds=cpu / asked, wall_seconds=wall / asked, wrong=asked - right)


def run_harness(questions: Path, address: str, concurrency: int, home: Path) -> Cost:
    """The harness's structure in a process of its own."""
    script, out = Path(__file__).with_name("harness_evaluation.py"), home / "answers.json"
    command = [sys.executable, str(script), str(questions), address, str(concurrency), str(out)]
    cpu, wall, _ = _measured(command, home)
    answers = json.loads(out.read_text())
    numbers = [int(json.loads(row)["question_id"]) for row in questions.read_text().splitlines()]
    wrong = sum(answer_to(n) != given for n, given in zip(numbers, answers, strict=True))
    asked = len(answers)
    return Cost(cpu_seconds=cpu / asked, wall_seconds=wall / asked, wrong=wrong)


def _measured(command: Sequence[str], home: Path) -> tuple[float, float, str]:
    """CPU and wall seconds of a command, and what it printed."""
    caches = {"XDG_CACHE_HOME": str(home / "cache"), "OMP_NUM_THREADS": "1"}
    begun = time.monotonic()
    with (home / "printed").open("w+") as printed, (home / "news").open("w+") as news:
        process = subprocess.Popen(
            command, stdout=printed, stderr=news, env=os.environ | caches, text=True
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.monotonic() - begun
        if process.returncode:
            news.seek(0)
            sys.exit(f"{' '.join(command)} failed:\n{news.read()}")
        printed.seek(0)
        return used.ru_utime + used.ru_stime, wall, printed.read()


def main() -> int:
    """Measure and print; 1 if an aim is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="folder for rendered files")
    parser.add_argument("--quick", action="store_true", help="small files, few questions")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--videos", type=int, default=20, help="ten questions about each")
    parser.add_argument("--concurrency", type=int, default=8)
    options = parser.parse_args()
    full = not options.quick
    files = prepare(options.work, FULL if full else QUICK)
    count, about, share = (10 * options.videos, options.videos, 5) if full else (8, 4, 2)
    videos = different_videos(files.usual, about, files.usual.parent / "different")
    all_questions = options.work / "questions.jsonl"
    write_questions(videos, count, all_questions)
    lines = all_questions.read_text().splitlines(keepends=True)
    some = options.work / "some_questions.jsonl"
    some.write_text("".join(lines[::share]))
    costs: dict[str, list[Cost]] = {"corrected": [], "reference": [], "harness": []}
    with server(files.usual_seconds) as address:
        for number in range(options.rounds):
            for method, made in costs.items():
                with tempfile.TemporaryDirectory(dir=options.work) as home:
                    place = Path(home)
                    if method == "harness":
                        cost = run_harness(some, address, options.concurrency, place)
                    else:
                        cost = run_eva_graph(
                            method, all_questions, videos[0].parent, address,
                            options.concurrency, place,
                        )  # fmt: skip
                made.append(cost)
                print(
                    f"round {number + 1}: {method:10} {cost.cpu_seconds:7.3f} CPU s a question, "
                    f"{60 / cost.wall_seconds:6.1f} questions a minute, {cost.wrong} wrong",
                    flush=True,
                )
    return _report(costs, full=full)


def _report(costs: dict[str, list[Cost]], *, full: bool) -> int:
    cpu = {method: median(cost.cpu_seconds for cost in made) for method, made in costs.items()}
    pace = {
        method: median(60 / cost.wall_seconds for cost in made) for method, made in costs.items()
    }
    missed = any(cost.wrong for made in costs.values() for cost in made)
    print(f"\n{'':10} {'CPU s a question':>17} {'questions a minute':>19}   harness's CPU over it")
    for method in costs:
        ratio = cpu["harness"] / cpu[method]
        aim = _AIMS.get(method)
        below = aim is not None and ratio < aim
        missed = missed or (full and below)
        told = "" if aim is None or not full else f"  aim >= {aim:g}{'  MISSED' * below}"
        print(f"{method:10} {cpu[method]:17.3f} {pace[method]:19.1f}   {ratio:6.2f}{told}")
    if not full:
        print("the aims are for the full files: run without --quick")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
