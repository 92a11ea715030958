"""One question to many videos, a few at a time; a video that cannot be read sinks no other.

python examples/many_videos.py QUESTION VIDEO… [--policy URL|DIR] [--at-once 4]
"""

import argparse
import asyncio
import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.types import Send

from eva_graph import EvaGraphError, VideoAgent


class Finding(TypedDict):
    video: str
    answer: str | None
    problem: str | None


class Survey(TypedDict, total=False):
    question: str
    videos: list[str]
    findings: Annotated[list[Finding], operator.add]  # in the order of `videos`
    most_often: str


class One(TypedDict):
    video: str
    question: str


def spread(state: Survey) -> list[Send]:
    asked = [One(video=video, question=state["question"]) for video in state["videos"]]
    return [Send("watch", one) for one in asked]


def build(policy: str | None = None) -> StateGraph[Survey]:
    video = VideoAgent(policy).graph

    async def watch(one: One) -> Survey:
        try:
            output = await video.ainvoke({"video": one["video"], "question": one["question"]})
        except EvaGraphError as error:
            return {"findings": [Finding(video=one["video"], answer=None, problem=str(error))]}
        answer = output["answer"]
        problem = None if answer is not None else output["stop_reason"]
        return {"findings": [Finding(video=one["video"], answer=answer, problem=problem)]}

    def count(state: Survey) -> Survey:
        answers = [finding["answer"] for finding in state["findings"] if finding["answer"]]
        return {"most_often": max(answers, key=answers.count, default="nothing")}

    graph = StateGraph(Survey)
    graph.add_node("watch", watch)
    graph.add_node("count", count)
    graph.add_conditional_edges(START, spread, ["watch"])
    graph.add_edge("watch", "count")
    return graph


async def survey(question: str, videos: list[str], policy: str | None, at_once: int) -> Survey:
    start: Survey = {"question": question, "videos": videos}
    state: Survey = await build(policy).compile().ainvoke(start, {"max_concurrency": at_once})
    return state


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("question")
    parser.add_argument("videos", nargs="+")
    parser.add_argument("--policy")
    parser.add_argument("--at-once", type=int, default=4)
    given = parser.parse_args()
    state = asyncio.run(survey(given.question, given.videos, given.policy, given.at_once))
    for finding in state["findings"]:
        print(f"{finding['video']}: {finding['answer'] or finding['problem']}")
    print("most often:", state["most_often"])


if __name__ == "__main__":
    main()
