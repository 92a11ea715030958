"""The four nodes: summary, plan, action, reflection. Each is one generator core (`driver`).

Routing reads the outcome of a turn, never its headings. `answer` and `stop_reason` are set exactly
once, by the node that ends the episode.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any, TypeAlias, cast

from langchain_core.messages import AnyMessage
from langgraph.types import Overwrite

from eva_graph.approval import approved_calls
from eva_graph.asked import Asked
from eva_graph.dialects import (
    Answer,
    Calls,
    Malformed,
    Neither,
    Outcome,
    Truncated,
)
from eva_graph.dialects.reference import SampleLost
from eva_graph.dialects.turn import parse_plan
from eva_graph.driver import Core
from eva_graph.edits import calls_to_run, edited_message
from eva_graph.ending import cited_evidence, finish, finish_with_error
from eva_graph.episode import Episode, NodeRun, Wiring
from eva_graph.errors import PolicyError
from eva_graph.look import why_lost
from eva_graph.look_record import journal_look
from eva_graph.opening import journal_start, opening_messages
from eva_graph.phases import answer_part, call_part, plan_part, reflection_part, summary_part
from eva_graph.recall import keep_looks, recalled
from eva_graph.state import AgentState, NextRound, Spent, StopReason
from eva_graph.turns import Written, in_phases, read_draft, write_turn

Update: TypeAlias = dict[str, Any]
NodeCore: TypeAlias = Callable[[Wiring, NodeRun, NextRound], Core[Update]]


def summary(wiring: Wiring, run: NodeRun, state: NextRound) -> Core[Update]:
    """Everything known so far; opens the episode, before which no frame is ever shown."""
    if state.get("goes_on"):
        return (yield from _summarize_again(wiring, run, state))
    # A new question: whatever an earlier episode of this thread left behind is void.
    asked = Asked.of(
        state.get("video"), state.get("question"), state.get("options"), state.get("subtitles")
    )
    given: Update = {
        "video": asked.video,
        "question": asked.question,
        "options": None,
        "subtitles": None,
        "choices": asked.options,
        "subtitle_file": asked.subtitles,
    }
    episode = Episode.of(wiring, run, "summary", cast("AgentState", given))
    opening, lost = [], None
    with episode.video() as video:
        episode = episode.offering(video)
        known = recalled(episode, video)
        try:
            opening = opening_messages(episode, video, known)
        except SampleLost as error:
            lost = error
        journal_start(episode, video, opening, recalled=known)
        given |= {"video_id": video.video_id, "tools": list(episode.tools)}
    update: Update = {
        **given,
        "trajectory_id": episode.trajectory_id,
        "messages": Overwrite(opening),
        "turn": 0,
        "calls": [],
        "spent": Spent(turns=0, frames=0, visual_tokens=0, context_tokens=0),
        "forced": None,
        "evidence": [],
        "answer": None,
        "stop_reason": None,
        "error": None,
    }
    if lost is not None:
        return {**update, **finish(episode, StopReason.TOOL_ERROR, error=str(lost))}
    try:
        if in_phases(episode):
            written = yield from summary_part(episode, opening, turn=1, before=None)
        else:
            written = yield from write_turn(episode, opening, 1)
    except PolicyError as error:
        return {**update, **finish_with_error(episode, error)}
    messages = Overwrite([*opening, written.message])
    update |= {**_after(update["spent"], written, turn=1), "messages": messages}
    _tell_summary(episode, written, turn=1)
    return update


def _summarize_again(wiring: Wiring, run: NodeRun, state: AgentState) -> Core[Update]:
    episode = Episode.of(wiring, run, "summary", state)
    turn, draft = state["turn"], state["draft"]
    if draft["complete"]:
        parts = wiring.dialect.parts(draft["text"])
        episode.emit(turn, summary=parts.summary)
        return {}
    try:
        written = yield from summary_part(episode, _before(episode, state), turn=turn, before=draft)
    except PolicyError as error:
        return finish_with_error(episode, error)
    _tell_summary(episode, written, turn=turn)
    return {**_after(state["spent"], written, turn=turn), "messages": [written.message]}


def plan(wiring: Wiring, run: NodeRun, state: AgentState) -> Core[Update]:
    """Candidate looks with their cost, and the choice: what `action` will run."""
    if state.get("stop_reason"):
        return {}
    episode = Episode.of(wiring, run, "plan", state)
    turn, draft = state["turn"], state["draft"]
    update: Update = {}
    outcome = read_draft(episode, draft, turn)
    if not draft["complete"] and not isinstance(outcome, Answer | Truncated):
        try:
            written = yield from plan_part(
                episode, _before(episode, state), turn=turn, before=draft
            )
        except PolicyError as error:
            return finish_with_error(episode, error)
        draft = written.draft
        update = {**_after(state["spent"], written, turn=turn), "messages": [written.message]}
        outcome = read_draft(episode, draft, turn)
    planned = parse_plan(wiring.dialect.parts(draft["text"]).plan)
    episode.journal(turn, "plan", asdict(planned))
    update["calls"] = list(outcome.calls) if isinstance(outcome, Calls) else []
    episode.emit(turn, plan=asdict(planned), calls=update["calls"])
    is_last = turn >= run.context.max_turns
    if draft["complete"] or is_last or isinstance(outcome, Answer | Truncated):
        update |= _ending(episode, state, outcome, update)
    return update


def action(wiring: Wiring, run: NodeRun, state: AgentState) -> Core[Update]:
    """Run the calls within budget, side by side; their frames become the next message."""
    episode = Episode.of(wiring, run, "action", state)
    turn, draft = state["turn"], state["draft"]
    update: Update = {"messages": []}
    spent = state["spent"]
    wanted: list[Any] | None = approved_calls(episode, state)
    if not draft["complete"] and not wanted:
        try:
            written = yield from call_part(
                episode, _before(episode, state), turn=turn, before=draft
            )
        except PolicyError as error:
            return finish_with_error(episode, error)
        draft = written.draft
        update |= {**_after(spent, written, turn=turn), "messages": [written.message]}
        spent, wanted = update["spent"], None
    outcome = read_draft(episode, draft, turn)
    sampled = list(outcome.calls) if isinstance(outcome, Calls) else []
    calls = calls_to_run(episode, turn, wanted=wanted, sampled=sampled)
    edited = edited_message(episode, turn, draft["text"], calls) if calls != sampled else None
    if edited is not None:
        update["messages"] = [edited]
        outcome = Calls(calls=tuple(calls))
    if not isinstance(outcome, Calls | Malformed):
        return update | _ending(episode, state, outcome, update)
    with episode.executor() as executor:
        reply = executor.respond(outcome, spent=spent, message_id=episode.message_id(turn, "tool"))
    journal_look(episode, turn, reply, edited, sampled)
    keep_looks(episode, reply.results)
    update |= {
        "messages": [*update["messages"], *reply.messages],
        "spent": reply.spent,
        "forced": reply.forced.value if reply.forced else None,
    }
    if not wiring.dialect.repairs and reply.lost is not None:
        update |= finish(episode, StopReason.TOOL_ERROR, error=reply.lost)
    return update


def reflection(wiring: Wiring, run: NodeRun, state: AgentState) -> Core[Update]:
    """What the last look showed and whether it is enough: answers, or sends the cycle round."""
    episode = Episode.of(wiring, run, "reflection", state)
    turn = state["turn"] + 1
    messages = state["messages"]
    try:
        if in_phases(episode):
            written = yield from reflection_part(episode, messages, turn=turn)
            answered = isinstance(read_draft(episode, written.draft, turn), Answer)
            if state.get("forced") and not answered and not written.draft["complete"]:
                written = yield from answer_part(episode, messages, turn=turn, before=written.draft)
        else:
            written = yield from write_turn(episode, messages, turn)
    except PolicyError as error:
        return finish_with_error(episode, error)
    update: Update = {
        **_after(state["spent"], written, turn=turn),
        "messages": [written.message],
        "calls": [],
    }
    outcome = read_draft(episode, written.draft, turn)
    parts = wiring.dialect.parts(written.draft["text"])
    episode.emit(turn, reflection=parts.reflection or parts.unmarked)
    if written.draft["complete"] or isinstance(outcome, Answer | Truncated) or state.get("forced"):
        update |= _ending(episode, state, outcome, update)
    return update


NODES: dict[str, NodeCore] = {
    "summary": summary,
    "plan": plan,
    "action": action,
    "reflection": reflection,
}


def _ending(episode: Episode, state: AgentState, outcome: Outcome, update: Update) -> Update:
    """What ends the episode after this outcome, or nothing where it goes on.

    `update` is what the node has to say so far.
    """
    forced = state.get("forced")
    if isinstance(outcome, Answer):
        reason = StopReason(forced) if forced else StopReason.ANSWERED
        evidence = cited_evidence([*state["messages"], *update.get("messages", ())])
        return finish(episode, reason, answer=outcome.text, evidence=evidence)
    if isinstance(outcome, Truncated):
        return finish(episode, StopReason.TRUNCATED)
    last = update.get("turn", state["turn"]) >= episode.context.max_turns
    if episode.wiring.dialect.repairs:
        return finish(episode, StopReason.NO_ANSWER) if forced or last else {}
    if isinstance(outcome, Neither):
        return finish(episode, StopReason(outcome.reason))
    return _last_calls(episode, state, outcome) if last else {}


def _last_calls(episode: Episode, state: AgentState, outcome: Outcome) -> Update:
    """Reference profile: a look that nobody will see may still fail, and is told as a failure."""
    if isinstance(outcome, Calls):
        with episode.executor() as executor:
            lost = why_lost(executor.errors(outcome, spent=state["spent"]))
        if lost is not None:
            return finish(episode, StopReason.TOOL_ERROR, error=lost)
    return finish(episode, StopReason.MAX_TURNS)


def _after(spent: Spent, written: Written, *, turn: int) -> Update:
    return {
        "turn": turn,
        "draft": written.draft,
        "spent": {**spent, "turns": turn, "context_tokens": written.context_tokens},
    }


def _before(episode: Episode, state: AgentState) -> list[AnyMessage]:
    """The transcript without the message that is being written."""
    current = episode.message_id(state["turn"], "assistant")
    return [message for message in state["messages"] if message.id != current]


def _tell_summary(episode: Episode, written: Written, *, turn: int) -> None:
    parts = episode.wiring.dialect.parts(written.draft["text"])
    episode.emit(turn, summary=parts.summary or parts.unmarked)
