"""The contract of a dialect: how a question, a look and an error are written and a turn is read.

A dialect is pure: it never decodes, waits or calls. It also owns how requested arguments become
applied ones under the look budget, because the reference profile keeps the released harness's
arithmetic.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from langchain_core.messages import AnyMessage

from eva_graph.dialects.turn import Outcome, ToolCall, TurnParts
from eva_graph.policy.protocol import NativeCall
from eva_graph_tools import Artifact, FrameRef, Tool, ToolOutput, Video, VideoInfo, VisualGrid

Closing = Literal["continue", "answer_now"]
"""How a look's message ends: looks remain, or this was the last permitted one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked: the text and, for multiple choice, the options by letter."""

    text: str
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def prompt(self) -> str:
        """The question as the policy reads it, options and the usual instruction included."""
        if not self.options:
            return self.text.strip()
        lines = [f"{letter}. {text}" for letter, text in self.options.items()]
        ask = "Answer with the option's letter from the given choices directly."
        return "\n".join([self.text.strip(), *lines, ask])


class PreparedCall(Protocol):
    """A call after the budget: what will run, what it will cost, what was changed."""

    @property
    def applied(self) -> dict[str, Any]:
        """Arguments that will run, as JSON."""
        ...

    @property
    def estimated_visual_tokens(self) -> int:
        """Cost of the applied arguments."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What differs from the request, one short sentence each, for the policy."""
        ...

    @property
    def text_tokens(self) -> int:
        """At most how many tokens of text the look writes, labels aside."""
        ...

    def key(self, video_id: str) -> str | None:
        """What the look's result depends on (`look_key`); None: it is taken anew every time."""
        ...

    def run(
        self, video: Video, *, timeout_seconds: float | None, artifacts: Path | None
    ) -> ToolOutput:
        """Look. Raises `ToolError`."""
        ...

    def clock(self, nframes: int) -> tuple[int, ...] | None:
        """The reference harness's own label seconds, or None for the frames' true times."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CallResult:
    """One executed call: stored frames, or the error that is told to the policy."""

    call: ToolCall
    applied: dict[str, Any] | None = None
    estimated_visual_tokens: int = 0
    visual_tokens: int = 0
    """What the frames really cost."""
    notes: tuple[str, ...] = ()
    frames: tuple[FrameRef, ...] = ()
    text: str = ""
    """Lines for the policy to read before the frames."""
    artifacts: tuple[Artifact, ...] = ()
    cached: bool = False
    requested_seconds: tuple[float, ...] = ()
    snapped: tuple[bool, ...] = ()
    clock: tuple[int, ...] | None = None
    error: str | None = None
    seconds: float = 0.0


class Dialect(Protocol):
    """One way to write and read turns."""

    name: str
    """`eva/corrected`, `eva/reference` or `native`; goes into the record."""
    default_tools: tuple[str, ...] | None
    """Tools offered unless the caller chooses; None means every available one."""
    repairs: bool
    """Whether errors are told back and the last permitted look asks for the answer (corrected)."""
    native_tools: bool
    """Whether tool schemas go to the server and calls come back parsed."""

    def system_text(self, tools: Sequence[Tool], grid: VisualGrid, look_budget: int) -> str:
        """The system message."""
        ...

    def user_text(self, question: Question, info: VideoInfo) -> str:
        """The first user message; the only thing known before the first plan."""
        ...

    def read(
        self, text: str, *, truncated: bool, native_calls: Sequence[NativeCall] = ()
    ) -> Outcome:
        """The outcome of a turn. Never raises for what a policy wrote."""
        ...

    def parts(self, text: str) -> TurnParts:
        """The prose parts of a turn."""
        ...

    def prepare(
        self,
        call: ToolCall,
        *,
        tools: Mapping[str, Tool],
        info: VideoInfo,
        grid: VisualGrid,
        look_budget: int,
    ) -> PreparedCall:
        """Put one call within the budget. Raises `ToolError` with text for the policy."""
        ...

    def assistant(
        self, text: str, native_calls: Sequence[NativeCall], message_id: str
    ) -> AnyMessage:
        """The assistant message as it enters the transcript."""
        ...

    def reply(
        self,
        results: Sequence[CallResult],
        *,
        question: Question,
        closing: Closing,
        message_id: str,
    ) -> list[AnyMessage]:
        """The message or messages that show a look's frames, or its errors."""
        ...

    def complain(
        self,
        error: str,
        *,
        call_ids: Sequence[str],
        question: Question,
        closing: Closing,
        message_id: str,
    ) -> list[AnyMessage]:
        """The message that tells a malformed turn's error back."""
        ...

    def with_calls(self, text: str, calls: Sequence[ToolCall]) -> str:
        """`text` with its calls replaced: how a person's edit is written."""
        ...
