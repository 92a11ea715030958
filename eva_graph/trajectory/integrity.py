"""The vision-integrity check: what a record trains on is what its rollout saw.

Frames of the calls == image places of the messages == grid rows of the token data; every frame
present, unchanged, decodable, of its recorded size and not blank; every label true to its frame's
time (to the released harness's own clock in the reference profile). Runs before every export and
every training start: training on images that were dropped looks normal (peers' issues:
agent-lightning#559, trl#5663, verl#2643, slime#1847).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator

from eva_graph.errors import TrajectoryError
from eva_graph.trajectory.frame_files import FrameFiles
from eva_graph.trajectory.frame_labels import label_faults
from eva_graph.trajectory.grid_rows import grid_faults
from eva_graph.trajectory.image_places import ImagePlace, TurnPlaces, turn_places
from eva_graph.trajectory.schema import Trajectory
from eva_graph.trajectory.violations import Violation, ViolationKind
from eva_graph_tools import FrameRef, FrameStore

_IMAGE_TOKENS = ("<|image_pad|>", "<|video_pad|>")


class IntegrityCheck:
    """Checks records whose frames lie in one store; every distinct frame is read once."""

    def __init__(self, frames: FrameStore, *, allow: Collection[ViolationKind] = ()) -> None:
        self._files = FrameFiles(frames)
        self._allow = frozenset(allow)

    def violations(self, record: Trajectory) -> list[Violation]:
        """What is wrong with a record, in the order of its turns; allowed kinds left out."""
        return [each for each in self._all(record) if each.kind not in self._allow]

    def _all(self, record: Trajectory) -> Iterator[Violation]:
        try:
            turns = turn_places(record)
        except TrajectoryError as error:
            yield Violation(
                kind=ViolationKind.UNREADABLE,
                trajectory_id=record.trajectory_id,
                detail=str(error),
            )
            return
        for each in turns:
            for kind, frame, detail in self._turn(record, each):
                yield Violation(
                    kind=kind,
                    trajectory_id=record.trajectory_id,
                    turn=each.turn,
                    frame=frame,
                    detail=detail,
                )
        for turn, detail in grid_faults(record, turns):
            yield Violation(
                kind=ViolationKind.PLACEHOLDERS,
                trajectory_id=record.trajectory_id,
                turn=turn,
                detail=detail,
            )

    def _turn(
        self, record: Trajectory, each: TurnPlaces
    ) -> Iterator[tuple[ViolationKind, int | None, str]]:
        for text in each.texts:
            for token in _IMAGE_TOKENS:
                if token in text:
                    yield ViolationKind.TEXT, None, f"a text of the transcript holds {token}"
        for number, detail in _place_faults(each.called, each.places):
            yield ViolationKind.PLACEHOLDERS, number, detail
        for number, detail in label_faults(record, each):
            yield ViolationKind.LABEL, number, detail
        for number, place in enumerate(each.places):
            fault = self._files.fault(place.ref, record.video.path)
            if fault is not None:
                yield fault[0], number, fault[1]


def check_record(
    record: Trajectory, frames: FrameStore, *, allow: Collection[ViolationKind] = ()
) -> list[Violation]:
    """What is wrong with one record; see `IntegrityCheck`.

    Args:
        record: the record.
        frames: the store that its run keeps (`RunStore.frames`).
        allow: kinds that are left out.
    """
    return IntegrityCheck(frames, allow=allow).violations(record)


def require_sound(
    records: Iterable[Trajectory],
    frames: FrameStore,
    *,
    allow: Collection[ViolationKind] = (),
    advance: Callable[[], None] = lambda: None,
) -> int:
    """Check records, one in memory at a time; the number of records.

    Raises:
        TrajectoryError: something is wrong; names the first violation and tells how many there are.
    """
    check = IntegrityCheck(frames, allow=allow)
    first: Violation | None = None
    checked = found = broken = 0
    for record in records:
        violations = check.violations(record)
        first = first or (violations[0] if violations else None)
        checked, found, broken = checked + 1, found + len(violations), broken + bool(violations)
        advance()
    if first is not None:
        raise TrajectoryError(
            f"vision-integrity check: {first} "
            f"(violations: {found:,}, in {broken:,} of {checked:,} records)"
        )
    return checked


def _place_faults(
    called: list[FrameRef], places: list[ImagePlace]
) -> Iterator[tuple[int | None, str]]:
    if len(called) != len(places):
        yield None, f"the calls name {len(called)} frames for {len(places)} image places"
    for number, (ref, place) in enumerate(zip(called, places, strict=False)):
        if ref != place.ref:
            yield number, f"the image place names {place.ref.uri}, the call {ref.uri}, or not alike"
