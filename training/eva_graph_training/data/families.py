"""The prompt families that make a teacher's rollouts diverse, rotated over the attempts.

EVA's SFT data were written under three: past success experiences, hints at workflows, reflective
thinking (arXiv 2603.22918, EVA-SFT; the texts are ours). They guide the teacher alone: see
`eva_graph_training.data.guided` for how they stay out of what a student is trained on.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from eva_graph_training.data.experience import Experience
from eva_graph_training.data.tasks import drawn


class Family(StrEnum):
    """What a teacher is told beside the format."""

    EXPERIENCE = "experience"
    """What worked on similar questions before."""
    WORKFLOW = "workflow"
    """One way, of several, to plan and to pick frames."""
    REFLECTIVE = "reflective"
    """To weigh options and evidence with care."""
    PLAIN = "plain"
    """Nothing, the format neither: for a policy that was trained on it."""


ROTATION: Final = (Family.EXPERIENCE, Family.WORKFLOW, Family.REFLECTIVE)

WORKFLOWS: Final = (
    (
        "Scan the whole video once with many small frames, find the moment, then look at it "
        "closely with few large frames."
    ),
    (
        "If the question names a time or an event, go straight to its neighbourhood; widen the "
        "range only when nothing fits."
    ),
    "Halve the range: look at both halves coarsely, keep the one that matters, and look again.",
    (
        "Before a close look, decide what size the detail needs: text and small objects need full "
        "size, places and actions do not."
    ),
    (
        "For order or counting, cover the range evenly, note the time of each occurrence, then "
        "check the doubtful ones one by one."
    ),
    (
        "Spend few tokens first: the cheapest look that could settle the question comes before the "
        "thorough one."
    ),
)
_REFLECTIVE: Final = (
    "Think before every look: which candidates are there, what would each cost, what would each "
    "rule out? After every look, say in the Reflection what the frames show and what they do not. "
    "If the evidence is not enough, say so plainly and look again; never guess."
)
_EXPERIENCE: Final = "What worked on similar questions about other videos:"


def family_of(key: str, attempt: int, rotation: Sequence[Family]) -> Family:
    """The family of an attempt, counted from 0, at the question of that key.

    Each question begins elsewhere in the rotation: most are solved at once, and all families are
    to have their share of that.
    """
    return rotation[(int.from_bytes(drawn(0, key)[:4]) + attempt) % len(rotation)]


def family_text(family: Family, *, name: str, experiences: Sequence[Experience] = ()) -> str | None:
    """What a family tells the teacher; None where it tells nothing.

    Args:
        family: of the attempt. Without experiences, that family gives a workflow in their place.
        name: of question and attempt; chooses the workflow.
        experiences: the most similar first.
    """
    if family is Family.PLAIN:
        return None
    if family is Family.REFLECTIVE:
        return _REFLECTIVE
    if family is Family.EXPERIENCE and experiences:
        return "\n".join([_EXPERIENCE, *(f"- {each.text}" for each in experiences)])
    return f"Hint: {WORKFLOWS[int.from_bytes(drawn(0, name)[:4]) % len(WORKFLOWS)]}"
