"""Runs of any size, made without a policy: real records, real small pictures in a real store."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from eva_graph.trajectory import RunStore, Trajectory
from eva_graph_tools import Frame, FrameStore

DURATION_SECONDS = 3_600.0
OPTIONS = {
    "A": "A red kite",
    "B": "The lighthouse keeper",
    "C": "Two dogs on the pier",
    "D": "Nobody is in sight",
}
STOPS = ("answered", "answered", "answered", "forced", "budget", "no_answer")
QUESTIONS = (
    "Who walks along the pier before the storm begins?",
    "What does the speaker hold up when she explains the second experiment?",
    "How many people are on the boat in the last scene, and what are they doing there?",
    "Which of these is never shown?",
)

HOSTILE = (
    "<script>window.ran = 1</script>",
    '"><img src=x onerror="window.ran = 2">',
    "</script><script>window.ran = 3</script><!--",
    "\u2028<svg onload=window.ran=4>\u2029",
)
"""What a page must show and never run."""


@lru_cache(maxsize=64)
def picture(seconds: float, seed: int, size: tuple[int, int] = (224, 126)) -> np.ndarray[Any, Any]:
    """A scene with sky, ground and grain; every second and seed another one."""
    width, height = size
    rng = np.random.default_rng((seed, round(seconds * 1000)))
    y, x = np.mgrid[0:height, 0:width]
    sky, ground = rng.integers(60, 230, 3), rng.integers(20, 140, 3)
    horizon = height * rng.uniform(0.35, 0.7) + 6 * np.sin(x / rng.uniform(9, 30))
    pixels = np.where((y < horizon)[..., None], sky, ground) * (0.6 + 0.4 * y / height)[..., None]
    for _ in range(5):
        centre, radius = rng.uniform((0, 0), (width, height)), rng.uniform(5, 24)
        inside = (x - centre[0]) ** 2 + (y - centre[1]) ** 2 < radius**2
        pixels[inside] = rng.integers(0, 255, 3)
    pixels += rng.normal(0, 7, pixels.shape)
    return np.clip(pixels, 0, 255).astype(np.uint8)


def make_records(
    store: RunStore, questions: int, *, frames: int = 8, seed: int = 0, distinct: bool = True
) -> Iterator[Trajectory]:
    """Records with `frames` frames each, kept in the run's store.

    Args:
        distinct: every frame another picture; else all questions see the same ones.
    """
    for number in range(questions):
        yield make_record(store.frames, number, frames=frames, seed=seed, distinct=distinct)


def make_run(folder: Path, questions: int, **settings: Any) -> Path:
    """A run directory with that many questions."""
    store = RunStore(folder)
    store.append_all(make_records(store, questions, **settings))
    return folder


def make_record(
    store: FrameStore, number: int, *, frames: int = 8, seed: int = 0, distinct: bool = True
) -> Trajectory:
    """One episode: a scan, a close look that was clamped, and an answer."""
    chance = random.Random(f"{seed} {number}")
    video = "sha256:" + f"{number // 4:064x}"
    wide = frames - frames // 2
    scan = [DURATION_SECONDS * (k + 0.5) / wide for k in range(wide)]
    start = chance.uniform(60, DURATION_SECONDS - 60) if distinct else DURATION_SECONDS / 3
    close = [start + 0.5 * k for k in range(frames // 2)]
    pictures = number if distinct else 0
    shown = [
        [_shown(store, video, time, pictures, snapped=look == 0) for time in times]
        for look, times in enumerate((scan, close))
    ]
    stop = chance.choice(STOPS)
    answer = None if stop == "no_answer" else chance.choice("ABCD")
    turns = [
        _turn(1, shown[0], _select(0, DURATION_SECONDS, len(scan)), chance),
        _turn(2, shown[1], _select(start, close[-1], len(close)), chance),
        _answer_turn(3, answer or "?", chance),
    ]
    calls = [call for turn in turns for call in turn.get("calls", ())]
    prompt = turns[-1]["prompt_tokens"]
    return Trajectory.model_validate(
        {
            "trajectory_id": f"{seed:02d}-{number:06d}",
            "created": "2026-03-01T12:00:00.000000+00:00",
            "finished": "2026-03-01T12:00:09.000000+00:00",
            "video": {
                "video_id": video,
                "path": f"/videos/harbour-{number // 4:03d}.mp4",
                "duration_seconds": DURATION_SECONDS,
                "width": 1280,
                "height": 720,
                "average_fps": 29.97,
                "start_offset_seconds": 0.0,
            },
            "question": f"{QUESTIONS[number % 4]} ({number})",
            "options": OPTIONS,
            "expected": None if number % 9 == 8 else "ABCD"[number % 4],
            "dialect": "eva",
            "tools": ["frame_select"],
            "policy": {
                "name": "scripted",
                "backend": "scripted",
                "patch_pixels": 28,
                "min_pixels": 3136,
                "max_pixels": 12845056,
            },
            "context": {"max_turns": 6, "look_budget": 12000},
            "versions": {"eva-graph": "0.1.0"},
            "messages": [{"role": "user", "content": "…", "id": "m"}],
            "turns": turns,
            "evidence": [
                {
                    "start_seconds": close[0],
                    "end_seconds": close[-1],
                    "frames": [frame["ref"] for frame in shown[1]],
                }
            ]
            if answer
            else [],
            "answer": answer,
            "stop_reason": stop,
            "usage": {
                "policy_calls": 3,
                "requests": 3,
                "prompt_tokens": sum(turn["prompt_tokens"] for turn in turns),
                "completion_tokens": sum(turn["completion_tokens"] for turn in turns),
                "last_prompt_tokens": prompt,
                "visual_tokens": sum(call["visual_tokens"] for call in calls),
                "frames": sum(len(call["frames"]) for call in calls),
                "policy_seconds": sum(turn["seconds"] for turn in turns),
                "look_seconds": sum(call["seconds"] for call in calls),
            },
        }
    )


def hostile(record: Trajectory) -> Trajectory:
    """The record with markup in every text that a file or a policy could put there."""
    script, image, closing, lines = HOSTILE
    value = record.model_dump()
    value |= {"question": f"{script} {closing}", "options": {"A": image, closing: lines}}
    value |= {"answer": closing, "expected": image, "error": image, "notice": script}
    value |= {"labels": [image], "stop_reason": script, "dialect": image, "tools": [script]}
    value |= {"context": {script: image}, "versions": {closing: lines}}
    value["video"]["path"] = f"/videos/{image}/{closing}.mp4"
    value["policy"]["name"] = closing
    value["messages"] = [{"role": script, "content": closing}]
    for turn in value["turns"]:
        turn |= {"summary": closing, "unmarked": image, "reflection": script, "error": lines}
        turn |= {"text": image, "spans": [{"text": closing, "sampled": False}]}
        turn |= {"edited": True, "sampled_calls": [{"tool": script, "arguments": {image: closing}}]}
        turn["plan"] = {"text": script, "candidates": [], "chosen": []}
        for call in turn["calls"]:
            call |= {"tool": script, "requested": {image: closing}, "notes": [closing, lines]}
            call |= {"text": image, "error": script}
    return Trajectory.model_validate(value)


def _shown(
    store: FrameStore, video: str, seconds: float, seed: int, *, snapped: bool
) -> dict[str, Any]:
    frame = Frame(pts_seconds=seconds, requested_seconds=seconds, pixels=picture(seconds, seed))
    ref = store.put(frame, video)
    return {"ref": ref.to_json(), "requested_seconds": seconds - 0.4 * snapped, "snapped": snapped}


def _select(start: float, end: float, nframes: int) -> dict[str, Any]:
    return {"start_time": start, "end_time": end, "nframes": nframes, "resize": 0.5}


def _turn(
    turn: int, frames: list[dict[str, Any]], applied: dict[str, Any], chance: random.Random
) -> dict[str, Any]:
    tokens = 36 * len(frames)
    summary = "Nothing of the video is known yet, only its length of an hour."
    other = {"tool": "frame_select", "arguments": _select(0, 600, 64)}
    plan = {
        "text": "1. … 2. …",
        "candidates": [
            {**other, "estimated_visual_tokens": 2304, "reason": "dense, but only the beginning"},
            {
                "tool": "frame_select",
                "arguments": applied,
                "estimated_visual_tokens": tokens,
                "reason": "cheap, and shows where to look closer",
            },
        ],
        "chosen": [1],
    }
    call = {
        "id": f"c{turn}",
        "tool": "frame_select",
        "requested": {**applied, "end_time": applied["end_time"] + 400 * (turn == 1)},
        "applied": applied,
        "estimated_visual_tokens": tokens,
        "visual_tokens": tokens,
        "notes": ["end_time was clamped to the video's end"] if turn == 1 else [],
        "frames": frames,
        "seconds": chance.uniform(0.05, 0.9),
    }
    text = f"Summary: {summary}\nPlan:\n…\n<tool_call>…</tool_call>"
    return {
        "turn": turn,
        "text": text,
        "spans": [{"text": text, "sampled": True}],
        "outcome": "calls",
        "summary": summary,
        "plan": plan,
        "calls": [call],
        "reflection": "The pier is shown near [00:30]; the rest has to be seen closer.",
        "prompt_tokens": 600 + 900 * turn,
        "completion_tokens": chance.randint(80, 260),
        "seconds": chance.uniform(0.4, 3.0),
    }


def _answer_turn(turn: int, answer: str, chance: random.Random) -> dict[str, Any]:
    text = f"Reflection: That is enough.\n<answer>{answer}</answer>"
    return {
        "turn": turn,
        "text": text,
        "spans": [{"text": text, "sampled": True}],
        "outcome": "answer",
        "prompt_tokens": 600 + 900 * turn,
        "completion_tokens": 40,
        "seconds": chance.uniform(0.2, 1.0),
    }
