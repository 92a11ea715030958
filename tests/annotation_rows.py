"""Rows of the tests' own in the layouts of the six benchmarks, all asking the same two questions.

`unified` is the released harness's layout; `published` each set's own.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

STEM = "Which colour does the door have?"
TEXTS = ["Red", "Green", "Blue", "White"]
OPTIONS = dict(zip("ABCD", TEXTS, strict=True))
PROMPTS = {
    "videomme": f"{STEM}\nA. Red\nB. Green\nC. Blue\nD. White",
    "longvideobench": (
        f"{STEM}\nA. Red\nB. Green\nC. Blue\nD. White\n"
        "Answer with the option's letter from the given choices directly."
    ),
    "mlvu": (
        "Carefully watch this video and pay attention to every detail. Based on your observations, "
        "select the best option that accurately addresses the question."
        f"Question: {STEM}\nOptions:\n(A) Red\n(B) Green\n(C) Blue\n(D) White\n"
        "Only give the best option."
    ),
    "lsdbench": f"{STEM}\\nA: Red\\nB: Green\\nC: Blue\\nD: White",
    "videoholmes": f"{STEM}\nA. Red\nB. Green\nC. Blue\nD. White",
    "lvbench": f"{STEM}\\n(A) Red\\n(B) Green\\n(C) Blue\\n(D) White",
}
"""What the released harness asks."""

_LVBENCH = {
    "uid": "7",
    "question": f"{STEM}\n(A) Red\n(B) Green\n(C) Blue\n(D) White",
    "answer": "C",
    "question_type": ["entity recognition", "reasoning"],
    "time_reference": "00:15-61:19",
}
PUBLISHED: dict[str, list[dict[str, Any]]] = {
    "videomme": [
        {
            "video_id": "001",
            "duration": "short",
            "videoID": "door",
            "question_id": "001-1",
            "task_type": "Attribute Perception",
            "question": STEM,
            "options": ["A. Red", "B. Green", "C. Blue", "D. White"],
            "answer": "C",
        }
    ],
    "longvideobench": [
        {
            "video_id": "door",
            "question": STEM,
            "candidates": TEXTS,
            "correct_choice": 2,
            "question_category": "S2A",
            "id": "door_0",
            "video_path": "door.mp4",
            "subtitle_path": "door_en.srt",
            "duration_group": 600,
        }
    ],
    "mlvu": [
        {
            "video": "door.mp4",
            "duration": 480,
            "question": STEM,
            "candidates": TEXTS,
            "answer": "Blue",
            "question_type": "plotQA",
        }
    ],
    "lsdbench": [
        {
            "question": STEM,
            "options": OPTIONS,
            "correct_answer": "C",
            "original_answer": "It is blue.",
            "time_range": {"start": "00:49:00", "end": "00:52:00"},
            "video_id": "door",
        }
    ],
    "videoholmes": [
        {
            "video ID": "door",
            "Question ID": 12,
            "Question Type": "SR",
            "Question": STEM,
            "Options": OPTIONS,
            "Answer": "C",
            "Explanation": "One sees it.",
        }
    ],
    "lvbench": [{"key": "door", "type": "cartoon", "video_info": {"fps": 25}, "qa": [_LVBENCH]}],
}
FLAT_LVBENCH = {"key": "door", "type": "cartoon", **_LVBENCH}
"""As its parquet has it."""


def unified(benchmark: str, answer: str = "C", video: str = "door.mp4", **extra: Any) -> Any:
    """A row of the released harness."""
    return {
        "videos": [video],
        "prompt": [{"role": "user", "content": PROMPTS[benchmark]}],
        "reward_model": {"style": "rule", "ground_truth": answer, "reward_fn": "video_crop"},
        "index": 0,
        **extra,
    }


def write_lines(path: Path, rows: list[Any]) -> Path:
    """One JSON document a line."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def videos_below(folder: Path, *names: str) -> Path:
    """A folder with files of these names; loaders look at names only."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    folder.mkdir(exist_ok=True)
    return folder
