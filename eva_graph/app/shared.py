"""The record of an episode as it leaves the server: with the page's names, not its folders."""

from __future__ import annotations

from pathlib import Path, PurePath

from eva_graph.app.sessions import Session
from eva_graph.errors import TrajectoryError
from eva_graph.trajectory import RunStore, Trajectory
from eva_graph.viewer import write_view

_SHARED = "episode"
_VIEW = "view.html"


def shared_record(session: Session) -> Trajectory:
    """The last question's episode, finished or not; its video is named as on the page.

    Raises:
        TrajectoryError: nothing was recorded yet.
    """
    if session.trajectory_id is None or session.video is None:
        raise TrajectoryError("nothing was asked yet")
    return without_folders(RunStore(session.run).fold(session.trajectory_id), session.video.name)


def without_folders(record: Trajectory, video_name: str) -> Trajectory:
    """The record with names in place of the server's paths."""
    video = record.video.model_copy(update={"path": video_name})
    turns = [
        turn.model_copy(
            update={
                "calls": [
                    call.model_copy(
                        update={
                            "artifacts": [
                                file.model_copy(update={"path": PurePath(file.path).name})
                                for file in call.artifacts
                            ]
                        }
                    )
                    for call in turn.calls
                ]
            }
        )
        for turn in record.turns
    ]
    context = {**record.context, "record": None}
    return record.model_copy(update={"video": video, "turns": turns, "context": context})


def view_page(session: Session) -> Path:
    """The viewer's page about the last question's episode.

    Raises:
        TrajectoryError: nothing was recorded yet, or the page cannot be written.
    """
    store = RunStore(session.run / _SHARED)
    store.append(shared_record(session))
    if not store.frames.root.exists():
        store.frames.root.symlink_to(RunStore(session.run).frames.root.absolute())
    page = store.run / _VIEW
    return write_view([store.run], page, link_frames=False).path
