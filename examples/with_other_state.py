"""The agent in a graph whose state has other words: a node maps them in and out.

python examples/with_other_state.py RECORDING CHECK… [--policy URL|DIR] works through a check list,
one question a step, so that a run that is resumed repeats none.
"""

import argparse
import operator
from typing import Annotated, TypedDict

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph

from eva_graph import VideoAgent
from eva_graph_tools import labels


class Finding(TypedDict):
    check: str
    result: str
    seen_at: list[str]


class Inspection(TypedDict, total=False):
    recording: str
    checks: list[str]
    findings: Annotated[list[Finding], operator.add]


def build(policy: str | None = None) -> StateGraph[Inspection]:
    video = VideoAgent(policy).graph

    def inspect(state: Inspection) -> Inspection:
        check = state["checks"][0]
        output = video.invoke({"video": state["recording"], "question": check})
        seen_at = labels([stretch["start_seconds"] for stretch in output["evidence"]])
        result = output["answer"] or f"no answer ({output['stop_reason']})"
        finding = Finding(check=check, result=result, seen_at=seen_at)
        return {"checks": state["checks"][1:], "findings": [finding]}

    graph = StateGraph(Inspection)
    graph.add_node("inspect", inspect)
    graph.add_edge(START, "inspect")
    graph.add_conditional_edges("inspect", lambda s: "inspect" if s["checks"] else END)
    return graph


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recording")
    parser.add_argument("checks", nargs="+")
    parser.add_argument("--policy")
    given = parser.parse_args()
    graph = build(given.policy).compile(checkpointer=InMemorySaver())
    start: Inspection = {"recording": given.recording, "checks": given.checks}
    state = graph.invoke(start, {"configurable": {"thread_id": given.recording}})
    for finding in state["findings"]:
        print(f"{finding['check']} {finding['result']}", *finding["seen_at"])


if __name__ == "__main__":
    main()
