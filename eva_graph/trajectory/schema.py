"""The trajectory record, version 2: one JSON line from which every policy input can be rebuilt.

Frames are references into the run's content-addressed store. Token data is there where the policy
gave it. Unknown fields are refused, so that a newer record never loads as something it is not;
older ones pass through `eva_graph.trajectory.migrations`. Version 2 adds: when the record was
finished and amended, the question's id, expected answer and time reference, tool schemas, the token
limit of a turn, the user-only delivery of images, a call's text and files, and the label decision.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import Field, ValidationError

from eva_graph.dialects.reference import ReferenceDialect
from eva_graph.errors import TrajectoryError
from eva_graph.option_choice import chosen_option
from eva_graph.trajectory.clock import Moment
from eva_graph.trajectory.migrations import migrate
from eva_graph.trajectory.policy_record import PolicyRecord as PolicyRecord
from eva_graph.trajectory.policy_record import RecordModel

TRAJECTORY_VERSION: Final = 2


class VideoRecord(RecordModel):
    """Which video was watched; `video_id` is a hash of its content."""

    video_id: str
    path: str
    duration_seconds: float
    width: int
    height: int
    average_fps: float
    start_offset_seconds: float
    subtitles: str | None = None
    """The subtitle file that was given with the video."""


class FrameRecord(RecordModel):
    """One frame that was shown: its reference, what was asked for, whether it was snapped."""

    ref: dict[str, Any]
    """`FrameRef.to_json()`."""
    requested_seconds: float
    snapped: bool


class ArtifactRecord(RecordModel):
    """A file that a tool made, and the part of the video that it really holds."""

    path: str
    media_type: str
    start_seconds: float
    end_seconds: float


class CallRecord(RecordModel):
    """One tool call: what was asked, what ran, what came back."""

    id: str
    tool: str
    requested: dict[str, Any]
    applied: dict[str, Any] | None = None
    estimated_visual_tokens: int = 0
    visual_tokens: int = 0
    notes: list[str] = Field(default_factory=list)
    error: str | None = None
    frames: list[FrameRecord] = Field(default_factory=list)
    text: str = ""
    """Lines that the look gave the policy to read."""
    artifacts: list[ArtifactRecord] = Field(default_factory=list)
    cached: bool = False
    """The same look had been taken before: nothing was decoded."""
    seconds: float = 0.0


class LookRecord(RecordModel):
    """One candidate of a plan."""

    tool: str
    arguments: dict[str, Any]
    estimated_visual_tokens: int
    reason: str = ""


class PlanRecord(RecordModel):
    """The plan part of a turn; `candidates` is empty where it cannot be parsed."""

    text: str = ""
    candidates: list[LookRecord] = Field(default_factory=list)
    chosen: list[int] = Field(default_factory=list)


class SpanRecord(RecordModel):
    """A stretch of an assistant message; `sampled` is false for what we injected."""

    text: str
    sampled: bool


class TokenRecord(RecordModel):
    """Token data of one policy call, where the policy gave it."""

    prompt_delta_ids: list[int]
    """Prompt ids (image pads expanded) that follow the previous turn's prompt and sampled ids."""
    token_ids: list[int]
    logprobs: list[float] | None = None
    logprobs_kind: Literal["raw", "processed"] | None = None
    prefix_ok: bool = True
    """Whether this prompt begins with the previous prompt and sampled ids. Where it does not,
    `prompt_delta_ids` is the whole prompt and `image_grids` has all its images."""
    image_grids: list[tuple[int, int, int]] | None = None
    """(time, height, width) patches of the images in `prompt_delta_ids`, in order."""


class TurnRecord(RecordModel):
    """One assistant message, what it led to, and what reflection later said of its frames."""

    turn: int
    text: str
    spans: list[SpanRecord]
    outcome: Literal["answer", "calls", "malformed", "neither", "truncated"]
    error: str | None = None
    """What was told back for a malformed turn."""
    unmarked: str = ""
    summary: str = ""
    plan: PlanRecord = Field(default_factory=PlanRecord)
    calls: list[CallRecord] = Field(default_factory=list)
    reflection: str = ""
    """The reflection on this turn's frames, though written in the next message."""
    edited: bool = False
    """A person changed the calls: the loss on this turn is masked, its token ids are void."""
    sampled_calls: list[dict[str, Any]] | None = None
    """What the policy had written, where a person changed it."""
    finish_reason: str = "stop"
    max_new_tokens: int | None = None
    """How many new tokens the turn's last policy call was allowed; None: not written down."""
    policy_calls: int = 1
    """More than one where each node wrote its own part."""
    prompt_tokens: int | None = None
    """Prompt of the turn's last policy call."""
    completion_tokens: int | None = None
    """Of all its policy calls."""
    cached_tokens: int | None = None
    """How many of `prompt_tokens` the server took from its prefix cache; None: it did not tell."""
    requests: int = 1
    seconds: float = 0.0
    images_in: Literal["tool", "user", "user_only"] = "tool"
    """See `eva_graph.policy.delivery`."""
    tokens: TokenRecord | None = None

    @property
    def own(self) -> bool:
        """Whether the policy itself wrote it: no person edited it, and it was not made for it."""
        return self.policy_calls > 0 and not self.edited


class UsageRecord(RecordModel):
    """What a run cost."""

    policy_calls: int = 0
    requests: int = 0
    """HTTP requests, retries and those of a call that failed included."""
    prompt_tokens: int = 0
    """Prompts of all turns, those of each turn's last policy call."""
    completion_tokens: int = 0
    last_prompt_tokens: int | None = None
    """Prompt tokens of the last call; the "Token" column of the released harness's README adds
    its completion tokens."""
    cached_tokens: int | None = None
    """Of `prompt_tokens`, those from the server's prefix cache; None: it told of none."""
    visual_tokens: int = 0
    """Each frame counted once."""
    frames: int = 0
    policy_seconds: float = 0.0
    look_seconds: float = 0.0


class Trajectory(RecordModel):
    """A whole episode."""

    version: Literal[2] = TRAJECTORY_VERSION
    trajectory_id: str
    created: str
    """When the episode began; UTC, ISO 8601."""
    finished: Moment | None = None
    """When it ended, to the microsecond."""
    amended: Moment | None = None
    """When something was last added to the finished record, e.g. labels."""
    video: VideoRecord
    question: str
    options: dict[str, str] = Field(default_factory=dict)
    question_id: str | None = None
    """Name of the question in its set."""
    expected: str | None = None
    """The reference answer, as the policy should write it; the policy never sees it."""
    time_reference: list[tuple[float, float]] = Field(default_factory=list)
    """Stretches of the video, in seconds, that show the answer; empty where nobody said."""
    dialect: str
    tools: list[str]
    policy: PolicyRecord
    context: dict[str, Any]
    """The run's knobs (`Context`)."""
    versions: dict[str, str]
    tool_schemas: list[dict[str, Any]] = Field(default_factory=list)
    """What went to the server beside the messages (`native` dialect)."""
    messages: list[dict[str, Any]]
    """`role`, `content` (text and image parts), ids and native calls, in order."""
    recalled: str = ""
    """What a memory told of earlier looks at the video: it ends the first user message. Empty where
    none was used."""
    opening_looks: list[CallRecord] = Field(default_factory=list)
    """Looks that the opening messages show: a passive baseline's, which no turn asked for."""
    turns: list[TurnRecord]
    evidence: list[dict[str, Any]] = Field(default_factory=list)
    answer: str | None = None
    stop_reason: str | None = None
    error: str | None = None
    usage: UsageRecord = Field(default_factory=UsageRecord)
    notice: str | None = None
    """A limit of the policy that was told to the user."""
    reward: float | None = None
    labels: list[str] = Field(default_factory=list)
    """What rules say of the episode, e.g. `blind_guess`."""
    desirable: bool | None = None
    """What KTO should make of it; None: not decided, or fit for neither side."""

    @property
    def correct(self) -> bool | None:
        """Whether the answer is the expected one; None: not known.

        With options, the one that the answer means counts, as evaluation and rewards read it
        ("The answer is B."); the reference dialect asks for the letter or the option's text alone.
        Open answers are compared without case and outer space. Without an answer it is False.
        """
        if self.expected is None:
            return None
        letters = {_plain(text): _plain(letter) for letter, text in self.options.items()}
        given, wanted = _plain(self.answer or ""), _plain(self.expected)
        wanted = letters.get(wanted, wanted)
        if self.answer is None or letters.get(given, given) == wanted:
            return self.answer is not None
        if not self.options or self.dialect == ReferenceDialect.name:
            return False
        return _plain(chosen_option(self.answer, self.options).letter or "") == wanted

    @property
    def written(self) -> str:
        """When it was finished or last amended; empty where nobody wrote that down."""
        return max(self.finished or "", self.amended or "")

    def save(self, path: str | Path) -> None:
        """Write the record as one JSON file. Frames stay in the store they are in."""
        Path(path).write_text(self.to_line() + "\n", encoding="utf-8")

    def to_line(self) -> str:
        """The record as one line of JSON."""
        return json.dumps(self.model_dump(mode="json"), ensure_ascii=True, allow_nan=False)

    @classmethod
    def from_line(cls, line: str) -> Trajectory:
        """Read a record. Raises `TrajectoryError` in one line."""
        try:
            data = json.loads(line)
        except ValueError as error:
            raise TrajectoryError(f"not a trajectory record: {error}") from None
        if not isinstance(data, dict):
            raise TrajectoryError(f"not a trajectory record: a {type(data).__name__}")
        data = migrate(data, TRAJECTORY_VERSION)
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise TrajectoryError(f"not a trajectory record: {where}: {first['msg']}") from None

    @classmethod
    def load(cls, path: str | Path) -> Trajectory:
        """Read what `save` wrote. Raises `TrajectoryError`."""
        try:
            return cls.from_line(Path(path).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise TrajectoryError(f"cannot read {path}: {error}") from None


def _plain(text: str) -> str:
    return text.strip().casefold()
