"""What a base install weighs, and what importing it costs beside importing LangGraph's graphs.

    python benchmarks/install.py [--python python3.12] [--rounds 9] [--wheel FILE]

Builds nothing in the checkout: the project (or the wheel) goes into a fresh environment, without
extras, at the tested versions. Sizes are those of the files that each distribution lists, compiled
modules included. Imports are whole processes that take turns, in CPU seconds of user and system;
`langgraph.graph` is the yardstick because `eva_graph` cannot do without it.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import tempfile
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parent.parent
SIZES = """
import json
from importlib.metadata import distributions
sizes = {}
for found in distributions():
    files = [path for file in found.files or () if (path := file.locate()).is_file()]
    sizes[found.metadata["Name"]] = sum(path.stat().st_size for path in files)
print(json.dumps(sizes))
"""
IMPORTS = ("pass", "import langgraph.graph", "import eva_graph_tools", "import eva_graph")
INSTALLER = {"pip", "setuptools"}
SHOWN = 12


def fresh_environment(python: str, wanted: str, folder: Path) -> Path:
    """An interpreter that has the project's base dependencies, and nothing else."""
    subprocess.run([python, "-m", "venv", str(folder)], check=True)
    interpreter = folder / "bin" / "python"
    constraints = str(ROOT / "constraints.txt")
    command = [str(interpreter), "-m", "pip", "install", "-q", "-c", constraints, wanted]
    subprocess.run(command, check=True)
    return interpreter


def sizes(interpreter: Path) -> dict[str, int]:
    """Bytes by distribution."""
    done = subprocess.run(
        [str(interpreter), "-c", SIZES], check=True, capture_output=True, cwd="/", env=hidden()
    )
    found: dict[str, int] = json.loads(done.stdout)
    return {name: size for name, size in found.items() if name not in INSTALLER}


def cpu_seconds(interpreter: Path, statement: str) -> float:
    """User and system time of a process that runs one statement."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([str(interpreter), "-c", statement], check=True, cwd="/", env=hidden())
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def hidden() -> dict[str, str]:
    """The environment without a way to import the checkout."""
    names = {"PYTHONPATH", "PYTHONDONTWRITEBYTECODE"}
    return {name: value for name, value in os.environ.items() if name not in names}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", default="python3")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--wheel", default=str(ROOT))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        interpreter = fresh_environment(given.python, given.wheel, Path(folder) / "venv")
        by_name = sorted(sizes(interpreter).items(), key=lambda item: -item[1])
        print(f"{sum(size for _, size in by_name) / 1e6:8.1f} MB in {len(by_name)} distributions")
        for name, size in by_name[:SHOWN]:
            print(f"{size / 1e6:8.1f} MB {name}")
        times: dict[str, list[float]] = {statement: [] for statement in IMPORTS}
        for turn in range(given.rounds + 1):
            for statement in IMPORTS:
                spent = cpu_seconds(interpreter, statement)
                if turn:  # the first round compiles and warms the disk's cache
                    times[statement].append(spent)
    empty = median(times["pass"])
    yardstick = median(times[IMPORTS[1]]) - empty
    for statement in IMPORTS[1:]:
        cost = median(times[statement]) - empty
        print(f"{cost:8.3f} CPU s {statement}: {cost / yardstick:.2f} of langgraph.graph")


if __name__ == "__main__":
    main()
