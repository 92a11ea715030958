"""What `VideoAgent` gives back: the answer, the evidence, the turns, the cost, the record."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eva_graph.dialects.turn import Look, Plan
from eva_graph.errors import TrajectoryError
from eva_graph.state import EvidenceDict, StopReason
from eva_graph.trajectory.schema import Trajectory, TurnRecord, UsageRecord
from eva_graph_tools import Artifact, FrameRef

_LETTERED = re.compile(r"[(\[*]*(?P<letter>\w+)(?P<mark>[)\].:,*]*)\s*(?P<rest>.*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A stretch of the video that the answer rests on, and the frames seen there."""

    start_seconds: float
    end_seconds: float
    frames: tuple[FrameRef, ...]

    @classmethod
    def from_json(cls, data: EvidenceDict) -> Evidence:
        """Read the graph's output form."""
        return cls(
            start_seconds=data["start_seconds"],
            end_seconds=data["end_seconds"],
            frames=tuple(FrameRef.from_json(frame) for frame in data["frames"]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CallMade:
    """One tool call of a turn: asked, applied, shown."""

    tool: str
    requested: Mapping[str, Any]
    applied: Mapping[str, Any] | None
    frames: tuple[FrameRef, ...]
    visual_tokens: int
    notes: tuple[str, ...]
    error: str | None
    text: str = ""
    """Lines that it gave the policy to read."""
    artifacts: tuple[Artifact, ...] = ()
    """Files that it made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One round of the cycle; `reflection` is about this turn's frames."""

    summary: str
    plan: Plan
    calls: tuple[CallMade, ...]
    reflection: str
    text: str = field(repr=False)
    """The whole assistant message."""

    @classmethod
    def from_record(cls, record: TurnRecord) -> Turn:
        """Read a turn of a trajectory record."""
        candidates = tuple(Look(**look.model_dump()) for look in record.plan.candidates)
        calls = tuple(
            CallMade(
                tool=call.tool,
                requested=call.requested,
                applied=call.applied,
                frames=tuple(FrameRef.from_json(frame.ref) for frame in call.frames),
                visual_tokens=call.visual_tokens,
                notes=tuple(call.notes),
                error=call.error,
                text=call.text,
                artifacts=tuple(
                    Artifact(
                        path=Path(file.path),
                        media_type=file.media_type,
                        start_seconds=file.start_seconds,
                        end_seconds=file.end_seconds,
                    )
                    for file in call.artifacts
                ),
            )
            for call in record.calls
        )
        return cls(
            summary=record.summary,
            calls=calls,
            reflection=record.reflection,
            text=record.text,
            plan=Plan(
                text=record.plan.text, candidates=candidates, chosen=tuple(record.plan.chosen)
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """The outcome of one question."""

    answer: str | None
    """The answer's text; with options the letter. None where nothing usable was written."""
    answer_text: str | None
    """With options the text of the chosen one; else the same as `answer`."""
    evidence: tuple[Evidence, ...]
    turns: tuple[Turn, ...]
    stop_reason: StopReason
    error: str | None
    usage: UsageRecord
    trajectory: Trajectory = field(repr=False)
    notice: str | None = None
    """A limit of the policy that the user should know, e.g. nano's."""

    @classmethod
    def from_trajectory(cls, trajectory: Trajectory) -> RunResult:
        """The result that a record describes.

        Raises:
            TrajectoryError: the episode has not ended.
        """
        if trajectory.stop_reason is None:
            raise TrajectoryError(f"episode {trajectory.trajectory_id} has not ended: resume it")
        answer = trajectory.answer
        options = trajectory.options
        letter = chosen_option(answer, options) if answer is not None and options else None
        return cls(
            answer=letter or answer,
            answer_text=options[letter] if letter else answer,
            evidence=tuple(Evidence.from_json(_evidence(item)) for item in trajectory.evidence),
            turns=tuple(Turn.from_record(turn) for turn in trajectory.turns),
            stop_reason=StopReason(trajectory.stop_reason),
            error=trajectory.error,
            usage=trajectory.usage,
            trajectory=trajectory,
            notice=trajectory.notice,
        )


def chosen_option(answer: str, options: Mapping[str, str]) -> str | None:
    """The letter of the option that an answer names, or None.

    In this order: the bare letter ("B", "(b)"), the option's exact text, the letter before
    punctuation ("B. a dog"), the letter before the option's text ("B a dog").
    """
    text = " ".join(answer.split()).rstrip(".").casefold()
    letters = {letter.casefold(): letter for letter in options}
    texts = {
        " ".join(option.split()).rstrip(".").casefold(): key for key, option in options.items()
    }
    bare = text.strip("()[]*.:, ")
    if bare in letters:
        return letters[bare]
    if text in texts:
        return texts[text]
    lead = _LETTERED.match(text)
    if lead is None or lead["letter"] not in letters:
        return None
    letter = letters[lead["letter"]]
    return letter if lead["mark"] or texts.get(lead["rest"]) == letter else None


def _evidence(item: Mapping[str, Any]) -> EvidenceDict:
    return EvidenceDict(
        start_seconds=item["start_seconds"], end_seconds=item["end_seconds"], frames=item["frames"]
    )
