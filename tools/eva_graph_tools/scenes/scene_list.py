"""`SceneList`: the scenes of a range, what was looked at to find them, and how sure they are."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from eva_graph_tools.index import FrameIndex

Tier = Literal["index", "key", "full"]
Kind = Literal["cut", "fade", "dissolve"]
Begin = Literal["start", "cut", "fade", "dissolve"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Boundary:
    """Where a new scene begins.

    Attributes:
        index: display index of its first frame; the middle of a fade or a dissolve.
        kind: how the scenes meet.
        sure: 0 to 1. 0.5 is evidence that is just enough, 1 evidence of twice that or more.
    """

    index: int
    kind: Kind
    sure: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Consecutive frames that belong together.

    Attributes:
        start_seconds, end_seconds: from its first frame's appearance to the next scene's.
        start_index, end_index: display indices, the end excluded.
        begin: how it begins; "start" where the range does.
        sure: how sure it is that a scene begins here, as in `Boundary`; 1 for "start".
    """

    start_seconds: float
    end_seconds: float
    start_index: int
    end_index: int
    begin: Begin
    sure: float

    @property
    def middle_seconds(self) -> float:
        """The time half way through."""
        return (self.start_seconds + self.end_seconds) / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneList:
    """The scenes of a range in order, without gaps. A sequence of `Scene`.

    Attributes:
        scenes: at least one.
        tier: what was looked at: "index": where the encoder put key frames; "key": the key
            frames; "full": the pictures.
        threshold: PySceneDetect's content score from which on a change is a cut.
    """

    scenes: tuple[Scene, ...]
    tier: Tier
    threshold: float

    def __len__(self) -> int:
        return len(self.scenes)

    def __iter__(self) -> Iterator[Scene]:
        return iter(self.scenes)

    def __getitem__(self, position: int) -> Scene:
        return self.scenes[position]


def scenes_between(
    index: FrameIndex, start_seconds: float, end_seconds: float, boundaries: Sequence[Boundary]
) -> tuple[Scene, ...]:
    """The scenes that boundaries make of a range; they lie in it, after its first frame."""
    first, last = index.at(start_seconds), index.at(end_seconds)
    starts: list[tuple[int, float, Begin, float]] = [(first, start_seconds, "start", 1.0)]
    starts += [
        (boundary.index, index.seconds(boundary.index), boundary.kind, boundary.sure)
        for boundary in sorted(boundaries, key=lambda boundary: boundary.index)
    ]
    last += index.seconds(last) < end_seconds
    ends = [*((at, seconds) for at, seconds, _, _ in starts[1:]), (last, end_seconds)]
    return tuple(
        Scene(
            start_seconds=start[1],
            end_seconds=end[1],
            start_index=start[0],
            end_index=end[0],
            begin=start[2],
            sure=start[3],
        )
        for start, end in zip(starts, ends, strict=True)
    )
