"""A person approves every look of the agent, or puts another in its place.

python examples/approve_looks.py VIDEO QUESTION [--policy URL|DIR] [--record runs/approved]

Before each look it stops and shows the calls. Enter runs them; a call as JSON replaces them, like
{"tool": "frame_select", "arguments": {"start_time": 0, "end_time": 9, "nframes": 3}}; q ends.
"""

import argparse
import json
import uuid
from typing import Any

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Command

from eva_graph import AgentInput, AgentOutput, Context, build_graph
from eva_graph.trajectory import RunStore


def build(policy: str | None, record: str) -> CompiledStateGraph[Any, Any, Any, Any]:
    video = build_graph(policy, context=Context(record=record), approve=True)
    graph = StateGraph(AgentInput, output_schema=AgentOutput)
    graph.add_node("video", video)
    graph.add_edge(START, "video")
    return graph.compile(checkpointer=InMemorySaver())


def decide(asked: dict[str, Any]) -> Any:
    """True to run the calls, a list in their place, or None to end."""
    if asked["problem"]:
        print("not like that:", asked["problem"])
    for call in asked["calls"]:
        print("wants", json.dumps(call["arguments"]), "of", call["tool"])
    if not asked["calls"]:
        print("wrote no call that can be read; Enter tells it so")
    given = input("Enter, a call, or q: ").strip()
    if given in ("", "q"):
        return True if given == "" else None
    try:
        return [json.loads(given)]
    except ValueError:
        return given  # no call: it is asked for again


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("video")
    parser.add_argument("question")
    parser.add_argument("--policy")
    parser.add_argument("--record", default="runs/approved")
    given = parser.parse_args()
    graph = build(given.policy, given.record)
    thread: Any = {"configurable": {"thread_id": uuid.uuid4().hex}}
    output = graph.invoke({"video": given.video, "question": given.question}, thread)
    while "__interrupt__" in output:
        word = decide(output["__interrupt__"][0].value)
        if word is None:
            return
        output = graph.invoke(Command(resume=word), thread)
    print(f"{output['answer']} ({output['stop_reason']})")
    record = RunStore(given.record).get(output["trajectory_id"])
    for turn in record.turns:
        print(f"turn {turn.turn}:", "edited by a person" if turn.edited else "as it was written")


if __name__ == "__main__":
    main()
