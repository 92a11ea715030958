"""Watch the agent think and look, through the larger graph that it is a node of.

python examples/watch.py VIDEO QUESTION [--policy URL|DIR] [--awaiting]
"""

import argparse
import asyncio
from typing import Any, TypedDict

from langgraph.config import get_stream_writer
from langgraph.graph import START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from rich.console import Console

from eva_graph import Step, VideoAgent
from eva_graph.terminal import StepPrinter


class Report(TypedDict, total=False):
    video: str
    question: str
    answer: str | None
    stop_reason: str
    headline: str


def write(state: Report) -> Report:
    get_stream_writer()({"writing": "a headline"})  # the parent's own news beside the agent's
    return {"headline": f"It shows {state['answer']} ({state['stop_reason']})."}


def build(policy: str | None = None) -> CompiledStateGraph[Any, Any, Any, Any]:
    graph = StateGraph(Report)
    graph.add_node("video", VideoAgent(policy).graph)
    graph.add_node("write", write)
    graph.add_edge(START, "video")
    graph.add_edge("video", "write")
    return graph.compile()


def show(part: dict[str, Any], printer: StepPrinter) -> None:
    """One part of a v2 stream: `type`, `ns` (empty for the parent itself), `data`."""
    if part["type"] == "custom":
        step = Step.from_event(part["data"])
        if step is None:
            print(part["data"])
            return
        printer.step(step)
        for stretch in step.data.get("evidence", ()):
            print(f"rests on {stretch['start_seconds']:g} to {stretch['end_seconds']:g} s")
    elif not part["ns"]:
        for node in part["data"]:
            print("done:", node)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("video")
    parser.add_argument("question")
    parser.add_argument("--policy")
    parser.add_argument("--awaiting", action="store_true", help="with astream")
    given = parser.parse_args()
    graph, printer = build(given.policy), StepPrinter(Console())
    start: Report = {"video": given.video, "question": given.question}
    settings: Any = {"stream_mode": ["custom", "updates"], "subgraphs": True, "version": "v2"}
    if given.awaiting:
        asyncio.run(watch(graph, start, settings, printer))
        return
    for part in graph.stream(start, **settings):
        show(part, printer)


async def watch(graph: Any, start: Report, settings: Any, printer: StepPrinter) -> None:
    async for part in graph.astream(start, **settings):
        show(part, printer)


if __name__ == "__main__":
    main()
