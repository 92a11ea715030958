"""A real local HTTP server in place of LangSmith or an OTLP collector: it keeps every upload."""

from __future__ import annotations

import gzip
import json
import threading
from collections import defaultdict
from collections.abc import Iterator
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

Json = dict[str, Any]


class TraceReceiver:
    """Takes LangSmith runs (`multipart`, or JSON batches) and OTLP spans.

    `bodies` are all uploads, as bytes, without their compression.
    """

    def __init__(self, *, multipart: bool = True) -> None:
        self.bodies: list[bytes] = []
        self.multipart = multipart
        self._uploads: list[tuple[str, str, bytes]] = []
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._http.receiver = self  # type: ignore[attr-defined]
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def __enter__(self) -> TraceReceiver:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def keep(self, path: str, content_type: str, body: bytes) -> None:
        self._uploads.append((path, content_type, body))
        self.bodies.append(body)

    def runs(self) -> list[Json]:
        """LangSmith's runs, in order of their start, beginnings and ends put together."""
        runs: dict[str, Json] = defaultdict(dict)
        for path, content_type, body in self._uploads:
            if path.endswith("/runs/multipart"):
                for name, value in _parts(content_type, body):
                    _, run_id, *field = name.split(".")
                    runs[run_id].update({field[0]: value} if field else value)
            elif path.endswith("/runs/batch"):
                batch = json.loads(body)
                for run in (*batch.get("post", ()), *batch.get("patch", ())):
                    runs[run["id"]].update(_given(run))
        return sorted(runs.values(), key=lambda run: run["dotted_order"])

    def spans(self) -> list[Span]:
        """OTLP spans, in order of their start."""
        spans = [
            span
            for path, _, body in self._uploads
            if path.endswith("/v1/traces")
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]
        return sorted(spans, key=lambda span: span.start_time_unix_nano)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing."""

    def do_GET(self) -> None:
        multipart = self.server.receiver.multipart  # type: ignore[attr-defined]
        limits = {
            "size_limit": 100,
            "size_limit_bytes": 20_000_000,
            "scale_up_qsize_trigger": 1000,
            "scale_up_nthreads_limit": 1,
            "scale_down_nempty_trigger": 4,
            "use_multipart_endpoint": multipart,
        }
        self._answer(json.dumps({"version": "0.12", "batch_ingest_config": limits}).encode())

    def do_POST(self) -> None:
        body = self._body()
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        receiver: TraceReceiver = self.server.receiver  # type: ignore[attr-defined]
        receiver.keep(self.path, self.headers.get("Content-Type", ""), body)
        self._answer(b"{}" if "json" in self.headers.get("Accept", "json") else b"")

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        chunks = []
        while size := int(self.rfile.readline(), 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _parts(content_type: str, body: bytes) -> Iterator[tuple[str, Any]]:
    head = f"Content-Type: {content_type}\r\n\r\n".encode()
    for part in BytesParser(policy=HTTP).parsebytes(head + body).iter_parts():
        name = part.get_param("name", header="Content-Disposition")
        value = json.loads(part.get_payload(decode=True))
        yield str(name), _given(value) if str(name).count(".") == 1 else value


def _given(run: Json) -> Json:
    return {name: value for name, value in run.items() if value is not None}
