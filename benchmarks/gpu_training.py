"""Training on one GPU: memory and step time of a 7B at 16k tokens with images, then nano.

    python benchmarks/gpu_training.py --out DIR            one GPU of 80 GB or more, under 9 minutes
    python benchmarks/gpu_training.py --out DIR --small    the same on a CPU, tiny: that it runs

A randomly initialised Qwen2.5-VL-7B (`gpu_model.py`) takes two steps each of SFT, KTO and GRPO with
LoRA through the package's own stages, on scripted episodes of about 15,000 tokens with 12 images
(`gpu_episodes.py`), and plays a batch of rollouts itself. Then the `nano-gpu` recipe runs, cut to
what time is left (`gpu_world.py`). Every part is a process of its own with a limit; one that fails
or that there is no time for says so, and the others go on. `DIR/gpu_training.json` is written after
each part.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_SECONDS = 525.0
"""For everything: under nine minutes with the start of Python."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One measurement.

    Attributes:
        name: of it.
        least: seconds without which it is not begun.
        most: seconds after which it is stopped.
        reserve: seconds to leave for what comes after it.
    """

    name: str
    least: float
    most: float
    reserve: float = 120.0


_PARTS = (
    Part(name="model", least=60, most=120),
    Part(name="sft", least=50, most=130),
    Part(name="grpo", least=50, most=110),
    Part(name="kto", least=50, most=210),
    Part(name="on_policy", least=40, most=90, reserve=150),
    Part(name="nano", least=60, most=_SECONDS, reserve=5),
)
_NO_STAGE = ("machine", "model", "nano")
_SKIPPED = {"failed", "skipped"}


def main() -> None:
    """All parts within the time, or, in a process of its own, one of them."""
    asked = _arguments()
    if asked.part:
        run_part(asked.part, asked.work, small=asked.small, seconds=asked.seconds)
        return
    asked.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="gpu-training-", dir=asked.work) as folder:
        results = run_all(Path(folder), asked.out, small=asked.small, seconds=asked.seconds)
    print(table(results))
    if any("failed" in result for result in results.values()):
        sys.exit(1)


def run_all(work: Path, out: Path, *, small: bool, seconds: float) -> dict[str, Any]:
    """Run every part; the results by part, written down after each."""
    until = time.monotonic() + seconds
    results: dict[str, Any] = {"machine": {"small": small}}
    worlds = _start("worlds", work, small=small, seconds=seconds)
    try:
        for part in _PARTS:
            left = until - time.monotonic()
            results[part.name] = _bounded(part, worlds, work, small=small, left=left)
            print(part.name, json.dumps(results[part.name]), flush=True)
            text = json.dumps(results, indent=2) + "\n"
            (out / "gpu_training.json").write_text(text, encoding="utf-8")
    finally:
        _stop(worlds)
    return results


def run_part(name: str, work: Path, *, small: bool, seconds: float) -> None:
    """One part, in this process; its result goes into a file."""
    until = time.monotonic() + seconds

    def keep(result: dict[str, Any]) -> None:
        _result_file(work, name).write_text(json.dumps(result), encoding="utf-8")

    if name in ("worlds", "nano"):
        from gpu_world import LARGE, SMALL, train_nano, write_worlds

        scale = SMALL if small else LARGE
        if name == "worlds":
            keep(write_worlds(work / "world", scale))
        else:
            keep(train_nano(work / "world", scale, until, keep))
    elif name == "model":
        keep(_model(work, small=small))
    else:
        from gpu_stages import measured

        keep(measured(name, work, keep))


def table(results: dict[str, Any]) -> str:
    """What was measured, for a person."""
    lines = [
        "part          peak GiB  first step s  step s   tokens  tokens/s  stage s  blind control"
    ]
    nano = results.get("nano", {})
    rows = [(name, figures) for name, figures in results.items() if name not in _NO_STAGE]
    rows += [(f"nano {name}", figures) for name, figures in nano.get("stages", {}).items()]
    lines += [_row(name, figures) for name, figures in rows]
    lines += [f"{name}: {results[name]}" for name in _NO_STAGE if _SKIPPED & {*results[name]}]
    for name, score in nano.get("accuracy", {}).items():
        lines.append(
            f"nano held out, {name}: {score['right']} of {score['questions']} right "
            f"({score['low']:.0%} to {score['high']:.0%})"
        )
    return "\n".join(lines)


def _row(name: str, figures: dict[str, Any]) -> str:
    if "step_seconds" not in figures:
        return f"{name:13} {figures}"
    seconds, tokens = figures["step_seconds"], figures["tokens_a_step"]
    return (
        f"{name:13} {figures['peak_gib']:6.1f} {figures['first_step_seconds']:13.1f} {seconds:7.2f}"
        f" {tokens:8} {tokens / seconds:9.0f} {figures.get('stage_seconds', 0.0):8.0f}  "
        f"{figures['blind_control']}"
    )


def _model(work: Path, *, small: bool) -> dict[str, Any]:
    import torch
    from gpu_episodes import LONG, SHORT, write_episodes
    from gpu_model import write_model
    from gpu_stages import write_recipe

    model, episodes = work / "model", work / "episodes"
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    figures = {"gpu": gpu, "torch": torch.__version__, **write_model(model, small=small)}
    figures["episodes"] = write_episodes(model, episodes, SHORT if small else LONG)
    write_recipe(work / "recipe.yaml", model, episodes)
    return figures


def _bounded(
    part: Part, worlds: subprocess.Popen[bytes], work: Path, *, small: bool, left: float
) -> dict[str, Any]:
    limit = min(part.most, left - part.reserve)
    if limit < part.least:
        return {"skipped": f"{left:.0f} s are left"}
    started = time.monotonic()
    try:
        if part.name == "nano":
            worlds.wait(timeout=limit)
        running = _start(part.name, work, small=small, seconds=limit - time.monotonic() + started)
        try:
            code = running.wait(timeout=limit - time.monotonic() + started)
        finally:
            _stop(running)
    except subprocess.TimeoutExpired:
        return _kept(work, part.name) | {"failed": f"not done after {limit:.0f} s"}
    if code:
        return _kept(work, part.name) | {"failed": f"exit status {code}; its output is above"}
    return _kept(work, part.name) | {"part_seconds": time.monotonic() - started}


def _kept(work: Path, name: str) -> dict[str, Any]:
    """What a part wrote down, however far it came."""
    file = _result_file(work, name)
    result: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return result


def _start(name: str, work: Path, *, small: bool, seconds: float) -> subprocess.Popen[bytes]:
    """A part in a process group of its own, so that it can be ended with its children."""
    command = [sys.executable, __file__, "--part", name, "--work", str(work)]
    command += ["--seconds", str(seconds), *(["--small"] if small else [])]
    one_thread = {"OMP_NUM_THREADS": "1"} if name in ("worlds", "nano") else {}
    return subprocess.Popen(command, start_new_session=True, env={**os.environ, **one_thread})


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _result_file(work: Path, name: str) -> Path:
    return work / f"{name}.json"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, default=Path("gpu-training"), help="for the results")
    parser.add_argument(
        "--work", type=Path, help="for models and videos: 50 GB, removed at the end"
    )
    parser.add_argument("--small", action="store_true", help="tiny, also without a GPU")
    parser.add_argument("--seconds", type=float, default=_SECONDS, help="for everything")
    parser.add_argument("--part", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
