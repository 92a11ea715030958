"""What each durability mode keeps of a process that is killed in its second look."""

from __future__ import annotations

from pathlib import Path

import pytest
from killed_look import Run

SECOND_LOOK = 3
"""The frame that it stores."""
ASKED = 2
"""Policy calls made when it begins; the whole episode takes three."""


def killed(folder: Path, clip: Path, **settings: object) -> Run:
    database = str(folder / "checkpoints.db")
    run = Run(folder=folder, database=database, video=clip, dies_at_frame=SECOND_LOOK, **settings)  # type: ignore[arg-type]
    assert run.start() is None
    assert run.calls == ASKED
    return run


def test_sync_repeats_the_look_alone(clip: Path, tmp_path: Path) -> None:
    run = killed(tmp_path, clip, durability="sync")
    output = Run(folder=tmp_path, database=run.database).start()
    assert output is not None
    assert output["answer"] == "yellow"
    assert run.calls == 3


@pytest.mark.parametrize(
    ("written", "calls"),
    [
        (None, (3, 4)),  # the database keeps up; at most the last step is on its way
        (9, (4,)),  # it hangs when the first look is in it: the reflection on it is lost
        (3, (5,)),  # it hangs at once: everything is
    ],
)
def test_async_repeats_what_the_database_had_not_taken(
    written: int | None, calls: tuple[int, ...], clip: Path, tmp_path: Path
) -> None:
    run = killed(tmp_path, clip, durability="async", stuck_after=written)
    output = Run(folder=tmp_path, database=run.database).start()
    assert output is not None
    assert output["answer"] == "yellow"
    assert run.calls in calls


def test_exit_keeps_nothing(clip: Path, tmp_path: Path) -> None:
    run = killed(tmp_path, clip, durability="exit")
    assert "nothing_kept" in (Run(folder=tmp_path, database=run.database).start() or {})
    asked_again = Run(folder=tmp_path, database=run.database, video=clip, durability="exit")
    output = asked_again.start()
    assert output is not None
    assert output["answer"] == "yellow"
    assert run.calls == ASKED + 3
