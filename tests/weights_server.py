"""A real local HTTP server with the routes by which vLLM takes weights; it can fail at each."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = tuple[int, str]
HEALTHY: Mapping[str, Answer] = {
    "/pause?mode=wait": (200, '{"status": "paused"}'),
    "/collective_rpc": (200, '{"results": [null]}'),
    "/reset_encoder_cache": (200, ""),
    "/reset_prefix_cache": (200, '{"success": true}'),
    "/resume": (200, '{"status": "resumed"}'),
}
NOBODY: Answer = (404, '{"detail": "Not Found"}')


class WeightsServer:
    """A context manager that listens on a free loopback port.

    Args:
        answers: status and body by route; others are not found.
    """

    def __init__(self, answers: Mapping[str, Answer] = HEALTHY) -> None:
        self.asked: list[str] = []
        """Routes in order of arrival."""
        self.bodies: list[Any] = []
        self.keys: list[str | None] = []
        self._answers = answers
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                """Keep the test output clean."""

            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers.get("content-length", 0)))
                outer.asked.append(self.path)
                outer.bodies.append(json.loads(content) if content else None)
                outer.keys.append(self.headers.get("authorization"))
                status, body = outer._answers.get(self.path, NOBODY)
                self.send_response(status)
                self.send_header("content-length", str(len(body.encode())))
                self.end_headers()
                self.wfile.write(body.encode())

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def __enter__(self) -> WeightsServer:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()
