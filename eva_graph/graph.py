"""`build_graph`: the wiring of the state machine and nothing else.

START → summary → plan → action → reflection ─┬─ not enough → summary
              └─ answered at once ─→ END      └─ enough, or out of budget → END
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from langchain_core.runnables import RunnableConfig, RunnableLambda
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime, get_runtime
from langgraph.types import Send

from eva_graph.dialects import Dialect, get_dialect
from eva_graph.driver import run_async, run_sync
from eva_graph.episode import NodeRun, Wiring
from eva_graph.errors import InvalidRequest
from eva_graph.memory import VideoMemory
from eva_graph.nodes import NODES, NodeCore
from eva_graph.policy.protocol import Policy
from eva_graph.policy_calls import PolicyCalls
from eva_graph.state import AgentInput, AgentOutput, AgentState, Context, NextRound
from eva_graph.trajectory.recorder import Recorders
from eva_graph.videos import OpenVideos
from eva_graph_tools import TOOLS, FrameStore, Tool

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

VideoGraph: TypeAlias = CompiledStateGraph[AgentState, Context, AgentInput, AgentOutput]


def build_graph(
    policy: str | PathLike[str] | Policy | BaseChatModel | None = None,
    *,
    model: str | None = None,
    dialect: str | Dialect = "eva",
    profile: Literal["corrected", "reference"] = "corrected",
    instructions: bool = False,
    tools: Sequence[str] | None = None,
    context: Context | None = None,
    frames: FrameStore | None = None,
    videos: OpenVideos | None = None,
    memory: VideoMemory | None = None,
    approve: bool = False,
    interrupt_before: Sequence[str] = (),
) -> VideoGraph:
    """The compiled agent, without a checkpointer, ready to be a node of a larger graph.

    Input `{"video", "question", "options"?}`; output `{"answer", "evidence", "stop_reason",
    "trajectory_id"}`.

    Args:
        policy: None for the embedded nano, a server's base URL, a model folder, a LangChain chat
            model, or a `Policy`.
        model: model name at the server; asked from it when None.
        dialect: `eva`, `native`, a `Dialect`, or `auto`: what a probe of the server finds.
        profile: `corrected`, or `reference` for the released harness's exact behaviour.
        instructions: add system text that teaches a general model the `eva` format.
        tools: names of the tools offered; None for those that the policy was trained with, where
            its folder says so, else the dialect's default.
        context: knobs used where a run gives none of its own.
        frames: where frames of unrecorded runs go; None for the user's cache.
        videos: how videos are opened, for example `OpenVideos(isolated=True)`; graphs that are
            given the same one share the open files.
        memory: notes across questions, read before an episode and written after its looks; None
            reads and writes none. The policy is told of them in its first message.
        approve: ask a person before every look: an `interrupt` with the `calls`, which
            `Command(resume=True)` runs and a list of calls in place of True replaces.
        interrupt_before: nodes before which every run stops, inside a larger graph too;
            `["action"]` lets a person change the `calls`.

    Raises:
        EvaGraphError: a part cannot be made; one line that says what to do.
    """
    wiring = wire(
        policy,
        model=model,
        dialect=dialect,
        profile=profile,
        instructions=instructions,
        tools=tools,
        context=context,
        frames=frames,
        videos=videos,
        memory=memory,
    )
    return compile_graph(replace(wiring, approve=approve), interrupt_before)


def wire(
    policy: str | PathLike[str] | Policy | BaseChatModel | None = None,
    *,
    model: str | None = None,
    dialect: str | Dialect = "eva",
    profile: Literal["corrected", "reference"] = "corrected",
    instructions: bool = False,
    tools: Sequence[str] | None = None,
    context: Context | None = None,
    frames: FrameStore | None = None,
    videos: OpenVideos | None = None,
    memory: VideoMemory | None = None,
) -> Wiring:
    """The parts of `build_graph`'s graph, made but not yet connected; same arguments and errors."""
    from eva_graph.policy.resolve import resolve_policy  # loads the clients only when needed

    resolved = resolve_policy(policy, model=model)
    if dialect == "auto":
        from eva_graph.probing import probed_dialect

        chosen, calls = probed_dialect(resolved, profile=profile, instructions=instructions)
        context = context or Context(calls=calls)
    else:
        chosen = get_dialect(dialect, profile=profile, instructions=instructions)
    if not isinstance(memory, VideoMemory | None):
        raise InvalidRequest(f"memory must be a VideoMemory, such as VideoMemory({memory!r:.40})")
    if memory is not None and not chosen.repairs:
        raise InvalidRequest("the reference profile is told nothing beforehand: leave memory out")
    return Wiring(
        policy=resolved,
        dialect=chosen,
        tools=chosen_tools(tools, chosen),
        tools_named=tools is not None,
        defaults=context or Context(),
        recorders=Recorders(frames),
        videos=videos or OpenVideos(),
        memory=memory,
    )


def compile_graph(wiring: Wiring, interrupt_before: Sequence[str] = ()) -> VideoGraph:
    """The state machine over bound parts."""
    graph = StateGraph(
        AgentState, context_schema=Context, input_schema=AgentInput, output_schema=AgentOutput
    )
    for name, core in NODES.items():
        graph.add_node(name, _node(wiring, name, core))
    graph.add_edge(START, "summary")
    graph.add_edge("summary", "plan")
    graph.add_conditional_edges("plan", _unless_ended("action"), ["action", END])
    graph.add_conditional_edges("action", _unless_ended("reflection"), ["reflection", END])
    graph.add_conditional_edges("reflection", _next_round, ["summary", END])
    return graph.compile(name="video_agent", interrupt_before=list(interrupt_before))


def _unless_ended(following: str) -> Any:
    def route(state: AgentState) -> str:
        return END if state.get("stop_reason") else following

    return route


def _next_round(state: AgentState) -> str | Send:
    # A Send, because summary has to tell a further round from a new question on the same thread,
    # and an edge says so where a mark in the state would be lost to a person's update.
    return END if state.get("stop_reason") else Send("summary", NextRound(**state, goes_on=True))


def _node(wiring: Wiring, name: str, core: NodeCore) -> Any:
    """A node for sync and async graphs over the same core."""

    def invoke(state: NextRound, config: RunnableConfig) -> dict[str, Any]:
        return run_sync(core(wiring, _node_run(wiring, config), state), PolicyCalls(config))

    async def ainvoke(state: NextRound, config: RunnableConfig) -> dict[str, Any]:
        run = await asyncio.to_thread(_node_run, wiring, config)
        return await run_async(core(wiring, run, state), PolicyCalls(config))

    return RunnableLambda(invoke, afunc=ainvoke, name=name)


def _node_run(wiring: Wiring, config: RunnableConfig) -> NodeRun:
    runtime: Runtime[Any] = get_runtime()
    execution = runtime.execution_info
    given = runtime.context
    # As a node of a larger graph the parent's own context object arrives here.
    context = given if isinstance(given, Context) else wiring.defaults
    settings = config.get("configurable", {})
    return NodeRun(
        context=context,
        thread_id=str(settings.get("thread_id", "")),
        namespace=str(settings.get("checkpoint_ns", "")).rpartition("|")[0],
        task_id=execution.task_id if execution else "",
        emit=runtime.stream_writer,
        store=runtime.store,
        attempt=execution.node_attempt if execution else 1,
    )


def chosen_tools(names: Sequence[str] | None, dialect: Dialect) -> dict[str, Tool]:
    """The tools of those names, or the dialect's own. Raises `InvalidRequest`."""
    wanted = dialect.default_tools if names is None else tuple(names)
    if wanted is None:
        return dict(TOOLS)
    unknown = [name for name in wanted if name not in TOOLS]
    if unknown or not wanted:
        raise InvalidRequest(
            f"unknown tool {unknown[0]!r}: choose from {', '.join(TOOLS)}"
            if unknown
            else f"no tool is offered: choose from {', '.join(TOOLS)}"
        )
    return {name: TOOLS[name] for name in wanted}
