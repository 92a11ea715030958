"""What reaches Gradio at all: the few paths that the page needs, and no file but its uploads.

Gradio's server can do more than this page asks of it: `file=` and `proxy=` fetch any public
address, and an input that carries a file object makes it copy that path, or download that address,
before any function of ours is called (a mounted app does not even check where the path lies).
Everything that is not listed here is 404 before Gradio sees it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import orjson
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from eva_graph.errors import EvaGraphError
from eva_graph_tools.media_root import within

_ALLOWED = re.compile(
    r"""/
    | /(config|theme\.css|favicon\.ico|manifest\.json)
    | /(assets|static|svelte)/[\w./@+-]+
    | /eva/[\w-]+/(frames/[0-9a-f]{64}|trajectory\.json|view\.html)
    | /gradio_api/(queue/join|queue/data|run/predict|cancel|reset|upload|upload_progress)
    | /gradio_api/(startup-events|app_id|heartbeat/\w+)""",
    re.VERBOSE,
)
_JSON_PATHS = frozenset(
    f"/gradio_api/{name}" for name in ("queue/join", "run/predict", "cancel", "reset")
)
_MAX_JSON_BYTES = 256 * 1024
_HEADERS = {
    # Gradio's own page needs inline scripts and `new Function`; nothing may come from elsewhere.
    "Content-Security-Policy": (
        "default-src 'self' 'unsafe-inline' 'unsafe-eval'; img-src 'self' data: blob:; "
        "font-src 'self' data:; media-src 'self' blob:; worker-src 'self' blob:; "
        "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Guard:
    """ASGI middleware around the whole server."""

    def __init__(self, app: ASGIApp, *, uploads: Path) -> None:
        """`uploads` is the one folder whose files a request may name."""
        self._app = app
        self._uploads = uploads.resolve()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what is allowed, with the page's headers on the answer."""
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        if scope["type"] != "http" or not allowed(scope["path"]):
            return await PlainTextResponse("not here", 404)(scope, receive, send)
        if scope["method"] == "POST" and scope["path"] in _JSON_PATHS:
            body = await _read(receive, Headers(scope=scope))
            if body is None or not harmless(body, self._uploads):
                return await PlainTextResponse("refused", 403)(scope, receive, send)
            receive = _again(body, receive)
        return await self._app(scope, receive, _with_headers(send))


def allowed(path: str) -> bool:
    """Whether the page needs a path (as decoded, without its query)."""
    return _ALLOWED.fullmatch(path) is not None and ".." not in path


def harmless(body: bytes, uploads: Path) -> bool:
    """Whether a request is JSON whose file objects all lie in the folder of uploads."""
    try:
        return not _names_other_file(orjson.loads(body), uploads)
    except orjson.JSONDecodeError:
        return False


def _names_other_file(value: Any, uploads: Path) -> bool:
    if isinstance(value, list):
        return any(_names_other_file(one, uploads) for one in value)
    if not isinstance(value, dict):
        return False
    if "path" in value and not _is_upload(value["path"], uploads):
        return True
    return any(_names_other_file(one, uploads) for one in value.values())


def _is_upload(path: object, uploads: Path) -> bool:
    if not isinstance(path, str) or "://" in path:
        return False
    try:
        within(path, uploads)
    except EvaGraphError:
        return False
    return True


async def _read(receive: Receive, headers: Headers) -> bytes | None:
    """The body, or None where it is longer than any of the page's own."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        body += message.get("body", b"")
        if len(body) > _MAX_JSON_BYTES:
            return None
        if not message.get("more_body", False):
            return bytes(body)


def _again(body: bytes, receive: Receive) -> Receive:
    """Gives a body that was read once more, then whatever follows."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers[name] = value
        await send(message)

    return sending
