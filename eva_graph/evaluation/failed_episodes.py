"""Records of episodes that could not begin or go on, e.g. at a file that is no video.

Such a question has a record like every other: it is not asked again unless somebody says so, and
the report counts it as an error.
"""

from __future__ import annotations

import uuid

from eva_graph.errors import EvaGraphError
from eva_graph.evaluation.questions import EvalQuestion
from eva_graph.opening import context_to_json
from eva_graph.state import Context, StopReason
from eva_graph.trajectory import RunStore, Trajectory
from eva_graph.trajectory.clock import utc_now
from eva_graph.trajectory.schema import PolicyRecord, VideoRecord
from eva_graph.trajectory.versions import installed_versions


def record_failure(
    store: RunStore,
    question: EvalQuestion,
    error: EvaGraphError,
    context: Context,
    trajectory_id: str | None,
) -> Trajectory:
    """Write the record of a question that ended in `error`.

    Args:
        store: of the run.
        question: what was asked.
        error: why it ended.
        context: knobs of the episode.
        trajectory_id: of the episode that had begun; everything it did is kept. None: none had.

    Raises:
        TrajectoryError: the record cannot be written.
    """
    if trajectory_id is None:
        record = _never_begun(question, error, context)
    else:
        store.journal.append(trajectory_id, _end(error))
        record = store.fold(trajectory_id)
    store.append(record)
    return record


def _end(error: EvaGraphError) -> dict[str, object]:
    ending: dict[str, object] = {
        "answer": None,
        "stop_reason": StopReason.TOOL_ERROR.value,
        "error": str(error),
        "evidence": [],
        "finished": utc_now(),
    }
    return {"turn": 0, "kind": "end", "node": "evaluation", "attempt": 1, "data": ending}


def _never_begun(question: EvalQuestion, error: EvaGraphError, context: Context) -> Trajectory:
    now = utc_now()
    return Trajectory(
        trajectory_id=uuid.uuid4().hex[:24],
        created=now,
        finished=now,
        video=_unread(question),
        question=question.question,
        options=question.asked_options,
        question_id=question.question_id,
        expected=question.answer,
        time_reference=list(question.time_reference),
        dialect="none",
        tools=[],
        policy=PolicyRecord(
            name="not asked", backend="none", patch_pixels=1, min_pixels=1, max_pixels=4
        ),
        context=context_to_json(context),
        versions=installed_versions(),
        messages=[],
        turns=[],
        stop_reason=StopReason.TOOL_ERROR.value,
        error=str(error),
    )


def _unread(question: EvalQuestion) -> VideoRecord:
    """What is known of a video that nobody could open."""
    return VideoRecord(
        video_id="",
        path=question.video.encode("utf-8", "backslashreplace").decode("utf-8"),
        duration_seconds=0.0,
        width=0,
        height=0,
        average_fps=0.0,
        start_offset_seconds=0.0,
        subtitles=question.subtitles,
    )
