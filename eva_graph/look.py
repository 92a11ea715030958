"""parse → budget → execute → render: the one look executor that graph and training share.

`read_outcome` turns policy text into an outcome; `LookExecutor.respond` runs its calls side
by side and renders the message that shows their frames. Neither raises for what a policy wrote: a
tool's error becomes text for the policy and an entry in the result. A bug crashes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from langchain_core.messages import AnyMessage

from eva_graph.dialects.base import CallResult, Closing, Dialect, PreparedCall, Question
from eva_graph.dialects.identity import number_calls
from eva_graph.dialects.json_values import encodable
from eva_graph.dialects.parsing import WRITE_ONE
from eva_graph.dialects.parsing_reference import EXCEPTION
from eva_graph.dialects.turn import Calls, Malformed, Neither, Outcome, ToolCall
from eva_graph.limits import FRAME_TEXT_TOKENS, Limits, estimate_tokens
from eva_graph.look_run import CallRunner, ReadyCall
from eva_graph.policy.protocol import NativeCall
from eva_graph.state import Spent, StopReason
from eva_graph_tools import FrameStore, Tool, ToolError, Video

NEITHER = "there is no tool call and no answer in this message"
_MAX_WORKERS = 8
_TINY_RESIZE = 1e-4


def read_outcome(
    dialect: Dialect,
    text: str,
    *,
    message_id: str,
    truncated: bool = False,
    native_calls: Sequence[NativeCall] = (),
) -> Outcome:
    """The outcome of a turn, every call with an id; needs no video.

    A turn with neither call nor answer is malformed where the dialect tells errors back.
    """
    outcome = dialect.read(encodable(text), truncated=truncated, native_calls=native_calls)
    if isinstance(outcome, Neither) and dialect.repairs:
        outcome = Malformed(error=f"{NEITHER}; {WRITE_ONE}")
    return number_calls(outcome, message_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class LookReply:
    """What a turn's calls showed: the results, and the messages that the policy reads next."""

    results: tuple[CallResult, ...]
    messages: tuple[AnyMessage, ...]
    spent: Spent
    """What the episode has used, this look and its messages included."""
    forced: StopReason | None = None
    """Why the next turn has to answer; the messages say so."""

    @property
    def lost(self) -> str | None:
        """See `why_lost`."""
        return why_lost([result.error for result in self.results])


def why_lost(errors: Sequence[str | None]) -> str | None:
    """Why a turn's calls end the sample under the reference profile, or None where they do not.

    The harness raises on one of them, or every one fails.
    """
    told = [error for error in errors if error is not None]
    raised = [error for error in told if error.startswith(EXCEPTION)]
    if raised:
        return raised[0]
    return "; ".join(told) if told and len(told) == len(errors) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class LookExecutor:
    """Looks at one video in one dialect; frames go to `store`."""

    video: Video
    dialect: Dialect
    question: Question
    store: FrameStore
    tools: Mapping[str, Tool]
    limits: Limits = field(default_factory=Limits)
    timeout_seconds: float | None = None
    """How long one call may take."""
    artifacts: Path | None = None
    """Folder for files that tools make; None is the system's temporary folder."""

    def read(
        self,
        text: str,
        *,
        message_id: str,
        truncated: bool = False,
        native_calls: Sequence[NativeCall] = (),
    ) -> Outcome:
        """See `read_outcome`."""
        return read_outcome(
            self.dialect,
            text,
            message_id=message_id,
            truncated=truncated,
            native_calls=native_calls,
        )

    def respond(self, outcome: Calls | Malformed, *, spent: Spent, message_id: str) -> LookReply:
        """Run the calls within budget, side by side, and render what they showed in call order;
        or tell a malformed turn's error back.

        Args:
            outcome: what the turn wants.
            spent: what the episode has used, the turn's own message included.
            message_id: id of the message that will show the frames.
        """
        results: list[CallResult] = []
        if isinstance(outcome, Calls):
            results = self._run_all(self._prepare_all(outcome.calls, spent))

        def render(closing: Closing) -> list[AnyMessage]:
            if isinstance(outcome, Malformed):
                return self.dialect.complain(
                    outcome.error,
                    call_ids=outcome.call_ids,
                    question=self.question,
                    closing=closing,
                    message_id=message_id,
                )
            return self.dialect.reply(
                results, question=self.question, closing=closing, message_id=message_id
            )

        messages = render("continue")
        after = self._spent(spent, results, messages)
        forced = self.limits.forced(after, smallest_look=self._smallest_look())
        if forced is not None:
            messages = render("answer_now")
        return LookReply(
            results=tuple(results), messages=tuple(messages), spent=after, forced=forced
        )

    def errors(self, outcome: Calls, *, spent: Spent) -> list[str | None]:
        """What is wrong with each call before anything is decoded; None: it would run."""
        ready = self._prepare_all(outcome.calls, spent)
        return [str(one.prepared) if isinstance(one.prepared, ToolError) else None for one in ready]

    def _spent(
        self, spent: Spent, results: Sequence[CallResult], messages: Sequence[AnyMessage]
    ) -> Spent:
        return Spent(
            turns=spent["turns"],
            frames=spent["frames"] + sum(len(result.frames) for result in results),
            visual_tokens=spent["visual_tokens"] + sum(r.visual_tokens for r in results),
            context_tokens=spent["context_tokens"] + estimate_tokens(messages, self.limits.grid),
        )

    def _run_all(self, ready: Sequence[ReadyCall]) -> list[CallResult]:
        runner = CallRunner(
            video=self.video,
            store=self.store,
            grid=self.limits.grid,
            timeout_seconds=self.timeout_seconds,
            artifacts=self.artifacts,
        )
        if len(ready) == 1:
            return [runner.run(ready[0])]
        with ThreadPoolExecutor(min(len(ready), _MAX_WORKERS), thread_name_prefix="look") as pool:
            return list(pool.map(runner.run, ready))

    def _prepare_all(self, calls: Sequence[ToolCall], spent: Spent) -> list[ReadyCall]:
        """Every call within its budget; what the episode has left is shared in call order."""
        ready: list[ReadyCall] = []
        visual, context = self.limits.visual_left(spent), self.limits.context_left(spent)
        for call in calls:
            try:
                item = self._prepare(call, visual, context)
            except ToolError as error:
                ready.append(ReadyCall(call=call, prepared=error))
                continue
            if visual is not None:
                visual = max(0, visual - item.estimated_visual_tokens)
            text_tokens = None
            if context is not None:
                context = max(0, context - _frame_tokens(item))
                text_tokens = min(item.text_tokens, context)
                context -= text_tokens
            ready.append(ReadyCall(call=call, prepared=item, text_tokens=text_tokens))
        return ready

    def _prepare(self, call: ToolCall, visual: int | None, context: int | None) -> PreparedCall:
        limits = (self.limits.look_budget, visual, context)
        allowed = min(limit for limit in limits if limit is not None)
        while True:
            item = self.dialect.prepare(
                call,
                tools=self.tools,
                info=self.video.info,
                grid=self.limits.grid,
                look_budget=allowed,
            )
            cost = _frame_tokens(item)
            if context is None or cost <= context or allowed == 0:
                return item
            # Labels may weigh more than small frames do: they are paid for out of the frames.
            allowed = min(allowed * context // cost, allowed * 9 // 10)

    def _smallest_look(self) -> int:
        info = self.video.info
        return self.limits.grid.estimate(info.width, info.height, _TINY_RESIZE, 1)


def _frame_tokens(item: PreparedCall) -> int:
    nframes = item.applied.get("nframes", 1)
    return item.estimated_visual_tokens + FRAME_TEXT_TOKENS * int(nframes or 1)
