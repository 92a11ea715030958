"""One episode of a passive baseline: frames, one policy call, a record like the agent's.

Forms and reasons: `eva_graph.evaluation.baseline`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage

from eva_graph.blocks import text_block
from eva_graph.dialects import Answer, CallResult, EvaDialect, Neither, Outcome, ToolCall, Truncated
from eva_graph.dialects.eva import frame_blocks
from eva_graph.dialects.looks import ToolCallPlan
from eva_graph.dialects.parsing import read_corrected
from eva_graph.driver import Core
from eva_graph.ending import cited_evidence, finish, finish_with_error
from eva_graph.episode import Episode
from eva_graph.errors import PolicyError
from eva_graph.evaluation.uniform_frames import UniformFrames
from eva_graph.limits import estimate_tokens
from eva_graph.look import LookReply
from eva_graph.look_record import call_record, journal_look
from eva_graph.look_run import CallRunner, ReadyCall
from eva_graph.opening import journal_start, opening_messages
from eva_graph.policy.protocol import NativeCall
from eva_graph.state import Spent, StopReason
from eva_graph.turns import given_turn, read_draft, write_turn
from eva_graph_tools import DecodeError, Video, prepare


class PassiveDialect(EvaDialect):
    """Reads an answer out of whatever a policy without a format writes."""

    name = "passive"

    def read(
        self, text: str, *, truncated: bool, native_calls: Sequence[NativeCall] = ()
    ) -> Outcome:
        """What is marked as the answer, else the whole text; a call is none."""
        outcome = read_corrected(text, truncated=truncated)
        if isinstance(outcome, Neither) and text.strip():
            return Answer(text=text.strip())
        return outcome


def play(episode: Episode, frames: UniformFrames) -> Core[None]:
    """One episode, from its frames to its record. Raises `ToolError` before anything is asked."""
    opened = _open_with_frames if frames.form == "uniform" else _open_with_look
    with episode.video() as video:
        messages = opened(episode, video, frames)
    turn = 1 + sum(isinstance(message, AIMessage) for message in messages)
    try:
        written = yield from write_turn(episode, messages, turn)
    except PolicyError as error:
        finish_with_error(episode, error)
        return
    outcome = read_draft(episode, written.draft, turn)
    if isinstance(outcome, Answer):
        evidence = cited_evidence([*messages, written.message])
        finish(episode, StopReason.ANSWERED, answer=outcome.text, evidence=evidence)
    elif isinstance(outcome, Truncated):
        finish(episode, StopReason.TRUNCATED)
    else:
        finish(episode, StopReason.NO_ANSWER)


def _open_with_frames(episode: Episode, video: Video, frames: UniformFrames) -> list[AnyMessage]:
    """Everything in one user message."""
    shown = _look(
        episode,
        video,
        frames,
        estimate_tokens([_asking(episode, video, None)], episode.policy.grid),
    )
    opening: list[AnyMessage] = [_asking(episode, video, shown)]
    journal_start(episode, video, opening, opening_looks=[call_record(shown)])
    return opening


def _asking(episode: Episode, video: Video, shown: CallResult | None) -> AnyMessage:
    count = "" if shown is None else f"{len(shown.frames)} "
    blocks = [] if shown is None else frame_blocks([shown])
    seconds = max(int(video.info.duration_seconds), 1)
    content: list[Any] = [
        text_block(f"Here are {count}frames, spread evenly over a video of {seconds} seconds.\n"),
        *blocks,
        text_block(f"\n{episode.question.prompt}"),
    ]
    return HumanMessage(content=content, id=episode.message_id(0, "user"))


def _open_with_look(episode: Episode, video: Video, frames: UniformFrames) -> list[AnyMessage]:
    """The agent's opening, a call that nobody sampled, and its frames."""
    dialect, opening = episode.wiring.dialect, opening_messages(episode, video)
    shown = _look(episode, video, frames, estimate_tokens(opening, episode.policy.grid))
    journal_start(episode, video, opening)
    call = given_turn(episode, 1, dialect.with_calls("", [shown.call]))
    tool = dialect.reply(
        [shown],
        question=episode.question,
        closing="answer_now",
        message_id=episode.message_id(1, "tool"),
    )
    spent = Spent(turns=1, frames=0, visual_tokens=0, context_tokens=0)
    reply = LookReply(results=(shown,), messages=tuple(tool), spent=spent)
    journal_look(episode, 1, reply, None, [])
    return [*opening, call, *tool]


def _look(episode: Episode, video: Video, frames: UniformFrames, text_tokens: int) -> CallResult:
    """The frames, in the run's store. Raises `ToolError`."""
    grid = episode.policy.grid
    fitted = frames.fitted(video.info, grid, room_tokens=_room(episode, text_tokens))
    arguments = {
        "start_time": 0.0,
        "end_time": video.info.duration_seconds,
        "nframes": fitted.nframes,
        "resize": fitted.resize,
    }
    look = prepare(
        "frame_select",
        arguments,
        info=video.info,
        grid=grid,
        look_budget=grid.estimate(video.info.width, video.info.height, 1.0, fitted.nframes),
    )
    call = ToolCall(id=episode.message_id(0, "frames"), tool="frame_select", arguments=arguments)
    runner = CallRunner(
        video=video,
        store=episode.recorder.frames,
        grid=grid,
        timeout_seconds=episode.context.look_timeout_seconds,
    )
    noted = replace(look, notes=(*look.notes, *fitted.notes))
    result = runner.run(ReadyCall(call=call, prepared=ToolCallPlan(noted)))
    if result.error is not None:
        raise DecodeError(result.error)
    return result


def _room(episode: Episode, text_tokens: int) -> int | None:
    """What the frames and their labels may take of the policy's context."""
    if episode.policy_error is not None:
        return None
    spent = Spent(turns=0, frames=0, visual_tokens=0, context_tokens=text_tokens)
    return episode.limits.context_left(spent)
