"""The page of a large run beside a plain page of the same: bytes, seconds until the list answers.

    python benchmarks/viewer.py --work DIR            1,000 questions of 40 frames; ten minutes
    python benchmarks/viewer.py --work DIR --quick    50 questions of 8 frames; half a minute

The plain page is what a template writes: every question with its turns one below the other, and the
same thumbnails at every mention. It is ready when its last question is in the document; ours when
the list has rows and says how many there are. Then a question is opened and a key is pressed.
Chromium is started anew for every page; the two take turns; figures are medians. The 120 MB and
3 s that the page promises are printed beside what was measured.
"""

from __future__ import annotations

import argparse
import base64
import html
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from playwright.sync_api import Page

sys.path.append(str(Path(__file__).resolve().parent.parent / "tests"))

import made_run
from chromium import chromium
from page_parts import parts_of

from eva_graph.viewer import write_view

_ROUNDS = 3
_READY = ".row"
"""An element of our page that is there once the list is; the last of the plain page is `#end`."""


def main() -> None:
    """Make the run unless it is there, write both pages, and time them."""
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--work", type=Path, required=True)
    options.add_argument("--quick", action="store_true")
    given = options.parse_args()
    questions, frames = (50, 8) if given.quick else (1000, 40)
    run = given.work / f"run-{questions}-{frames}"
    if not run.exists():
        made_run.picture = quick_pictures()
        made_run.make_run(run, questions, frames=frames)
    began = time.perf_counter()
    view = write_view([run], given.work / f"page-{questions}.html", max_megabytes=10_000)
    writing = time.perf_counter() - began
    plain = given.work / f"plain-{questions}.html"
    write_plain(view.path, plain)
    report(view.path, plain, questions, view.thumbnails, writing)
    timed = {name: [] for name in ("list", "plain", "open", "key")}
    for _ in range(_ROUNDS):
        with chromium() as browser:
            page = browser.new_page()
            for name, seconds in ours(page, view.path, questions).items():
                timed[name].append(seconds)
        with chromium() as browser:
            page = browser.new_page()
            timed["plain"].append(seconds_until(page, plain, "#end"))
    medians = {name: statistics.median(seconds) for name, seconds in timed.items()}
    ratio = medians["plain"] / medians["list"]
    print(f"list answers after        {medians['list']:8.2f} s   (promised: 3 s)")
    print(f"plain page is there after {medians['plain']:8.2f} s   {ratio:.1f} times as long")
    print(f"a question opens in       {medians['open']:8.2f} s")
    print(f"a key is answered in      {medians['key'] * 1000:8.0f} ms")


def report(page: Path, plain: Path, questions: int, thumbnails: int, writing: float) -> None:
    """Print how large the pages are."""
    size, other = page.stat().st_size, plain.stat().st_size
    promised = "" if questions < 1000 else "   (promised: 120 MB)"
    print(f"{questions:,} questions, {thumbnails:,} distinct frames")
    print(f"page                      {size / 1e6:8.1f} MB{promised}")
    print(f"plain page                {other / 1e6:8.1f} MB  {other / size:.2f} times as large")
    print(f"written in                {writing:8.1f} s   {thumbnails / writing:,.0f} frames/s")


def quick_pictures() -> Callable[..., np.ndarray]:
    """Grainy scenes, cheaper than drawing each; a stamp makes every one another picture."""
    scenes = [made_run.picture(seconds, 7) for seconds in range(32)]

    def picture(seconds: float, seed: int) -> np.ndarray:
        chance = np.random.default_rng((seed, round(seconds * 1000)))
        pixels = np.roll(scenes[chance.integers(32)], chance.integers(0, 126, 2), axis=(0, 1))
        pixels[:24, :64] = np.kron(chance.integers(0, 256, (3, 8, 3)), np.ones((8, 8, 1)))
        return pixels

    return picture


def write_plain(page: Path, plain: Path) -> None:
    """The same episodes and thumbnails as one long document."""
    _, episodes, thumbnails = parts_of(page)
    with plain.open("w", encoding="utf-8") as file:
        file.write("<!doctype html><meta charset=utf-8><body>")
        for episode in episodes:
            file.write(f"<h2>{html.escape(episode['question'])}</h2>")
            for turn in episode["turns"]:
                file.write(
                    f"<p>{html.escape(turn['summary'])}<pre>{html.escape(turn['text'])}</pre>"
                )
                for call in turn["calls"]:
                    file.write(f"<p>{html.escape(repr(call['applied']))}")
                    for shown in call["frames"]:
                        chunk, position = episode["frames"][shown["frame"]]["thumbnail"]
                        data = base64.b64encode(thumbnails[chunk][position]).decode()
                        file.write(f'<img src="data:image/webp;base64,{data}">')
        file.write("<p id=end>")


def seconds_until(page: Page, file: Path, ready: str) -> float:
    """Seconds from the request for a page until an element of it is there."""
    began = time.perf_counter()
    page.goto(file.absolute().as_uri(), wait_until="commit")
    page.wait_for_selector(ready, state="attached", timeout=300_000)
    return time.perf_counter() - began


def ours(page: Page, file: Path, questions: int) -> dict[str, float]:
    """Seconds until the list answers, until the last question is open, until a key is answered."""
    times = {"list": seconds_until(page, file, _READY)}
    page.wait_for_load_state("load", timeout=300_000)
    began = time.perf_counter()
    page.evaluate(f"location.hash = 'q={questions - 1}'")
    page.wait_for_selector(".turn img", timeout=300_000)
    times["open"] = time.perf_counter() - began
    times["key"] = page.evaluate(
        """async () => {
          const began = performance.now();
          document.dispatchEvent(new KeyboardEvent("keydown", { key: "t", bubbles: true }));
          await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
          return (performance.now() - began) / 1000;
        }"""
    )
    return times


if __name__ == "__main__":
    main()
