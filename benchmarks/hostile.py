"""What comes of every broken, odd and hostile file, read in this process and in a worker.

    python benchmarks/hostile.py              a Markdown table; about a minute on two cores

The files are those of the tests (`tests/hostile_files.py`), made anew in a temporary folder. A
canary watches meanwhile that no other file is read and that no address is contacted. Ends with an
error if an outcome is not the stated one.
"""

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from canary import Canary
from hostile_case import Case, Workshop, look_at
from hostile_files import CASES, LIMITS, WAYS


def row(case: Case, workshop: Workshop) -> tuple[list[str], bool]:
    """Cells of a file, and whether all went as stated."""
    path = case.made(workshop)
    cells, right = [f"`{ascii(case.name)[1:-1]}`", str(case.expected)], True
    for open_video in WAYS.values():
        began = time.perf_counter()
        with workshop.canary.watched():
            seen = look_at(open_video, path, workshop.canary)
        right = right and case.expected.holds(seen)
        said = str(seen) if seen.error is None else f"{seen}: {seen.error}"
        cells += [said.replace("|", "\\|"), f"{time.perf_counter() - began:.2f}"]
    return cells, right


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="files with this in their name")
    only = parser.parse_args().only
    wrong = 0
    heads = ["file", "stated", *(head for way in WAYS for head in (way, "s"))]
    print("| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads), sep="\n")
    cases = [case for case in CASES if only in case.name]
    with tempfile.TemporaryDirectory() as folder:
        files = Path(folder) / "files"
        files.mkdir()
        with Canary(Path(folder) / "canary").served() as canary:
            for case in cases:
                cells, right = row(case, Workshop(files, canary))
                wrong += not right
                print("| " + " | ".join(cells) + " |", flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    allowed = LIMITS.memory_bytes // 2**20
    print(f"\n{len(cases)} files, {wrong} not as stated; no other file read, nobody contacted.")
    print(
        f"Peak memory in process {peak} MiB; a worker may use {allowed} MiB beyond its libraries."
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
