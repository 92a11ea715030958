"""One episode as a node sees it: the bound parts, the knobs, the journal and the budgets.

Live objects (policy, stores, videos) are bound by the graph's factory in `Wiring`; everything
that differs between runs comes from the state and the `Context`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from langgraph.store.base import BaseStore

from eva_graph.dialects import Dialect, Question
from eva_graph.dialects.native import tool_schemas
from eva_graph.errors import InvalidRequest, PolicyError
from eva_graph.limits import Limits
from eva_graph.look import LookExecutor
from eva_graph.memory import VideoMemory
from eva_graph.policy.protocol import Policy, PolicyInfo
from eva_graph.state import AgentState, Context
from eva_graph.trajectory.journal import EventKind
from eva_graph.trajectory.recorder import Recorder, Recorders
from eva_graph.videos import OpenVideos
from eva_graph_tools import (
    TOOLS,
    FrameMissing,
    FrameRef,
    Tool,
    UnsupportedMedia,
    Video,
    offered_tools,
    restore,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """What the factory binds: shared by all episodes of a graph."""

    policy: Policy
    dialect: Dialect
    tools: Mapping[str, Tool]
    tools_named: bool = True  # else they are the dialect's, and a policy's own go before them
    defaults: Context = field(default_factory=Context)
    recorders: Recorders = field(default_factory=Recorders)
    videos: OpenVideos = field(default_factory=OpenVideos)
    memory: VideoMemory | None = None
    approve: bool = False
    """Whether a person is asked before every look."""

    def offered(self, info: PolicyInfo) -> Mapping[str, Tool]:
        """The tools of an episode, before the video has a say in it."""
        own = None if self.tools_named else info.tools
        return self.tools if own is None else {name: TOOLS[name] for name in own}


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRun:
    """Who is running: identity of this execution, its knobs and its stream."""

    context: Context
    thread_id: str
    namespace: str
    task_id: str
    attempt: int
    emit: Callable[[dict[str, Any]], None]
    store: BaseStore | None = None
    """That of the running graph."""

    def new_trajectory_id(self) -> str:
        """Stable across retry and resume of the first step, new for every other episode."""
        key = "|".join((self.thread_id, self.namespace, self.task_id))
        return hashlib.sha256(key.encode()).hexdigest()[:24]


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """A node's hold on the episode it is working for."""

    wiring: Wiring
    run: NodeRun
    node: str
    trajectory_id: str
    video_path: str
    video_id: str | None
    """What the video must be; None while the episode is opened."""
    question: Question
    tools: Mapping[str, Tool]
    """Those that the video can be looked at with."""
    subtitle_file: str | None
    policy: PolicyInfo
    """Facts about the policy; of one that cannot be reached, a stand-in for the record."""
    policy_error: PolicyError | None = None  # why it cannot be reached

    @classmethod
    def of(cls, wiring: Wiring, run: NodeRun, node: str, state: AgentState) -> Episode:
        """The episode that a state belongs to; a state without id starts a new one."""
        info, error = _facts(wiring.policy)
        offered = wiring.offered(info)
        return cls(
            wiring=wiring,
            run=run,
            node=node,
            trajectory_id=state.get("trajectory_id") or run.new_trajectory_id(),
            video_path=state["video"],
            video_id=state.get("video_id"),
            question=Question(text=state["question"], options=state.get("choices") or {}),
            tools={
                name: tool for name, tool in offered.items() if name in state.get("tools", offered)
            },
            subtitle_file=state.get("subtitle_file"),
            policy=info,
            policy_error=error,
        )

    def offering(self, video: Video) -> Episode:
        """The episode with those tools alone that this video can be looked at with.

        Raises:
            InvalidRequest: there is none.
        """
        tools = offered_tools(self.tools, video.info)
        if not tools:
            raise InvalidRequest(
                f"{video.path.name} cannot be looked at with {', '.join(self.tools)}: "
                "offer another tool"
            )
        return replace(self, tools=tools)

    @property
    def context(self) -> Context:
        """The run's knobs."""
        return self.run.context

    @property
    def recorder(self) -> Recorder:
        """Where this run's events and frames go."""
        return self.wiring.recorders.of(self.context.record, self.run.thread_id)

    @property
    def limits(self) -> Limits:
        """Budgets of this run. Raises `PolicyError` where the policy cannot be reached."""
        if self.policy_error is not None:
            raise self.policy_error
        return Limits.of(
            self.context,
            self.policy.grid,
            context_tokens=self.policy.context_tokens,
            forces_answer=self.wiring.dialect.repairs,
        )

    def message_id(self, turn: int, role: str) -> str:
        """Deterministic, so that a repeated step replaces its messages."""
        return f"{self.trajectory_id}:{turn}:{role}"

    def journal(self, turn: int, kind: EventKind, data: dict[str, Any]) -> None:
        """Add one event."""
        self.recorder.append(
            self.trajectory_id,
            turn=turn,
            kind=kind,
            node=self.node,
            attempt=self.run.attempt,
            data=data,
        )

    def emit(self, turn: int, **data: Any) -> None:
        """Tell whoever streams what this node did."""
        self.run.emit(
            {"eva_graph": self.node, "trajectory_id": self.trajectory_id, "turn": turn, **data}
        )

    @contextmanager
    def video(self) -> Iterator[Video]:
        """The open video. Raises `ToolError` if it cannot be opened or is not the same any more."""
        with self.wiring.videos.use(self.video_path, self.subtitle_file) as video:
            if self.video_id not in (None, video.video_id):
                raise UnsupportedMedia(
                    f"{video.path.name} is not the video that this episode began with: "
                    "put that one back, or ask anew"
                )
            yield video

    @contextmanager
    def executor(self) -> Iterator[LookExecutor]:
        """The look executor on the open video. Raises as `video` and `limits` do."""
        with self.video() as video:
            yield LookExecutor(
                video=video,
                dialect=self.wiring.dialect,
                question=self.question,
                store=self.recorder.frames,
                tools=self.tools,
                limits=self.limits,
                timeout_seconds=self.context.look_timeout_seconds,
                artifacts=self.recorder.artifacts,
            )

    def load_frame(self, ref: FrameRef) -> bytes:
        """Stored bytes of a frame; a missing one is decoded again and its hash checked.

        Raises:
            FrameMissing: it is gone, and so is its video, or it no longer decodes alike.
        """
        store = self.recorder.frames
        try:
            return store.read(ref)
        except FrameMissing:
            with self.video() as video:
                restore(store, ref, video)
            return store.read(ref)

    def tool_schemas(self) -> list[dict[str, Any]]:
        """What goes to the server beside the messages: only the `native` dialect sends any."""
        tools = list(self.tools.values())
        return tool_schemas(tools) if self.wiring.dialect.native_tools else []


def _facts(policy: Policy) -> tuple[PolicyInfo, PolicyError | None]:
    try:
        return policy.info, None
    except PolicyError as error:
        return PolicyInfo(name=repr(policy), backend="unreachable"), error
