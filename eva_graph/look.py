"""parse → budget → execute → render: the one look executor that graph and training share.

`LookExecutor.read` turns policy text into an outcome; `LookExecutor.look` runs its calls side by
side and renders the message that shows their frames. Neither raises for what a policy wrote: a
tool's error becomes text for the policy and an entry in the result. A bug crashes.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from eva_graph_tools import FrameStore, Tool, ToolError, Video, VisualGrid
from langchain_core.messages import AnyMessage

from eva_graph.dialects.base import CallResult, Closing, Dialect, PreparedCall, Question
from eva_graph.dialects.eva import number_calls
from eva_graph.dialects.reference import SampleLost
from eva_graph.dialects.turn import Calls, Malformed, Neither, Outcome, ToolCall
from eva_graph.policy.protocol import NativeCall


@dataclass(frozen=True, slots=True, kw_only=True)
class LookReply:
    """What a turn's calls showed: the results, and the messages that the policy reads next."""

    results: tuple[CallResult, ...]
    messages: tuple[AnyMessage, ...]
    lost: bool = False
    """Reference profile only: the harness would have raised and lost the sample."""

    @property
    def frame_count(self) -> int:
        """Frames shown."""
        return sum(len(result.frames) for result in self.results)

    @property
    def visual_tokens(self) -> int:
        """Visual tokens of the frames shown."""
        return sum(result.visual_tokens for result in self.results)

    @property
    def failed(self) -> bool:
        """Every call of the turn failed."""
        return bool(self.results) and all(result.error is not None for result in self.results)


@dataclass(frozen=True, slots=True, kw_only=True)
class LookExecutor:
    """Looks at one video in one dialect; frames go to `store`."""

    video: Video
    dialect: Dialect
    question: Question
    store: FrameStore
    tools: Mapping[str, Tool]
    grid: VisualGrid = field(default_factory=VisualGrid)

    def read(
        self, text: str, *, message_id: str, truncated: bool = False,
        native_calls: Sequence[NativeCall] = (),
    ) -> Outcome:
        """The outcome of a turn, every call with an id.

        A turn with neither call nor answer is malformed where the dialect tells errors back.
        """
        outcome = self.dialect.read(text, truncated=truncated, native_calls=native_calls)
        if isinstance(outcome, Neither) and self.dialect.repairs:
            outcome = Malformed(error="there is no tool call and no answer in this message")
        return number_calls(outcome, message_id)

    def look(
        self, calls: Sequence[ToolCall], *, look_budget: int, closing: Closing, message_id: str,
        total_budget: int | None = None,
    ) -> LookReply:
        """Run the calls side by side and render their frames in call order.

        Args:
            calls: at least one.
            look_budget: visual tokens allowed for each call.
            closing: whether more looks are possible.
            message_id: id of the message that will show the frames.
            total_budget: visual tokens allowed for all calls together; None for no such limit.
        """
        prepared = self._prepare_all(calls, look_budget, total_budget)
        if len(calls) == 1:
            results = [self._run(calls[0], prepared[0])]
        else:
            with ThreadPoolExecutor(min(len(calls), 8), thread_name_prefix="look") as pool:
                results = list(pool.map(self._run, calls, prepared))
        messages = self.dialect.reply(
            results, question=self.question, closing=closing, message_id=message_id
        )
        lost = any(isinstance(item, SampleLost) for item in prepared)
        return LookReply(results=tuple(results), messages=tuple(messages), lost=lost)

    def complain(self, malformed: Malformed, *, closing: Closing, message_id: str) -> LookReply:
        """Tell a malformed turn's error back; no frames."""
        messages = self.dialect.complain(
            malformed.error, call_ids=malformed.call_ids, question=self.question,
            closing=closing, message_id=message_id,
        )
        return LookReply(results=(), messages=tuple(messages))

    def respond(
        self, outcome: Outcome, *, look_budget: int, closing: Closing, message_id: str,
        total_budget: int | None = None,
    ) -> LookReply:
        """`look` or `complain`, whichever the outcome needs; an answer needs neither."""
        if isinstance(outcome, Malformed):
            return self.complain(outcome, closing=closing, message_id=message_id)
        if isinstance(outcome, Calls):
            return self.look(outcome.calls, look_budget=look_budget, closing=closing,
                             message_id=message_id, total_budget=total_budget)
        return LookReply(results=(), messages=())

    def _prepare_all(
        self, calls: Sequence[ToolCall], look_budget: int, total_budget: int | None
    ) -> list[PreparedCall | ToolError]:
        prepared: list[PreparedCall | ToolError] = []
        left = total_budget
        for call in calls:
            allowed = look_budget if left is None else min(look_budget, max(left, 0))
            try:
                item = self.dialect.prepare(
                    call, tools=self.tools, info=self.video.info, grid=self.grid,
                    look_budget=allowed,
                )
            except ToolError as error:
                prepared.append(error)
                continue
            prepared.append(item)
            if left is not None:
                left -= item.estimated_visual_tokens
        return prepared

    def _run(self, call: ToolCall, prepared: PreparedCall | ToolError) -> CallResult:
        started = time.perf_counter()
        if isinstance(prepared, ToolError):
            return CallResult(call=call, error=str(prepared))
        try:
            frames = prepared.run(self.video)
        except ToolError as error:
            return CallResult(
                call=call, applied=prepared.applied, error=str(error),
                estimated_visual_tokens=prepared.estimated_visual_tokens,
                seconds=time.perf_counter() - started,
            )
        refs = tuple(self.store.put(frame, self.video.video_id) for frame in frames)
        return CallResult(
            call=call, applied=prepared.applied, notes=prepared.notes, frames=refs,
            estimated_visual_tokens=prepared.estimated_visual_tokens,
            visual_tokens=sum(self.grid.visual_tokens(f.width, f.height) for f in frames),
            requested_seconds=tuple(frame.requested_seconds for frame in frames),
            snapped=tuple(frame.snapped for frame in frames),
            clock=prepared.clock(len(frames)), seconds=time.perf_counter() - started,
        )
