"""Faults of looking. The paper's stage two names three: answering with too little seen, too many
frames in a short window, too few in a long one; the thresholds are ours, no source gives any."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eva_graph_tools import FrameRef, VisualGrid
from eva_graph_training.labels.facts import Facts, Look
from eva_graph_training.labels.rule import Rule, register

_BUDGET_NOTE = "visual tokens"


def known_frames(looks: Sequence[Look]) -> list[int]:
    """For each look, how many of its frames earlier ones had shown, at that size or larger."""
    shown: dict[object, int] = {}
    known: list[int] = []
    for look in looks:
        known.append(sum(shown.get(_moment(frame), 0) >= _area(frame) for frame in look.frames))
        for frame in look.frames:
            shown[_moment(frame)] = max(_area(frame), shown.get(_moment(frame), 0))
    return known


def redundant_look(*, min_known_fraction: float = 0.9) -> Rule:
    """The rule with a threshold of your own."""

    def find(facts: Facts) -> str | None:
        for look, known in zip(facts.looks, known_frames(facts.looks), strict=True):
            if known >= min_known_fraction * len(look.frames):
                return f"{look}: {known} of them had been shown as large before"
        return None

    return Rule(
        name="redundant_look",
        kind="fault",
        meaning=f"At least {min_known_fraction:.0%} of a look's frames had been shown before, at "
        "the same or a larger size.",
        reason="Every look is paid for in context; one that shows nothing new cannot help.",
        find=find,
    )


def dense_short_window(*, max_frames_per_second: float = 2.0, min_frames: int = 32) -> Rule:
    """The rule with thresholds of your own."""

    def find(facts: Facts) -> str | None:
        for look in facts.looks:
            if len(look.frames) >= min_frames and look.frames_per_second > max_frames_per_second:
                return f"{look}: {look.frames_per_second:.1f} frames per second"
        return None

    return Rule(
        name="dense_short_window",
        kind="fault",
        meaning=f"A look of at least {min_frames} frames took more than {max_frames_per_second:g} "
        "a second.",
        reason="Stage two targets too many frames in a short window; the paper's audit of the "
        "teacher asks whether a call implies more than one frame a second. Qwen2.5-VL was trained "
        "on at most two; beyond that neighbours hardly differ. Few frames may lie closer: reading "
        "a quick motion is what a close look is for.",
        find=find,
    )


def sparse_long_window(*, min_window_seconds: float = 120.0, max_spacing: float = 60.0) -> Rule:
    """The rule with thresholds of your own; both in seconds."""

    def find(facts: Facts) -> str | None:
        for index, look in enumerate(facts.looks):
            spacing = look.window_seconds / len(look.frames)
            if look.window_seconds < min_window_seconds or spacing <= max_spacing:
                continue
            if not any(_closer(later, look, max_spacing) for later in facts.looks[index + 1 :]):
                return f"{look}: one in {spacing:.0f} s, and no closer look inside it followed"
        return None

    return Rule(
        name="sparse_long_window",
        kind="fault",
        meaning=f"A look at {min_window_seconds:g} s or more took fewer than one frame in "
        f"{max_spacing:g} s, and no closer look inside that range followed.",
        reason="Stage two targets too few frames in a long window. A sparse scan that leads to a "
        "closer look is the strategy that the paper rewards, so only the last word counts.",
        find=find,
    )


def over_budget() -> Rule:
    """The rule; its threshold is the run's own `look_budget`."""

    def find(facts: Facts) -> str | None:
        if facts.record.stop_reason in ("budget", "context_overflow"):
            return f"the episode spent its {facts.record.stop_reason}"
        for turn in facts.record.turns:
            for call in turn.calls:
                if any(note.endswith(_BUDGET_NOTE) for note in call.notes):
                    return f"turn {turn.turn}, {call.tool}: {call.notes[-1]}"
                cost = _requested_tokens(facts, call.requested)
                budget = facts.record.context.get("look_budget")
                if isinstance(budget, int) and cost is not None and cost > budget:
                    return f"turn {turn.turn}, {call.tool}: {cost} visual tokens were asked for"
        return None

    return Rule(
        name="over_budget",
        kind="fault",
        meaning="A call asked for more visual tokens than one call may cost and was reduced, or "
        "the episode ran out of its visual budget or context.",
        reason="EVA's budget is part of the policy's task: what it plans is then not what it gets.",
        find=find,
    )


def wrong_window(*, tolerance_seconds: float = 1.0) -> Rule:
    """The rule with a tolerance of your own."""

    def find(facts: Facts) -> str | None:
        stretches = facts.record.time_reference
        if not stretches or not facts.looks or not facts.answered:
            return None
        times = [frame.pts_seconds for look in facts.looks for frame in look.frames]
        for start, end in stretches:
            if any(start - tolerance_seconds <= time <= end + tolerance_seconds for time in times):
                return None
        listed = ", ".join(f"{start:g}-{end:g}" for start, end in stretches)
        return f"no frame was shown of {listed} s, where the answer is to be seen"

    return Rule(
        name="wrong_window",
        kind="fault",
        meaning="The record has a time reference, and it answered without a single frame within "
        f"{tolerance_seconds:g} s of it.",
        reason="Temporal grounding that costs nothing to check: LVBench gives a time reference "
        "with every question.",
        find=find,
    )


def _moment(frame: FrameRef) -> object:
    return (frame.video_id, round(frame.pts_seconds, 3), frame.box)


def _area(frame: FrameRef) -> int:
    return frame.width * frame.height


def _closer(later: Look, look: Look, max_spacing: float) -> bool:
    inside = look.start_seconds <= later.start_seconds and later.end_seconds <= look.end_seconds
    spacing = later.window_seconds / len(later.frames)
    return inside and later.window_seconds < look.window_seconds and spacing <= max_spacing


def _requested_tokens(facts: Facts, requested: dict[str, Any]) -> int | None:
    """What the call would have cost; None where its arguments do not tell."""
    nframes, resize = requested.get("nframes"), requested.get("resize", 1.0)
    if type(nframes) is not int or not isinstance(resize, int | float) or "box" in requested:
        return None
    policy, video = facts.record.policy, facts.record.video
    grid = VisualGrid(
        patch_pixels=policy.patch_pixels, min_pixels=policy.min_pixels, max_pixels=policy.max_pixels
    )
    try:
        return grid.estimate(video.width, video.height, resize, nframes)
    except ValueError:
        return None


for _rule in (
    redundant_look(),
    dense_short_window(),
    sparse_long_window(),
    over_budget(),
    wrong_window(),
):
    register(_rule)
