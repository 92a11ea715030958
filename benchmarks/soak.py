"""Ten thousand random calls over twenty short videos from eight threads: does anything grow?

    python benchmarks/soak.py --work DIR [--calls 10000] [--threads 8] [--isolated]

Frames at random times, looks over random ranges, single frames, zooms, scenes, cuts, files opened a
second time and closed, and now and then a call with far too little time. Every frame's number is
checked against its label. Resident memory, what the allocator has given out of it and open file
descriptors are printed over time. The run fails if one of them grows after the first quarter, if a
frame is not what its label says, or if a call fails in another way than by the time it was not
given.
"""

import argparse
import ctypes
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Literal

import barcode
from matrix_clips import MatrixClip, clips

from eva_graph_tools import CannotCopy, DecodeTimeout, EvaGraphError, Frame, Video

NAMES = frozenset(
    {
        "h264", "h264_open_gop", "h264_one_gop", "h264_intra_refresh", "h264_mkv", "h264_piped",
        "h264_ts", "h264_flv", "h264_avi", "hevc", "hevc_open_gop", "vp8", "vp9_alt_ref", "av1",
        "mpeg4_avi_b", "mpeg2_mpg", "mjpeg_avi", "variable", "rotated_90", "cut_mp4",
    }
)  # fmt: skip
_SAMPLES = 40
_MALLINFO2 = (
    "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks",
    "keepcost",
)  # fmt: skip
_LABEL_SECONDS = 2e-3
_TOO_SHORT_SECONDS = 1e-4
# Eight threads leave holes in the allocator's arenas, so resident memory creeps for a while; what
# is in use must not.
_GROWTH_MB, _GROWTH_IN_USE_MB = 32.0, 8.0
_GROWTH_DESCRIPTORS = 4


@dataclass(frozen=True, slots=True)
class Sample:
    """What the process held after a number of calls."""

    calls: int
    seconds: float
    resident_mb: float
    in_use_mb: float
    descriptors: int
    threads: int


class Soak:
    """Twenty open videos, and counts of what was done with them."""

    def __init__(self, chosen: Sequence[MatrixClip], folder: Path, *, isolated: bool) -> None:
        self._clips, self._folder, self._isolated = list(chosen), folder, isolated
        self._videos = [self._open(clip) for clip in self._clips]
        self._lock = threading.Lock()
        self.done: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.wrong = self.late = 0

    def close(self) -> None:
        """Close all videos."""
        for video in self._videos:
            video.close()

    def call(self, number: int) -> None:
        """One random call, determined by its number."""
        dice = random.Random(number)
        place = dice.randrange(len(self._clips))
        kinds: list[tuple[Callable[[int, random.Random], list[Frame]], int]] = [
            (self._frames_at, 30),
            (self._frame_select, 25),
            (self._seek, 20),
            (self._zoom, 12),
            (self._too_short, 4),
            (self._scenes, 3),
            (self._cut, 3),
            (self._opened_anew, 3),
        ]
        kind = dice.choices([k for k, _ in kinds], [weight for _, weight in kinds])[0]
        error = None
        try:
            self._check(place, kind(place, dice))
        except DecodeTimeout as late:
            self.late += 1
            if kind != self._too_short:
                error = f"{kind.__name__}: {late}"
        except EvaGraphError as failure:
            error = f"{kind.__name__}, {self._clips[place].name}: {failure}"
        with self._lock:
            self.done[kind.__name__.strip("_")] += 1
            if error is not None:
                self.errors[error] += 1

    def _open(self, clip: MatrixClip) -> Video:
        return Video.open(clip.path, isolated=self._isolated)

    def _check(self, place: int, frames: Sequence[Frame]) -> None:
        clip = self._clips[place]
        for frame in frames:
            expected = clip.numbers[clip.place_at(frame.pts_seconds + _LABEL_SECONDS)]
            if frame.box is None and barcode.read(frame.pixels) != expected:
                with self._lock:
                    self.wrong += 1

    def _range(self, video: Video, dice: random.Random) -> tuple[float, float]:
        start, end = sorted(dice.uniform(0, video.info.duration_seconds) for _ in range(2))
        return start, end

    def _frames_at(self, place: int, dice: random.Random) -> list[Frame]:
        video = self._videos[place]
        times = [dice.uniform(0, video.info.duration_seconds) for _ in range(dice.randint(1, 6))]
        return video.frames_at(times, mode=dice.choice(("exact", "key")))

    def _frame_select(self, place: int, dice: random.Random) -> list[Frame]:
        video = self._videos[place]
        start, end = self._range(video, dice)
        mode: Literal["auto", "exact"] = "auto" if dice.random() < 0.5 else "exact"
        return video.frame_select(start, end, nframes=dice.randint(1, 8), mode=mode)

    def _seek(self, place: int, dice: random.Random) -> list[Frame]:
        video = self._videos[place]
        return [video.seek(dice.uniform(0, video.info.duration_seconds), timeout_seconds=120)]

    def _zoom(self, place: int, dice: random.Random) -> list[Frame]:
        video = self._videos[place]
        x, y = dice.uniform(0, 0.7), dice.uniform(0, 0.7)
        box = (x, y, x + 0.25, y + 0.25)
        return [video.zoom(dice.uniform(0, video.info.duration_seconds), box, size=(112, 112))]

    def _too_short(self, place: int, dice: random.Random) -> list[Frame]:
        video = self._videos[place]
        end = video.info.duration_seconds
        return video.frames_at([end * 0.9, end * 0.4], timeout_seconds=_TOO_SHORT_SECONDS)

    def _scenes(self, place: int, dice: random.Random) -> list[Frame]:
        video = self._videos[place]
        video.scenes(tier=dice.choice(("index", "key")))
        return []

    def _cut(self, place: int, dice: random.Random) -> list[Frame]:
        video = self._videos[place]
        target = self._folder / f"{dice.getrandbits(64)}.mkv"
        end = video.info.duration_seconds
        try:
            video.cut(end * 0.3, end * 0.6, target, exact=dice.random() < 0.2)
        except CannotCopy:
            video.cut(end * 0.3, end * 0.6, target, exact=True)
        finally:
            target.unlink(missing_ok=True)
        return []

    def _opened_anew(self, place: int, dice: random.Random) -> list[Frame]:
        with self._open(self._clips[place]) as video:
            return [video.seek(dice.uniform(0, video.info.duration_seconds))]


class _Mallinfo2(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_size_t) for name in _MALLINFO2)


def _in_use_mb() -> float:
    """What the C library has given out and not got back, in all its arenas (glibc 2.33 on)."""
    tell = ctypes.CDLL(None).mallinfo2
    tell.restype = _Mallinfo2
    told = tell()
    return float(told.uordblks + told.hblkhd) / 1024**2


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def sample(calls: int, started: float) -> Sample:
    """What the process holds now."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return Sample(
        calls,
        time.monotonic() - started,
        int(status["VmRSS"].split()[0]) / 1024,
        _in_use_mb(),
        _descriptors(),
        int(status["Threads"]),
    )


def run(soak: Soak, calls: int, threads: int) -> list[Sample]:
    """All calls, with samples taken between batches of them, when nothing is running."""
    started = time.monotonic()
    samples = [sample(0, started)]
    batch = max(threads, calls // _SAMPLES)
    with ThreadPoolExecutor(threads) as pool:
        for first in range(0, calls, batch):
            numbers = range(first, min(first + batch, calls))
            for _ in pool.map(soak.call, numbers):
                pass
            taken = sample(numbers.stop, started)
            samples.append(taken)
            print(
                f"{taken.calls:>6} calls {taken.seconds:6.0f} s {taken.resident_mb:7.1f} MB "
                f"{taken.in_use_mb:7.1f} MB in use "
                f"{taken.descriptors:4} descriptors {taken.threads:3} threads",
                flush=True,
            )
    return samples


def grown(samples: Sequence[Sample]) -> list[str]:
    """What grew from the second quarter of the run to the last one; empty if nothing did."""
    quarter = max(1, len(samples) // 4)
    early, late = samples[quarter : 2 * quarter], samples[-quarter:]
    found = []
    print("\nfrom the second to the last quarter")
    for name, of, limit in (
        ("MB resident", lambda s: s.resident_mb, _GROWTH_MB),
        ("MB in use", lambda s: s.in_use_mb, _GROWTH_IN_USE_MB),
        ("file descriptors", lambda s: s.descriptors, _GROWTH_DESCRIPTORS),
    ):
        growth = median(map(of, late)) - median(map(of, early))
        print(f"  {growth:+8.1f} {name}, limit {limit:g}")
        found += [name] if growth > limit else []
    return found


def main() -> int:
    """Run, print, and return 1 if anything grew or went wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="folder for rendered files")
    parser.add_argument("--calls", type=int, default=10_000, help="how many calls")
    parser.add_argument("--threads", type=int, default=8, help="how many callers")
    parser.add_argument("--isolated", action="store_true", help="decode in worker processes")
    options = parser.parse_args()
    chosen = list(clips(options.work / "matrix", NAMES))
    with tempfile.TemporaryDirectory() as folder:
        soak = Soak(chosen, Path(folder), isolated=options.isolated)
        samples = run(soak, options.calls, options.threads)
        growing = grown(samples)
        soak.close()
    print("closed:", _descriptors(), "descriptors,", soak.wrong, "wrong frames")
    print("calls:", dict(soak.done), "of which", soak.late, "ran out of time")
    for error, count in soak.errors.most_common():
        print(f"  {count} x {error}")
    print("grown: " + (", ".join(growing) if growing else "nothing"))
    return 1 if growing or soak.wrong or soak.errors else 0


if __name__ == "__main__":
    sys.exit(main())
