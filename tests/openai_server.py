"""A real local HTTP server that speaks the OpenAI chat-completions protocol from a script.

    with OpenAIServer(["<tool_call>…</tool_call>", "<answer>A</answer>"]) as server:
        policy = OpenAIPolicy(server.base_url)
        …
    server.requests                 # bodies of the chat requests, in order of arrival
    server.bodies                   # the same as bytes
    images_of(server.requests[1])   # [("tool", b"\\xff\\xd8…"), …]: role and bytes of every image

Line `k` of the script answers a transcript with `k` finished assistant messages, so conversations
side by side do not mix; a function of the request body may stand in its place. Honoured are
`continue_final_message` (the rest of line `k` after what the last message holds), `stop` and
`structured_outputs.regex` (the longest beginning of the rest that matches). Token ids are the UTF-8
bytes of the transcript: those of a later prompt begin with the earlier prompt and completion.
An image counts as the word `<image>` unless `Traits.render_image` says otherwise.
`Traits` says what the server refuses or ignores; `faults` break chat requests, one each, the last
for ever.
"""

from __future__ import annotations

import base64
import itertools
import json
import re
import socket
import threading
from collections.abc import Callable, Sequence
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from openai_replies import END_OF_TURN, Json, Reply, Traits, completion, rendered

__all__ = [
    "END_OF_TURN",
    "Fault",
    "Line",
    "OpenAIServer",
    "Reply",
    "Traits",
    "images_of",
    "rendered",
    "unused_address",
]
CONTINUATION_FIELDS = {"continue_final_message", "structured_outputs"}


class Fault(StrEnum):
    """A way to fail."""

    NONE = "answers"
    HANG = "accepts the request and says nothing"
    CUT = "breaks off in the middle of the body"
    ERROR_500 = "500"
    BUSY_429 = "429 with Retry-After: 0"
    HTML = "a web page"
    INVALID_JSON = "half a JSON object under its right length"
    NESTED = "brackets without end"
    INVALID_UTF8 = "bytes that are no text"
    EMPTY_CHOICES = "no choices"
    NO_MESSAGE = "a choice without a message"
    NULL_CONTENT = "neither content nor tool calls"
    OVERFLOW = "400: longer than the context"
    REFUSED_400 = "400: something in the request"


_REFUSALS = {
    Fault.OVERFLOW: "This model's maximum context length is 4096 tokens. However, …",
    Fault.REFUSED_400: "an image of this request cannot be processed",
}


Line = str | Reply


BODIES = {
    Fault.HTML: b"<!doctype html><title>Welcome</title>",
    Fault.INVALID_JSON: b'{"choices": [{"mess',
    Fault.NESTED: b"[" * 200_000,
    Fault.INVALID_UTF8: b'{"choices": [{"message": {"content": "\xff\xfe"}}]}',
    Fault.EMPTY_CHOICES: b'{"choices": []}',
    Fault.NO_MESSAGE: b'{"choices": [{"finish_reason": "stop"}]}',
    Fault.NULL_CONTENT: b'{"choices": [{"message": {"content": null}, "finish_reason": "stop"}]}',
}
"""What is answered with 200 by faults that answer."""


class OpenAIServer:
    """The server; a context manager that listens on a free loopback port."""

    def __init__(
        self,
        script: Sequence[Line] | Callable[[Json], Line] = ("<answer>A</answer>",),
        *,
        traits: Traits | None = None,
        faults: Fault | Sequence[Fault] = Fault.NONE,
    ) -> None:
        self.traits = traits or Traits()
        self.requests: list[Json] = []
        self.bodies: list[bytes] = []
        self.paths: list[str] = []
        self.released = threading.Event()
        self.media: dict[str, str] = {}
        self.prompts: list[str] = []
        self._script = script
        self._faults = [faults] if isinstance(faults, Fault) else list(faults)
        self._lock = threading.Lock()
        self._http = _Listener(("127.0.0.1", 0), _Handler)
        self._http.scripted = self
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    def __enter__(self) -> OpenAIServer:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.released.set()
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def record(self, path: str, body: Json | None) -> Fault:
        """Note a request and say how to fail it."""
        with self._lock:
            self.paths.append(path)
            if body is None:
                return Fault.NONE
            self.requests.append(body)
            return self._faults[min(len(self.requests), len(self._faults)) - 1]

    def refusal(self, body: Json) -> str | None:
        """What the server finds wrong with a request."""
        traits, messages = self.traits, body["messages"]
        parts = [p for m in messages if isinstance(m["content"], list) for p in m["content"]]
        for part in parts:
            if part["type"] == "image_url" and not part["image_url"]:
                if not (traits.keeps_media and part.get("uuid") in self.media):
                    return "image_url: Input should be a valid dictionary"
                part["image_url"] = {"url": self.media[part["uuid"]]}
            elif part["type"] == "image_url" and "uuid" in part:
                self.media[part["uuid"]] = part["image_url"]["url"]
        named = [f for f in traits.refused_fields if f in body or any(f in p for p in parts)]
        if named:
            return f"Unrecognized request argument supplied: {named[0]}"
        if body.get("stream"):
            return "this server does not stream"
        if body.get("tools") and not traits.tools:
            return '"auto" tool choice requires --enable-auto-tool-choice to be set'
        if not traits.continuation and body.keys() & CONTINUATION_FIELDS:
            return "extra fields not permitted"
        if not traits.tool_images and any(role == "tool" for role, _ in images_of(body)):
            return "Invalid content type: image_url is only supported in messages with role 'user'"
        if not traits.bare_tool_messages and any(
            after["role"] == "tool" and before["role"] != "tool" and not before.get("tool_calls")
            for before, after in itertools.pairwise(messages)
        ):
            return "messages with role 'tool' must be a response to a preceding 'tool_calls'"
        return None

    def reply(self, body: Json) -> Reply:
        """The scripted answer, cut as the request asks."""
        begun = body["messages"][-1]["content"] if body.get("continue_final_message") else ""
        if callable(self._script):
            line = self._script(body)
        else:
            finished = sum(m["role"] == "assistant" for m in body["messages"]) - bool(begun)
            line = self._script[finished]
        reply = Reply(text=line) if isinstance(line, str) else line
        if reply.text is None:
            return reply
        text = reply.text.removeprefix(begun)
        pattern = body.get("structured_outputs", {}).get("regex")
        if pattern is not None:
            match = re.match(pattern, text)
            assert match, f"the script's {text!r} does not begin with {pattern!r}"
            text = match.group()
        for stop in body.get("stop") or ():
            text = text.partition(stop)[0]
        return Reply(text=text, calls=reply.calls, finish_reason=reply.finish_reason)


def images_of(body: Json) -> list[tuple[str, bytes]]:
    """Role and bytes of every image of a recorded request, in order."""
    return [
        (message["role"], base64.b64decode(part["image_url"]["url"].partition("base64,")[2]))
        for message in body["messages"]
        if isinstance(message["content"], list)
        for part in message["content"]
        if part["type"] == "image_url"
    ]


def unused_address() -> str:
    """A base URL on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/v1"


class _Listener(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = False
    scripted: OpenAIServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that gave up is no news."""


class _Handler(BaseHTTPRequestHandler):
    server: _Listener

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Keep the test output clean."""

    def do_GET(self) -> None:
        scripted = self.server.scripted
        scripted.record(self.path, None)
        traits = scripted.traits
        entry = {"id": traits.model, "object": "model", "owned_by": traits.owned_by}
        if traits.root is not None:
            entry["root"] = traits.root
        if traits.context_tokens is not None:
            entry["max_model_len"] = traits.context_tokens
        self._send(200, {"object": "list", "data": [entry]})

    def do_POST(self) -> None:
        scripted = self.server.scripted
        content = self.rfile.read(int(self.headers["content-length"]))
        body = json.loads(content)
        for name in scripted.traits.ignored_fields:
            body.pop(name, None)
        fault = scripted.record(self.path, body)
        scripted.bodies.append(content)
        if fault is not Fault.NONE:
            self._fail(fault)
        elif (refusal := scripted.refusal(body)) is not None:
            self._error(400, refusal)
        else:
            reply = scripted.reply(body)
            answer = completion(scripted.traits, body, reply, scripted.prompts)
            self._send(200, scripted.traits.distort(answer))

    def _fail(self, fault: Fault) -> None:
        match fault:
            case Fault.HANG:
                self.server.scripted.released.wait()
            case Fault.CUT:
                self._bytes(200, b'{"choices": [{"mess', announced=4_000)
            case Fault.ERROR_500:
                self._error(500, "EngineDeadError")
            case Fault.BUSY_429:
                self._error(429, "too many requests", {"Retry-After": "0"})
            case Fault.OVERFLOW | Fault.REFUSED_400:
                self._error(400, _REFUSALS[fault])
            case _:
                kind = "text/html" if fault is Fault.HTML else "application/json"
                self._bytes(200, BODIES[fault], kind=kind)

    def _error(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        error = {"message": message, "type": "BadRequestError", "code": status}
        self._send(status, {"error": error}, headers)

    def _send(self, status: int, body: Json, headers: dict[str, str] | None = None) -> None:
        self._bytes(status, json.dumps(body).encode(), headers=headers)

    def _bytes(
        self,
        status: int,
        content: bytes,
        *,
        kind: str = "application/json",
        announced: int | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(announced or len(content)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)
