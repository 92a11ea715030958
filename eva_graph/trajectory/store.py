"""A run directory: records, journals and frames, for any number of writers and readers at once.

RUN/records/*.jsonl              shards of records; each writer (a process) appends to its own
RUN/records.jsonl                where version 1 wrote them; still read
RUN/journal/<trajectory>.jsonl   events while an episode runs
RUN/frames/                      the frames, content-addressed; a recorded run owns them
RUN/artifacts/                   files that tools made

A record may be written several times (a resumed episode, labels): the one finished or amended last
counts. Reading keeps ids and offsets in memory and one record at a time. `append` flushes to disk
before it returns (see `eva_graph.trajectory.shards`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from pydantic import ValidationError

from eva_graph.errors import TrajectoryError
from eva_graph.trajectory.clock import utc_now
from eva_graph.trajectory.filters import RecordFilter
from eva_graph.trajectory.fold import fold
from eva_graph.trajectory.journal import FileJournal
from eva_graph.trajectory.record_index import Place, RecordIndex
from eva_graph.trajectory.recovery import Recovered, unwritten
from eva_graph.trajectory.schema import Trajectory
from eva_graph.trajectory.shards import SHARD_BYTES, ShardWriter, shard_files
from eva_graph_tools import FrameStore

ARTIFACTS = "artifacts"
"""Folder of a run for files that tools make, such as clips."""
_EVERYTHING = RecordFilter()


class RunStore:
    """The records, journals and frames of one run. Safe for threads and processes."""

    def __init__(self, run: str | Path, *, shard_bytes: int = SHARD_BYTES) -> None:
        """Nothing is read or created until it is needed.

        Raises:
            TrajectoryError: a file lies where the directory should be.
        """
        self.run = Path(run)
        if self.run.exists() and not self.run.is_dir():
            raise TrajectoryError(f"{self.run} is a file: a run needs a directory")
        self.journal = FileJournal(self.run / "journal")
        self.frames = FrameStore(self.run / "frames")
        self._writer = ShardWriter(self.run / "records", shard_bytes=shard_bytes)
        self._index = RecordIndex(self.run)
        self._recovered: Recovered | None = None

    def append(self, record: Trajectory) -> None:
        """Write a record; it is on disk when this returns. Raises `TrajectoryError`."""
        self._writer.append(record.to_line())

    def append_all(self, records: Iterable[Trajectory]) -> None:
        """Write records, flushed to disk together. Raises `TrajectoryError`."""
        self._writer.append_all(record.to_line() for record in records)

    def amend(self, records: Iterable[Trajectory]) -> None:
        """Write changed records (labels, a reward) in place of those that hold their ids.

        Raises:
            TrajectoryError: they are not all on disk.
        """
        self.append_all(
            record.model_copy(update={"amended": utc_now(after=record.written)})
            for record in records
        )

    def __len__(self) -> int:
        return self._index.count()

    def __contains__(self, trajectory_id: object) -> bool:
        return isinstance(trajectory_id, str) and self._index.find(trajectory_id) is not None

    def ids(self) -> list[str]:
        """Trajectory ids in the order of `records`."""
        return list(self._index.places())

    def get(self, trajectory_id: str) -> Trajectory:
        """One record. Raises `TrajectoryError` where the run holds none of that id."""
        place = self._index.find(trajectory_id)
        if place is None:
            raise TrajectoryError(f"{self.run} holds no record of trajectory {trajectory_id}")
        return next(self._read([place]))

    def records(self, where: RecordFilter = _EVERYTHING) -> Iterator[Trajectory]:
        """The records that match, in the order of their first lines, one in memory at a time.

        Raises:
            TrajectoryError: nothing was ever recorded here, or a record cannot be read.
        """
        self.check_exists()
        records = self._read(self._index.places().values())
        return (record for record in records if where.matches(record))

    def check_exists(self) -> None:
        """Raises `TrajectoryError` where nothing was ever recorded."""
        if not shard_files(self.run) and not (self.run / "journal").is_dir():
            raise TrajectoryError(f"{self.run} holds no records: nothing was recorded there")

    def unwritten(self) -> list[str]:
        """Ids of finished episodes that are only in the journal. Raises `TrajectoryError`."""
        return unwritten(self.run / "journal", self._index.places())[0]

    def fold(self, trajectory_id: str) -> Trajectory:
        """An episode's record from its journal, as far as it went. Raises `TrajectoryError`."""
        try:
            return fold(trajectory_id, self.journal.events(trajectory_id))
        except (ValidationError, KeyError, TypeError, AttributeError) as error:
            raise TrajectoryError(
                f"the journal of {trajectory_id} in {self.run} was not written by this package: "
                f"{type(error).__name__}"
            ) from None

    def recover(self) -> Recovered:
        """Write the records of finished episodes that are only in the journal.

        A journal that makes no record is left alone and named in the result.

        Raises:
            TrajectoryError: a file cannot be read, or a record cannot be written.
        """
        finished, unfinished = unwritten(self.run / "journal", self._index.places())
        unreadable: list[str] = []
        self.append_all(self._foldable(finished, unreadable))
        self._recovered = Recovered(
            torn=self._index.torn,
            folded=tuple(each for each in finished if each not in unreadable),
            unfinished=tuple(unfinished),
            unreadable=tuple(unreadable),
        )
        return self._recovered

    @property
    def recovered(self) -> Recovered:
        """What `recover` did; before that, the torn lines that reading left out."""
        if self._recovered is not None:
            return self._recovered
        self._index.count()
        return Recovered(torn=self._index.torn)

    def news(self) -> list[str]:
        """What `records` leaves out, one sentence each. Raises `TrajectoryError`."""
        said = self.recovered.lines()
        finished, unfinished = unwritten(self.run / "journal", self._index.places())
        if finished:
            said.append(f"finished and only in the journal: {len(finished):,} (see --recover)")
        if unfinished:
            said.append(f"begun and not finished: {len(unfinished):,}")
        return said

    def written_times(self) -> dict[str, str]:
        """When each record was finished or amended, by trajectory id; empty where unknown."""
        return {each: place.written for each, place in self._index.places().items()}

    def _foldable(self, finished: Iterable[str], unreadable: list[str]) -> Iterator[Trajectory]:
        for trajectory_id in finished:
            try:
                yield self.fold(trajectory_id)
            except TrajectoryError:
                unreadable.append(trajectory_id)

    def _read(self, places: Iterable[Place]) -> Iterator[Trajectory]:
        for where, line in self._index.lines(places):
            try:
                yield Trajectory.from_line(line.decode("utf-8", "replace"))
            except TrajectoryError as error:
                raise TrajectoryError(f"{where}: {error}") from None
