"""What the page's links lead to: frames of an episode, its record, the viewer's page about it.

A link holds the session's token and is as good as gone once that page is closed.
"""

from __future__ import annotations

import re
from pathlib import Path

from fastapi import APIRouter, HTTPException
from fastapi.responses import FileResponse, Response

from eva_graph.app.sessions import Session, Sessions
from eva_graph.app.shared import shared_record, view_page
from eva_graph.errors import TrajectoryError

PREFIX = "/eva"
_SHA256 = re.compile(r"[0-9a-f]{64}")
_KINDS = {".jpg": "image/jpeg", ".png": "image/png"}
_PRIVATE = {"Cache-Control": "private, max-age=3600"}


def file_routes(sessions: Sessions) -> APIRouter:
    """Routes below `PREFIX`; an unknown token or name is 404, whatever else may be there."""
    routes = APIRouter(prefix=PREFIX)

    def session_of(token: str) -> Session:
        session = sessions.by_token(token)
        if session is None:
            raise HTTPException(404, "this page was closed")
        return session

    @routes.get("/{token}/frames/{sha256}")
    def frame(token: str, sha256: str) -> FileResponse:
        path = frame_file(session_of(token).run / "frames", sha256)
        if path is None:
            raise HTTPException(404, "no such frame")
        return FileResponse(path, media_type=_KINDS[path.suffix], headers=_PRIVATE)

    @routes.get("/{token}/trajectory.json")
    def trajectory(token: str) -> Response:
        try:
            record = shared_record(session_of(token))
        except TrajectoryError as error:
            raise HTTPException(404, str(error)) from None
        name = f"trajectory-{record.trajectory_id}.json"
        return Response(
            record.to_line() + "\n", media_type="application/json", headers=_download(name)
        )

    @routes.get("/{token}/view.html")
    def view(token: str) -> FileResponse:
        session = session_of(token)
        try:
            page = view_page(session)
        except TrajectoryError as error:
            raise HTTPException(404, str(error)) from None
        name = f"episode-{session.trajectory_id}.html"
        return FileResponse(page, media_type="text/html", headers=_download(name))

    return routes


def frame_file(folder: Path, sha256: str) -> Path | None:
    """The stored frame of a hash; None for what is no hash, or is not there."""
    if _SHA256.fullmatch(sha256) is None:
        return None
    names = (folder / sha256[:2] / f"{sha256}{suffix}" for suffix in _KINDS)
    return next((path for path in names if path.is_file()), None)


def _download(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}"'}
