"""An evaluation in the structure of the EVA harness: threads, a Python process for every look.

    python harness_evaluation.py QUESTIONS.jsonl SERVER CONCURRENCY OUT.json

Written from the published description: a thread for each sample; every call starts
`harness_call.py` (decord opened anew, PNG files), whose pictures go to the server as `file://`
addresses, which it reads itself; a call over 12,000 visual tokens is reduced by the cube root of
the excess; six turns at most; the answer is a letter.
"""

import json
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import av
from openai import OpenAI

_SYSTEM = "Use Frame Select Tool to Anlysis the video and generate an answer to the question."
_CALL = re.compile(r"<tool_call>(.*?)</tool_call>", re.DOTALL)
_ANSWER = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)
_MAX_TURNS = 6
_BUDGET_TOKENS = 12_000
_PATCH_PIXELS = 28
_MAX_SHORT_SIDE_PIXELS = 720


def ask(row: dict[str, Any], client: OpenAI, folder: Path) -> str | None:
    """The answer to one question."""
    messages: list[Any] = [
        {"role": "system", "content": _SYSTEM},
        {"role": "user", "content": f"Video Length: 3599 seconds. {row['question']}"},
    ]
    for turn in range(_MAX_TURNS):
        done = client.chat.completions.create(model="scripted", messages=messages, max_tokens=2048)
        text = done.choices[0].message.content or ""
        messages.append({"role": "assistant", "content": text})
        answer = _ANSWER.search(text)
        if answer is not None:
            return answer[1].strip()
        call = _CALL.search(text)
        if call is None:
            return None
        pictures = look(row["video"], json.loads(call[1])["arguments"], folder / str(turn))
        images = [{"type": "image_url", "image_url": {"url": f"file://{p}"}} for p in pictures]
        messages.append({"role": "tool", "content": images})
    return None


def look(video: str, arguments: dict[str, Any], folder: Path) -> list[Path]:
    """The pictures of a look, made by a process of its own."""
    folder.mkdir(parents=True)
    nframes, resize = reduced(*size_of(video), arguments["nframes"], arguments["resize"])
    script = Path(__file__).with_name("harness_call.py")
    values = [arguments["start_time"], arguments["end_time"], nframes, resize]
    command = [sys.executable, script, video, *map(str, values), folder]
    subprocess.run(command, check=True)
    return sorted(folder.glob("*.png"))


@cache
def size_of(video: str) -> tuple[int, int]:
    """Width and height of a video."""
    with av.open(video) as container:
        stream = container.streams.video[0]
        return stream.width, stream.height


def reduced(width: int, height: int, nframes: int, resize: float) -> tuple[int, float]:
    """Frames and factor within the budget, nearly: rounding may go beyond it."""
    if tokens(width, height, nframes, resize) > _BUDGET_TOKENS:
        resize = min(resize, _MAX_SHORT_SIDE_PIXELS / min(width, height))
    excess = tokens(width, height, nframes, resize) / _BUDGET_TOKENS
    if excess > 1:
        nframes, resize = int(nframes * excess ** (-1 / 3)), resize * excess ** (-1 / 3)
    return nframes, resize


def tokens(width: int, height: int, nframes: int, resize: float) -> int:
    """Visual tokens of a look."""
    down, across = (max(1, round(side * resize / _PATCH_PIXELS)) for side in (height, width))
    return nframes * down * across


def main() -> None:
    """Ask everything and write the answers."""
    questions, server, concurrency, out = sys.argv[1:]
    rows = [json.loads(line) for line in Path(questions).read_text().splitlines()]
    client = OpenAI(base_url=server, api_key="none")
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(int(concurrency)) as threads:
        places = [Path(folder) / str(number) for number in range(len(rows))]
        answers = list(threads.map(ask, rows, [client] * len(rows), places))
    Path(out).write_text(json.dumps(answers))


if __name__ == "__main__":
    main()
