"""A scripted policy behind a real HTTP server: what it asks to see, and after how long.

    python policy_script.py SECONDS        prints its base address, ends when its input closes

Every question is named `Question N` and gets looks like those of the paper's published traces
(arXiv 2603.22918, figure 1 and the appendix's example): an overview of the whole video at a tenth
of its size, of 128, 64 or 32 frames (the trace has 256 on 110 minutes); then for one question in
three 50 frames of 500 s at full size, for one 100 frames of 50 s at 0.4, for one nothing more: 2.7
turns on average, as published.
The answer is the letter `answer_to(N)`. A reply takes 0.4 s and 10 ms for each image that is new in
the prompt, as a GPU server's prefill and decoding would; that is waiting, not work.
"""

import json
import random
import re
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from looks import Look

LETTERS = "ABCD"
_REPLY_SECONDS = 0.4
_IMAGE_SECONDS = 0.01
_OVERVIEW_FRAMES = (32, 64, 128)
_CLOSER = ((500.0, 50, 1.0), (50.0, 100, 0.4))  # seconds, frames, resize
_NUMBER = re.compile(r"Question (\d+)\b")


def looks_of(number: int, seconds: float) -> list[Look]:
    """The looks of a question at a video of that length."""
    dice = random.Random(number)
    overview = dice.choice(_OVERVIEW_FRAMES)
    looks = [Look(start_seconds=0.0, end_seconds=seconds, nframes=overview, resize=0.1)]
    for kind, (span_seconds, nframes, resize) in enumerate(_CLOSER):
        if number % 3 == kind:
            start = round(dice.uniform(0, max(0.0, seconds - span_seconds)), 1)
            end = min(seconds, start + span_seconds)
            looks.append(Look(start_seconds=start, end_seconds=end, nframes=nframes, resize=resize))
    return looks


def answer_to(number: int) -> str:
    """The letter that the policy answers."""
    return LETTERS[number * 7 % len(LETTERS)]


def reply(messages: list[dict[str, Any]], seconds: float) -> str:
    """The next assistant message."""
    number = number_of(messages)
    looks = looks_of(number, seconds)
    turn = sum(message["role"] == "assistant" for message in messages)
    if turn == len(looks):
        return f"<answer>{answer_to(number)}</answer>"
    look = looks[turn]
    arguments = {
        "start_time": look.start_seconds,
        "end_time": look.end_seconds,
        "nframes": look.nframes,
        "resize": look.resize,
    }
    call = json.dumps({"tool": "frame_select", "arguments": arguments})
    return f"I will look.\n<tool_call>{call}</tool_call>"


def number_of(messages: list[dict[str, Any]]) -> int:
    """Which question a transcript is about. Raises ValueError where it names none."""
    asked = next(message["content"] for message in messages if message["role"] == "user")
    found = _NUMBER.search(json.dumps(asked))
    if found is None:
        raise ValueError("the transcript names no question")
    return int(found[1])


def _new_images(messages: list[dict[str, Any]]) -> int:
    parts = messages[-1]["content"]
    return 0 if isinstance(parts, str) else sum(part["type"] == "image_url" for part in parts)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    seconds = 0.0

    def do_GET(self) -> None:
        self._send({"object": "list", "data": [{"id": "scripted", "object": "model"}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        messages = body["messages"]
        time.sleep(_REPLY_SECONDS + _IMAGE_SECONDS * _new_images(messages))
        message = {"role": "assistant", "content": reply(messages, self.seconds)}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        usage = {"prompt_tokens": 1000, "completion_tokens": 50, "total_tokens": 1050}
        self._send(
            {"id": "1", "object": "chat.completion", "created": 0, "model": "scripted"}
            | {"choices": [choice], "usage": usage}
        )

    def _send(self, content: dict[str, Any]) -> None:
        data = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        pass


def main() -> None:
    """Serve until standard input closes."""
    _Handler.seconds = float(sys.argv[1])
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"http://127.0.0.1:{server.server_address[1]}/v1", flush=True)
    sys.stdin.read()
    server.shutdown()


if __name__ == "__main__":
    main()
