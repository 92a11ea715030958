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

from eva_graph import AgentInput, AgentOutput, Context, EvaGraphError, build_graph
from eva_graph.trajectory import RunStore

Calls = list[dict[str, Any]]


def build(policy: str | None, record: str) -> CompiledStateGraph[Any, Any, Any, Any]:
    video = build_graph(policy, context=Context(record=record), interrupt_before=["action"])
    graph = StateGraph(AgentInput, output_schema=AgentOutput)
    graph.add_node("video", video)
    graph.add_edge(START, "video")
    return graph.compile(checkpointer=InMemorySaver())


def decide(calls: Calls) -> Calls | None:
    """What to run, or None to end."""
    for call in calls:
        print("wants", json.dumps(call["arguments"]), "of", call["tool"])
    if not calls:
        print("wrote no call that can be read, and is told so")
    given = input("Enter, a call, or q: ").strip()
    if given == "q":
        return None
    return [json.loads(given)] if given else calls


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
    while graph.get_state(thread).next:
        stopped = graph.get_state(thread, subgraphs=True).tasks[0].state
        try:
            calls = decide(stopped.values["calls"])
            if calls is None:
                return
            if calls != stopped.values["calls"]:
                graph.update_state(stopped.config, {"calls": calls})
            output = graph.invoke(None, thread)
        except (ValueError, EvaGraphError) as error:
            print("not like that:", error)
    print(f"{output['answer']} ({output['stop_reason']})")
    record = RunStore(given.record).get(output["trajectory_id"])
    for turn in record.turns:
        print(f"turn {turn.turn}:", "edited by a person" if turn.edited else "as it was written")


if __name__ == "__main__":
    main()
