"""Which video a session asks about: one it uploaded, one of the folder, or a sample.

A file is refused where it is not one of these, whatever a request calls it.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path, PurePath

from eva_graph.app.chosen import ChosenVideo, choose
from eva_graph.app.samples import MakeSample
from eva_graph.app.sessions import Session
from eva_graph.errors import InvalidRequest
from eva_graph_tools.errors import UnsupportedMedia
from eva_graph_tools.media_root import within
from eva_graph_tools.video_listing import VideoListing, list_videos

_SEEDS = 1_000_000
_NAME_CHARACTERS = 120
NO_ROOT = (
    "No folder of videos is offered here. The operator sets EVA_GRAPH_MEDIA_ROOT to one, "
    "or starts the page with --media-root."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choosing:
    """Where videos come from. The methods block: call them in a thread."""

    sessions_folder: Path
    """Below it lie uploads and samples."""
    uploads: Path
    """Where Gradio puts an upload before it is taken."""
    media_root: Path | None
    make_sample: MakeSample | None
    timeout_seconds: float
    isolated: bool

    def listing(self) -> VideoListing:
        """The videos of the folder; none where there is no folder."""
        if self.media_root is None:
            return VideoListing(files=(), complete=True)
        return list_videos(self.media_root)

    def from_folder(self, name: object) -> ChosenVideo:
        """A video by its path relative to the media root.

        Raises:
            InvalidRequest: there is no media root.
            ToolError: it lies elsewhere, does not exist, or is no video; one line.
        """
        if self.media_root is None:
            raise InvalidRequest(NO_ROOT)
        if not isinstance(name, str) or not name or PurePath(name).is_absolute():
            raise UnsupportedMedia(f"{name!s:.120}: no such file in the media folder")
        return self._open(within(name, self.media_root), self.media_root, name)

    def from_upload(self, session: Session, path: object) -> ChosenVideo:
        """A file that was just uploaded; it is moved into the session, also where it is broken.

        Raises:
            ToolError: it is no upload, or no video; one line.
        """
        if not isinstance(path, str):
            raise UnsupportedMedia("choose a video file to upload")
        upload = within(path, self.uploads)
        name = upload.name[-_NAME_CHARACTERS:]
        folder = session.fresh_videos()
        taken = upload.rename(folder / f"upload{upload.suffix.lower()[:8]}")
        return self._open(taken, self.sessions_folder, name)

    def sample(self, session: Session) -> ChosenVideo:
        """A video made now.

        Raises:
            InvalidRequest: no package brings samples.
        """
        if self.make_sample is None:
            raise InvalidRequest("no package with sample videos is installed")
        path = session.fresh_videos() / "sample.mp4"
        made = self.make_sample(path, secrets.randbelow(_SEEDS))
        return choose(
            path,
            self.sessions_folder,
            made.name,
            timeout_seconds=self.timeout_seconds,
            isolated=False,
            sample=made,
        )

    def _open(self, path: Path, root: Path, name: str) -> ChosenVideo:
        try:
            return choose(
                path, root, name, timeout_seconds=self.timeout_seconds, isolated=self.isolated
            )
        except UnsupportedMedia as error:
            # The file's own name stands for the one that it has on the server.
            raise UnsupportedMedia(str(error).replace(path.name, name)) from None
