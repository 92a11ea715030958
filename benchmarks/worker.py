"""A process that holds one method, does jobs on request and reports what each cost.

    python worker.py METHOD     a JSON request per line on stdin, a JSON reply per line on stdout

CPU seconds are user and system time of the process and its children. What a job gave is checked
outside the measured span.
"""

import contextlib
import gc
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import barcode
import numpy as np
from looks import Look
from PIL import Image
from readers import Decord, FrameReader, HarnessStructure, OpenCv, PyAvRecipe, Torchcodec


def reader_for(method: str) -> FrameReader | None:
    """The reader of a method's name. Raises whatever importing its library raises."""
    if method == "floor":
        return None
    if method.startswith("eva_graph"):
        from eva_reader import EvaGraph

        return EvaGraph("auto" if method.endswith("auto") else "exact")
    makers: dict[str, Callable[[], FrameReader]] = {
        "harness": HarnessStructure,
        "torchcodec": lambda: Torchcodec("exact"),
        "torchcodec_approximate": lambda: Torchcodec("approximate"),
        "decord": Decord,
        "opencv": OpenCv,
        "pyav_recipe": PyAvRecipe,
    }
    return makers[method]()


@contextlib.contextmanager
def measured(report: dict[str, Any]) -> Iterator[None]:
    """Adds the CPU and wall seconds of the block to a report."""
    gc.collect()
    wall, cpu = time.perf_counter(), _cpu_seconds()
    yield
    report["cpu"] = _cpu_seconds() - cpu
    report["wall"] = time.perf_counter() - wall


def _cpu_seconds() -> float:
    own = resource.getrusage(resource.RUSAGE_SELF)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def take(reader: FrameReader, looks: Sequence[Look], *, files: bool) -> dict[str, Any]:
    """Take looks and read the numbers in what came."""
    report: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        folders = [Path(folder) / str(place) for place in range(len(looks))]
        for path in folders:
            path.mkdir()
        taken, labels = [], []
        with measured(report):
            for look, path in zip(looks, folders, strict=True):
                taken.append(reader.keep(look, path) if files else reader.take(look))
                labels.append(reader.labels_seconds)
        report["numbers"] = [[_number(frame) for frame in frames] for frames in taken]
        report["labels"] = labels
    return report


def _number(frame: barcode.Pixels | Path) -> int | None:
    if isinstance(frame, Path):
        frame = np.asarray(Image.open(frame).convert("RGB"))
    return barcode.read(frame)


def answer(reader: FrameReader | None, request: dict[str, Any]) -> dict[str, Any]:
    """Do one request."""
    looks = [Look(**look) for look in request.get("looks", ())]
    if reader is None:
        import floor

        return asdict(floor.measure(request["path"], looks))
    report: dict[str, Any] = {}
    match request["do"]:
        case "open":
            with measured(report):
                reader.open(request["path"])
        case "take":
            report = take(reader, looks, files=request["files"])
        case "memory":
            kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
            own, children = (resource.getrusage(kind).ru_maxrss / 1024 for kind in kinds)
            report["peak_mb"] = children if isinstance(reader, HarnessStructure) else own
        case "again":
            from eva_reader import EvaGraph

            assert isinstance(reader, EvaGraph)
            report["known"], report["read"] = reader.again_seconds(looks[0], request["times"])
        case other:
            raise ValueError(f"no such request: {other}")
    return report


def main() -> None:
    """Serve requests until stdin ends."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a library prints goes to stderr
    try:
        reader = reader_for(sys.argv[1])
    except (ImportError, OSError, RuntimeError) as error:
        missing = (str(error).strip().splitlines() or [type(error).__name__])[0]
        print(json.dumps({"missing": missing}), file=replies, flush=True)
        return
    print(json.dumps({}), file=replies, flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(reader, json.loads(line))), file=replies, flush=True)


if __name__ == "__main__":
    main()
