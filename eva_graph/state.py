"""What flows through the graph: public input and output, private state, per-run knobs.

State holds plain JSON and messages with frame references: never pixels, token ids or live
objects, so that any checkpointer can keep it and a person can edit it.
"""

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Literal, NotRequired, TypedDict

from langchain_core.messages import AnyMessage
from langgraph.channels import EphemeralValue
from langgraph.graph.message import add_messages

from eva_graph.dialects.turn import ToolCall
from eva_graph.errors import InvalidRequest
from eva_graph.known import Reference


class StopReason(StrEnum):
    """Why an episode ended; `answer` is set for the first four alone."""

    ANSWERED = "answered"
    """The policy answered of its own accord."""
    FORCED = "forced"
    """The policy answered when its last permitted turn asked for it."""
    BUDGET = "budget"
    """The policy answered when the episode's visual budget was spent."""
    CONTEXT_OVERFLOW = "context_overflow"
    """The context was about to overflow (then it answered), or the server said so (it did not)."""
    NO_ANSWER = "no_answer"
    """The policy did not answer in the turn where it had to."""
    TRUNCATED = "truncated"
    """The token limit cut a message before its answer or call was complete."""
    POLICY_ERROR = "policy_error"
    """The policy's server or model failed; `error` says how."""
    MAX_TURNS = "max_turns_exceeded"
    """Reference profile: the last turn still called a tool."""
    NO_CALL = "no_answer_no_tool_call"
    """Reference profile: a turn with neither answer nor call."""
    NO_VALID_CALL = "no_valid_tool_call"
    """Reference profile: a call block in which no call can be read."""
    TOOL_ERROR = "tool_error"
    """Reference profile: every call of a turn failed, or the harness would have raised."""


class EvidenceDict(TypedDict):
    """One stretch of video that the answer rests on; JSON."""

    start_seconds: float
    end_seconds: float
    frames: list[dict[str, Any]]
    """`FrameRef.to_json()` of each frame, in time order."""


class Span(TypedDict):
    """A stretch of an assistant message; `sampled` is false for a heading that we injected."""

    text: str
    sampled: bool


class Draft(TypedDict):
    """The assistant message that the nodes are taking their parts from."""

    text: str
    spans: list[Span]
    native_calls: list[dict[str, str]]
    """`id`, `name`, `arguments` of calls that a server parsed (`native` dialect)."""
    finish_reason: str
    policy_calls: int
    complete: bool
    """False while nodes still write their own parts (`calls="phase"`)."""
    prompt_tokens: int | None
    completion_tokens: int | None
    cached_tokens: int | None
    requests: int
    seconds: float
    images_in: str


class Spent(TypedDict):
    """What the episode has used so far."""

    turns: int
    frames: int
    visual_tokens: int
    context_tokens: int
    """Tokens of the transcript: counted by the policy up to its last message, estimated after."""


class AgentInput(TypedDict):
    """What a caller gives."""

    video: str
    """Path of the video file."""
    question: str
    options: NotRequired[dict[str, str] | list[str] | None]
    """For multiple choice, as a list or by letter."""
    subtitles: NotRequired[str | None]
    """Path of a subtitle file (.srt, .vtt, .ass); those beside the video are found without it."""


class AgentOutput(TypedDict):
    """What a caller gets back: small and JSON."""

    answer: str | None
    evidence: list[EvidenceDict]
    stop_reason: str
    trajectory_id: str


class AgentState(TypedDict, total=False):
    """Private state; the table in the docs says which node writes which key."""

    video: str
    question: str
    options: Annotated[dict[str, str] | list[str] | None, EphemeralValue]
    subtitles: Annotated[str | None, EphemeralValue]
    """Summary moves these two to `choices` and `subtitle_file`. The next question inherits neither,
    not even where summary failed."""
    video_id: str
    """Content of the video as summary found it; a look at another one is refused."""
    choices: dict[str, str]
    """The options of this episode by letter, written by summary."""
    subtitle_file: str | None
    """The subtitle file of this episode, written by summary."""
    tools: list[str]
    """Names of the tools that this video can be looked at with, written by summary."""
    trajectory_id: str
    messages: Annotated[list[AnyMessage], add_messages]
    turn: int
    draft: Draft
    calls: list[ToolCall]
    spent: Spent
    forced: str | None
    """Why the next turn has to answer: a `StopReason` value."""
    evidence: list[EvidenceDict]
    answer: str | None
    stop_reason: str | None
    error: str | None


class NextRound(AgentState, total=False):
    """What reflection sends to summary where the episode goes on; no state of the graph."""

    goes_on: bool


@dataclass(frozen=True, kw_only=True)
class Context:
    """Per-run knobs; JSON-able, every field defaulted.

    Raises `InvalidRequest` for values that make no sense.
    """

    max_turns: int = 6
    """Assistant turns, the answering one included (the released harness's limit)."""
    max_new_tokens: int = 2048
    """New tokens a turn."""
    temperature: float = 0.0
    seed: int | None = None
    look_budget: int = 12_000
    """Visual tokens of one call; a larger look is reduced (EVA's rule)."""
    episode_visual_budget: int | None = None
    """Visual tokens of the whole run; when they are spent the policy has to answer."""
    calls: Literal["turn", "phase"] = "turn"
    """`turn`: one policy call writes a whole turn. `phase`: each node makes its own call."""
    record: str | None = None
    """Run directory that keeps the trajectory and its frames; None keeps frames in a cache."""
    reference: Reference | None = None
    """What is known of the right answer: for the record alone, the policy never sees it."""
    look_timeout_seconds: float = 300.0
    """How long one call may take; a late one is an error that is told to the policy."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "reference", Reference.of(self.reference))
        for name in ("max_turns", "max_new_tokens", "look_budget"):
            _check_count(name, getattr(self, name))
        if self.episode_visual_budget is not None:
            _check_count("episode_visual_budget", self.episode_visual_budget)
        if not (_is_number(self.temperature) and 0 <= self.temperature < math.inf):
            raise InvalidRequest(f"temperature must be 0 or more, not {self.temperature!r}")
        if not isinstance(self.seed, int | None) or isinstance(self.seed, bool):
            raise InvalidRequest(f"seed must be a whole number, not {self.seed!r}")
        timeout = self.look_timeout_seconds
        if not (_is_number(timeout) and 0 < timeout < math.inf):
            raise InvalidRequest(f"look_timeout_seconds must be above 0, not {timeout!r}")
        if not isinstance(self.record, str | None):
            raise InvalidRequest(f"record must be a path as text, not {self.record!r}")
        if self.calls not in ("turn", "phase"):
            raise InvalidRequest(f'calls must be "turn" or "phase", not {self.calls!r}')


def _check_count(name: str, value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise InvalidRequest(f"{name} must be a whole number of at least 1, not {value!r}")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
