"""Recording a client by hand: what it asks, which frames it sends, how it ends.

    PYTHONPATH=tests python tests/parity/record.py serve FOLDER
    PYTHONPATH=tests python tests/parity/record.py keep FOLDER

`serve` makes `FOLDER/videos` and one annotation file per setting,
`FOLDER/turns-<max_turns>-budget-<look_budget>.jsonl`, and plays the policy until it is interrupted;
what it heard is then in `FOLDER/heard.json`. The client is run meanwhile, by whoever records; its
results go to `FOLDER/results.jsonl`, a line a question: `index`, `stop_reason`, `answer`,
`num_rounds`, `total_tokens`, `estimated_visual_tokens` and its own `score`. `keep` writes both into
`recorded/`.
"""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from parity.clips import clip_file
from parity.held_out import HELD_OUT
from parity.looking import LOOKING
from parity.reading import READING
from parity.scripted_server import ScriptedServer
from parity.situations import Situation
from parity.watching import WATCHING

RECORDED = Path(__file__).parent / "recorded"
SETS: dict[str, Sequence[Situation]] = {
    "reading": READING,
    "looking": LOOKING,
    "watching": WATCHING,
    "held_out": HELD_OUT,
}
RESULT_FIELDS = (
    "stop_reason",
    "answer",
    "num_rounds",
    "total_tokens",
    "estimated_visual_tokens",
    "score",
)


def every_situation() -> list[Situation]:
    """All sets, in the order of their indices."""
    return [one for situations in SETS.values() for one in situations]


def serve(folder: Path) -> None:
    """Make the files and play the policy until interrupted."""
    videos = folder / "videos"
    videos.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.jsonl"):
        old.unlink()
    for index, one in enumerate(every_situation()):
        row = one.row(index, clip_file(one.clip, videos).name)
        asked = folder / f"turns-{one.max_turns}-budget-{one.look_budget}.jsonl"
        with asked.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    with ScriptedServer({one.key: one.script for one in every_situation()}) as server:
        print(server.base_url, flush=True)
        signal.sigwait({signal.SIGINT, signal.SIGTERM})
        (folder / "heard.json").write_text(json.dumps(server.heard), encoding="utf-8")


def keep(folder: Path) -> None:
    """Write what was heard and what the client made of it into `recorded/`."""
    heard = json.loads((folder / "heard.json").read_text(encoding="utf-8"))
    lines = (folder / "results.jsonl").read_text(encoding="utf-8").splitlines()
    results = {row["index"]: row for row in map(json.loads, lines)}
    index = 0
    for name, situations in SETS.items():
        kept: dict[str, Any] = {}
        for one in situations:
            kept[one.name] = {
                "situation": one.facts(),
                "requests": heard.get(one.key, []),
                "result": {field: results[index][field] for field in RESULT_FIELDS},
            }
            index += 1
        (RECORDED / f"{name}.json").write_text(_one_a_line(kept), encoding="utf-8")


def _one_a_line(kept: dict[str, Any]) -> str:
    lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in kept.items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    {"serve": serve, "keep": keep}[sys.argv[1]](Path(sys.argv[2]))
