"""What a server of the agent reads and writes: its operator says where, none of its clients does.

A client names a video by its path below the media root, and may change any state and any knob of
its runs. So nothing that comes from it is taken for a path anywhere else: every file is opened
through `ServedVideos`, and what is recorded goes where `ServedRecorders` was told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from os import PathLike
from pathlib import Path

from eva_graph.errors import InvalidRequest
from eva_graph.trajectory.recorder import Recorder, Recorders
from eva_graph.videos import OpenVideos
from eva_graph_tools import FrameStore, Video
from eva_graph_tools.media_root import within

MEDIA_ROOT_VARIABLE = "EVA_GRAPH_MEDIA_ROOT"


def media_root(environment: Mapping[str, str]) -> Path | None:
    """The folder that `EVA_GRAPH_MEDIA_ROOT` names; None where it is unset or empty.

    Raises:
        InvalidRequest: there is no such folder.
    """
    named = environment.get(MEDIA_ROOT_VARIABLE)
    if not named:
        return None
    folder = Path(named).expanduser()
    if not folder.is_dir():
        raise InvalidRequest(f"{MEDIA_ROOT_VARIABLE}={named}: no such folder")
    return folder.resolve()


class ServedVideos(OpenVideos):
    """Videos of clients: only files below one folder, by relative or absolute path.

    Args:
        root: the folder; None refuses every file and says how to name one.
        isolated: read files in worker processes with limits.
        timeout_seconds: how long opening may take; None leaves it to `Video.open`.
    """

    def __init__(
        self,
        root: str | PathLike[str] | None,
        *,
        isolated: bool = True,
        timeout_seconds: float | None = None,
    ) -> None:
        super().__init__(isolated=isolated, media_root=root, timeout_seconds=timeout_seconds)
        self.root = root

    @contextmanager
    def use(self, path: str, subtitles: str | None = None) -> Iterator[Video]:
        """See `OpenVideos`.

        Raises:
            InvalidRequest: there is no media root.
            ToolError: no such file below it (one refusal for all: missing, elsewhere, reached by
                `..` or a link that leaves it, an address), or it cannot be opened; one line.
        """
        if self.root is None:
            raise InvalidRequest(
                f"no video is opened: set {MEDIA_ROOT_VARIABLE} to the folder that holds the "
                "videos, where the server is started, and start it again"
            )
        file = str(within(path, self.root))
        sidecar = None if subtitles is None else str(within(subtitles, self.root))
        with super().use(file, sidecar) as video:
            yield video


class ServedRecorders(Recorders):
    """Recorders of clients' runs: all in one run directory, or unrecorded; never where they say.

    Args:
        run: the run directory; None records nothing.
        frames: where frames of unrecorded runs go; None for the user's cache.
    """

    def __init__(self, run: str | PathLike[str] | None, frames: FrameStore | None = None) -> None:
        super().__init__(frames)
        self._run = None if run is None else str(Path(run).expanduser().absolute())

    def of(self, run: str | None, thread_id: str) -> Recorder:
        """See `Recorders`. Raises `InvalidRequest` where a client names a run directory."""
        if run is not None:
            raise InvalidRequest("record is not a client's to choose: the server's operator does")
        return super().of(self._run, thread_id)
