"""An episode in a process whose environment alone says where traces go: python traced_episode.py
POLICY_URL VIDEO RUN (`chat:` before the URL makes it a LangChain chat model).
"""

import sys

from episodes import QUESTION
from langchain_core.tracers.langchain import wait_for_all_tracers
from langchain_openai import ChatOpenAI

from eva_graph import Context, build_graph


def main(policy: str, video: str, run: str) -> None:
    url = policy.removeprefix("chat:")
    model = ChatOpenAI(base_url=url, api_key="none", model="scripted-vl", timeout=60)
    graph = build_graph(model if policy != url else url, context=Context(record=run))
    print(graph.invoke({"video": video, "question": QUESTION})["trajectory_id"])
    wait_for_all_tracers()


if __name__ == "__main__":
    main(*sys.argv[1:])
