"""A real HTTP server that plays the policy in every parity situation and writes down its client.

It speaks the OpenAI protocol (`openai_server`). Which situation a request belongs to is read from
the question in its first user message; the k-th request about a question gets the k-th step of
the situation's script: a text, a `Reply`, or a `Fault`. Any client may talk to it: images are taken
from `data:` and from `file://` URLs, and written down as the number that the picture carries and
its size in pixels.
"""

from __future__ import annotations

import base64
import io
import threading
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np
from numbered_video import number_of
from openai_server import Fault, Json, Line, OpenAIServer, Reply, Traits
from PIL import Image

CONTEXT_TOKENS = 2_048
"""Announced, and too few: the harness does not care."""
READABLE_PIXELS = 28
"""A picture of fewer columns or rows does not tell its number."""

Step = Line | Fault


class ScriptedServer(OpenAIServer):
    """Plays scripts by question; a context manager that listens on a loopback port.

    `heard[question]` holds what each turn of that conversation sent first: see `written`. What is
    sent again for the same turn (retries) is counted in `asked[question]` alone.
    """

    def __init__(self, scripts: Mapping[str, Sequence[Step]]) -> None:
        super().__init__(self._reply, traits=Traits(context_tokens=CONTEXT_TOKENS))
        self.heard: dict[str, list[Json]] = defaultdict(list)
        self.asked: dict[str, int] = defaultdict(int)
        self._scripts = dict(scripts)
        self._turns: dict[str, list[Json]] = defaultdict(list)
        self._writing = threading.Lock()

    def record(self, path: str, body: Json | None) -> Fault:
        """Note a request and say how to fail it."""
        super().record(path, body)
        if body is None:
            return Fault.NONE
        question = self._question(body)
        with self._writing:
            self.asked[question] += 1
            earlier = self._turns[question]
            if not earlier or _turn(body) > _turn(earlier[-1]):
                self.heard[question].append(written(body, earlier[-1] if earlier else None))
                earlier.append(body)
        step = self._step(question)
        return step if isinstance(step, Fault) else Fault.NONE

    def _reply(self, body: Json) -> Line:
        step = self._step(self._question(body))
        assert isinstance(step, str | Reply)
        return step

    def _step(self, question: str) -> Step:
        script = self._scripts[question]
        return script[min(self.asked[question], len(script)) - 1]

    def _question(self, body: Json) -> str:
        text = next(message["content"] for message in body["messages"] if message["role"] == "user")
        return next(question for question in self._scripts if text.endswith(f" {question}"))


def _turn(body: Json) -> int:
    return sum(message["role"] == "assistant" for message in body["messages"])


def written(body: Json, before: Json | None) -> Json:
    """What a request says: its sampling fields, and the messages that an earlier one had not."""
    known = before["messages"] if before else []
    assert body["messages"][: len(known)] == known, "a client changed what it had sent"
    return {
        "model": body["model"],
        "temperature": body["temperature"],
        "max_tokens": body["max_tokens"],
        "added": [
            {"role": message["role"], "content": _content(message["content"])}
            for message in body["messages"][len(known) :]
        ],
    }


def _content(content: str | list[Json]) -> Any:
    if isinstance(content, str):
        return content
    return [part["text"] if part["type"] == "text" else _image(part) for part in content]


def _image(part: Json) -> Json:
    image = Image.open(io.BytesIO(_bytes(part["image_url"]["url"]))).convert("RGB")
    readable = min(image.size) >= READABLE_PIXELS
    return {
        "frame": number_of(np.asarray(image)) if readable else None,
        "size": [image.width, image.height],
    }


def _bytes(url: str) -> bytes:
    if url.startswith("data:"):
        return base64.b64decode(url.partition("base64,")[2])
    return Path(unquote(urlsplit(url).path)).read_bytes()
