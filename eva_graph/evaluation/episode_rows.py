"""One row an asked question: what a report and a comparison need of its episode.

A question without a record is a row too, so that nothing that failed to run goes unseen.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from eva_graph.errors import TrajectoryError
from eva_graph.evaluation.questions import EvalQuestion, Profile
from eva_graph.evaluation.scoring import Judge, Score, score
from eva_graph.evaluation.stretches import saw_one, time_iou
from eva_graph.trajectory.image_places import turn_places
from eva_graph.trajectory.schema import Trajectory

_ERRORS: Final = ("policy_error", "tool_error")
_DURATIONS: Final = ((120, "under 2 min"), (900, "2-15 min"), (3600, "15-60 min"))
_LONGEST: Final = "over 60 min"
_LEAST_TOKENS: Final = 0.7
"""Share of the estimated visual tokens that images take at least: 0.77 where a token's side is 32
pixels (Qwen3-VL) and the policy was given no grid, which reckons with 28."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeRow:
    """A question and what became of it.

    Attributes:
        question: as loaded.
        score: of the answer; of a question that was not asked, no verdict.
        trajectory_id: of the record; None: not asked, the fields below are empty.
        answer: what the policy answered.
        duration_bucket: the set's own, else by the video's length.
        rounds: assistant turns that the policy wrote.
        tokens: prompt and completion of the last request, the "Token" column of the released
            harness's README.
        all_tokens: prompts and completions of all turns.
        cached_share: of the prompts' tokens, what the server took from its prefix cache; None
            where it does not tell.
        visual_tokens: each frame counted once.
        frames: how many were shown.
        stop_reason: see `StopReason`.
        error: what went wrong, in the record's words.
        truncated: the token limit cut the last message.
        dropped_images: frames looked at that the policy never got, as far as can be told.
        seconds: from the beginning to the end of the episode.
        policy_seconds: within policy calls.
        look_seconds: within looks.
        time_iou: of the evidence with the time reference; None without one.
        saw_reference: whether a frame within the time reference was shown; None without one.
    """

    question: EvalQuestion
    score: Score
    trajectory_id: str | None = None
    answer: str | None = None
    duration_bucket: str | None = None
    rounds: int = 0
    tokens: int | None = None
    all_tokens: int = 0
    cached_share: float | None = None
    visual_tokens: int = 0
    frames: int = 0
    stop_reason: str | None = None
    error: str | None = None
    truncated: bool = False
    dropped_images: int = 0
    seconds: float | None = None
    policy_seconds: float = 0.0
    look_seconds: float = 0.0
    time_iou: float | None = None
    saw_reference: bool | None = None

    @property
    def asked(self) -> bool:
        """Whether there is a record."""
        return self.trajectory_id is not None

    @property
    def failed(self) -> bool:
        """Whether the episode ended by an error."""
        return self.asked and (self.error is not None or self.stop_reason in _ERRORS)

    @property
    def empty(self) -> bool:
        """Whether it ended without an error and without an answer."""
        return self.asked and not self.failed and not (self.answer or "").strip()


def episode_rows(
    questions: Sequence[EvalQuestion],
    records: Iterable[Trajectory],
    *,
    profile: Profile = "corrected",
    judge: Judge | None = None,
) -> list[EpisodeRow]:
    """A row for each question, in their order; of several records of one the latest counts.

    Records of other questions are passed over. Memory holds rows, not records.
    """
    by_id = {question.question_id: question for question in questions}
    rows: dict[str, EpisodeRow] = {}
    times: dict[str, str] = {}
    for record in records:
        question = by_id.get(record.question_id or "")
        time = record.finished or record.created
        if question is None or time < times.get(question.question_id, ""):
            continue
        times[question.question_id] = time
        rows[question.question_id] = episode_row(question, record, profile=profile, judge=judge)
    return [rows.get(one.question_id) or _unasked(one) for one in questions]


def episode_row(
    question: EvalQuestion,
    record: Trajectory,
    *,
    profile: Profile = "corrected",
    judge: Judge | None = None,
) -> EpisodeRow:
    """The row of a question's record."""
    usage, reference = record.usage, question.time_reference
    evidence = [(one["start_seconds"], one["end_seconds"]) for one in record.evidence]
    return EpisodeRow(
        question=question,
        score=score(question, record, profile=profile, judge=judge),
        trajectory_id=record.trajectory_id,
        answer=record.answer,
        duration_bucket=question.duration_bucket or _bucket(record),
        rounds=sum(turn.policy_calls > 0 for turn in record.turns),
        tokens=_last_request(record),
        all_tokens=usage.prompt_tokens + usage.completion_tokens,
        cached_share=_cached_share(record),
        visual_tokens=usage.visual_tokens,
        frames=usage.frames,
        stop_reason=record.stop_reason,
        error=record.error,
        truncated=_truncated(record),
        dropped_images=_dropped_images(record),
        seconds=_seconds(record),
        policy_seconds=usage.policy_seconds,
        look_seconds=usage.look_seconds,
        time_iou=time_iou(evidence, reference) if reference else None,
        saw_reference=saw_one(_shown_seconds(record), reference) if reference else None,
    )


def _unasked(question: EvalQuestion) -> EpisodeRow:
    how = "not asked: no video" if question.missing else "not asked"
    return EpisodeRow(
        question=question,
        score=Score(correct=None, value=0.0, how=how),
        duration_bucket=question.duration_bucket,
    )


def _bucket(record: Trajectory) -> str | None:
    if not record.video.video_id:
        return None  # nobody could open it
    duration_seconds = record.video.duration_seconds
    return next((name for end, name in _DURATIONS if duration_seconds < end), _LONGEST)


def _last_request(record: Trajectory) -> int | None:
    last = record.turns[-1] if record.turns else None
    if last is None or last.prompt_tokens is None:
        return None
    return last.prompt_tokens + (last.completion_tokens or 0)


def _cached_share(record: Trajectory) -> float | None:
    told = [turn for turn in record.turns if turn.cached_tokens is not None]
    prompts = sum(turn.prompt_tokens or 0 for turn in told)
    return sum(turn.cached_tokens or 0 for turn in told) / prompts if prompts else None


def _truncated(record: Trajectory) -> bool:
    if not record.turns:
        return False
    last = record.turns[-1]
    return last.outcome == "truncated" or last.finish_reason == "length"


def _dropped_images(record: Trajectory) -> int:
    """Frames of looks without an image part, and of prompts too short to have held them.

    An image part that names no frame counts as one.
    """
    try:
        places = turn_places(record)
    except TrajectoryError:
        return 1
    read = places[: len(record.turns)]  # what the last turn fetched, no later turn could see
    unsent = sum(max(0, len(turn.called) - len(turn.places)) for turn in read)
    return max(unsent, _frames_without_tokens(record))


def _frames_without_tokens(record: Trajectory) -> int:
    """Frames of the last prompt that has too few tokens for them; 0: every prompt has enough.

    Every prompt begins with the first one, so what it has more than that holds the looks since: a
    server that drops images silently is known by that, however long the opening is.
    """
    visual = sum(call.visual_tokens for call in record.opening_looks)
    frames = sum(len(call.frames) for call in record.opening_looks)
    opening: int | None = None  # tokens of the first prompt; 0 where its own images are in doubt
    lost = 0
    for turn in record.turns:
        if turn.prompt_tokens is not None:
            if opening is None:
                opening = 0 if visual else turn.prompt_tokens
            if turn.prompt_tokens - opening < _LEAST_TOKENS * visual:
                lost = frames
        visual += sum(call.visual_tokens for call in turn.calls)
        frames += sum(len(call.frames) for call in turn.calls)
    return lost


def _seconds(record: Trajectory) -> float | None:
    if record.finished is None:
        return None
    try:
        began, ended = (datetime.fromisoformat(at) for at in (record.created, record.finished))
        return max(0.0, (ended - began).total_seconds())
    except (ValueError, TypeError):  # TypeError: one with a time zone, one without
        return None


def _shown_seconds(record: Trajectory) -> list[float]:
    calls = [*record.opening_looks, *(call for turn in record.turns for call in turn.calls)]
    frames = (one for call in calls for one in call.frames)
    return [float(frame.ref["pts_seconds"]) for frame in frames if "pts_seconds" in frame.ref]
