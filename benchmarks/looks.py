"""What the benchmarks ask for: looks as the harness's frame tool takes them, and jobs of them."""

import random
from dataclasses import asdict, dataclass
from typing import Any

_PATCH_PIXELS = 28
_END_MARGIN_SECONDS = 1e-3
_OFF_BOUNDARY_SECONDS = 0.0137  # of frames: there floats decide which frame a time means


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Frames spread over a range, at a factor of the picture's size."""

    start_seconds: float
    end_seconds: float
    nframes: int
    resize: float

    def times_seconds(self) -> list[float]:
        """The harness's points: even from start to just before the end; one alone: the middle."""
        span = self.end_seconds - self.start_seconds
        if self.nframes == 1:
            return [self.start_seconds + span / 2]
        last = span - min(_END_MARGIN_SECONDS, span / (4 * self.nframes))
        step = last / (self.nframes - 1)
        return [self.start_seconds + step * number for number in range(self.nframes)]

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height of its frames in pixels: multiples of 28."""
        patches = (max(1, round(side * self.resize / _PATCH_PIXELS)) for side in (width, height))
        across, down = (count * _PATCH_PIXELS for count in patches)
        return across, down

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary."""
        return asdict(self)


def overview(seconds: float) -> list[Look]:
    """32 frames over the whole file."""
    return [Look(start_seconds=0.0, end_seconds=seconds, nframes=32, resize=0.3)]


def window(seconds: float) -> list[Look]:
    """16 frames in 10 s, from two thirds of the file on."""
    start = seconds * 2 / 3 + _OFF_BOUNDARY_SECONDS
    return [Look(start_seconds=start, end_seconds=start + 10, nframes=16, resize=0.3)]


def single_frames(seconds: float, count: int, seed: int) -> list[Look]:
    """One frame each at random instants."""
    instants = random.Random(seed)
    starts = [instants.uniform(0, seconds - 1) for _ in range(count)]
    return [Look(start_seconds=s, end_seconds=s + 0.2, nframes=1, resize=0.3) for s in starts]


def episode(seconds: float) -> list[Look]:
    """Ten calls of one agent on one file: overview, closing in, full detail, other places."""
    middle = seconds * 2 / 3 + _OFF_BOUNDARY_SECONDS
    tenth, late = seconds * 0.1 + _OFF_BOUNDARY_SECONDS, seconds * 0.8 + _OFF_BOUNDARY_SECONDS
    calls = (
        (0.0, seconds, 32, 0.3),
        (middle - seconds / 60, middle + seconds / 60, 16, 0.3),
        (middle, middle + 10, 16, 0.5),
        (middle + 2, middle + 6, 8, 1.0),
        (middle + 3, middle + 5, 8, 1.0),
        (tenth, tenth + seconds / 120, 16, 0.4),
        (tenth + 10, tenth + 20, 12, 0.6),
        (late, seconds * 0.85, 24, 0.3),
        (late + 5, late + 20, 12, 0.5),
        (middle + 3, middle + 5, 4, 1.0),
    )
    return [
        Look(start_seconds=start, end_seconds=min(end, seconds), nframes=count, resize=resize)
        for start, end, count, resize in calls
    ]
