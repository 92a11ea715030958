"""A split as files: `questions.jsonl` in the `custom` layout and `videos/` beside it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from string import ascii_uppercase
from typing import Any, Final

from eva_graph_training.world.asking import Question
from eva_graph_training.world.filming import film
from eva_graph_training.world.splits import Episode

QUESTIONS: Final = "questions.jsonl"
VIDEOS: Final = "videos"


def write_split(episodes: Iterable[Episode], out: Path) -> int:
    """Film what is missing and write the questions; how many there are.

    The questions come last and as a whole: where the file is there, every video is.
    """
    lines: list[str] = []
    for episode in episodes:
        video_file(episode, out / VIDEOS)
        lines += [json.dumps(row) for row in rows(episode)]
    fresh = out / f"{QUESTIONS}.part"
    fresh.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    fresh.replace(out / QUESTIONS)
    return len(lines)


def video_file(episode: Episode, folder: Path) -> Path:
    """The video, filmed now where the folder lacks it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / episode.file_name
    if not path.exists():
        film(episode.plot, path)
    return path


def rows(episode: Episode) -> list[dict[str, Any]]:
    """The questions of a video as rows of the `custom` layout."""
    name = Path(episode.file_name).stem
    return [
        {
            "question_id": f"{name}-{question.kind}",
            "video": episode.file_name,
            "question": question.text,
            **_options(question),
            "answer": question.answer,
            "question_type": question.kind,
            "time_reference": [list(stretch) for stretch in question.stretches],
        }
        for question in episode.questions
    ]


def _options(question: Question) -> dict[str, Any]:
    if not question.options:
        return {}
    return {"options": dict(zip(ascii_uppercase, question.options, strict=False))}
