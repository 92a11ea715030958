"""The agent as a node of a larger graph with other state, under that graph's SQLite checkpointer.

python examples/as_node.py VIDEO QUESTION… answers several questions about one video, one after the
other; stopped and started again it goes on where it was.
"""

import sys
from typing import TypedDict

from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, StateGraph

from eva_graph import VideoAgent


class Interview(TypedDict, total=False):
    video: str
    open_questions: list[str]
    question: str
    answer: str | None
    notes: list[str]


def choose(state: Interview) -> Interview:
    return {"question": state["open_questions"][0]}


def note(state: Interview) -> Interview:
    line = f"{state['question']} {state['answer']}"
    return {"open_questions": state["open_questions"][1:], "notes": [*state["notes"], line]}


def build(policy: str | None = None) -> StateGraph[Interview]:
    graph = StateGraph(Interview)
    graph.add_node("choose", choose)
    graph.add_node("video", VideoAgent(policy).graph)  # takes video and question, gives answer
    graph.add_node("note", note)
    graph.add_edge(START, "choose")
    graph.add_edge("choose", "video")
    graph.add_edge("video", "note")
    graph.add_conditional_edges("note", lambda s: "choose" if s["open_questions"] else END)
    return graph


def main(video: str, *questions: str) -> None:
    with SqliteSaver.from_conn_string("interview.sqlite") as saver:
        graph = build().compile(checkpointer=saver)
        thread = {"configurable": {"thread_id": video}}
        unfinished = graph.get_state(thread).next
        start: Interview = {"video": video, "open_questions": list(questions), "notes": []}
        for line in graph.invoke(None if unfinished else start, thread)["notes"]:
            print(line)


if __name__ == "__main__":
    main(*sys.argv[1:])
