"""The agent as a tool of a supervisor that knows several videos by name and never sees a path.

python examples/supervisor.py TASK VIDEO… --chat URL [--chat-model NAME] [--policy URL|DIR]

--chat is the base URL of any OpenAI-compatible server whose model calls tools; the key is read
from OPENAI_API_KEY. Needs `pip install langchain-openai`; other LangChain chat models do as well.
"""

import argparse
import os
from pathlib import Path
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import HumanMessage, SystemMessage
from langchain_openai import ChatOpenAI
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.prebuilt import ToolNode, tools_condition

from eva_graph import VideoAgent

ROLE = "You answer with what the videos show. Ask about one thing at a time; say where it was seen."


def build(
    chat: BaseChatModel, videos: dict[str, str], policy: str | None = None
) -> CompiledStateGraph[Any, Any, Any, Any]:
    tools = [VideoAgent(policy).as_tool(videos)]
    model = chat.bind_tools(tools)

    def supervise(state: MessagesState) -> dict[str, Any]:
        return {"messages": [model.invoke([SystemMessage(ROLE), *state["messages"]])]}

    graph = StateGraph(MessagesState)
    graph.add_node("supervisor", supervise)
    graph.add_node("tools", ToolNode(tools))
    graph.add_edge(START, "supervisor")
    graph.add_conditional_edges("supervisor", tools_condition)  # "tools", or the end
    graph.add_edge("tools", "supervisor")
    return graph.compile()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("task")
    parser.add_argument("videos", nargs="+")
    parser.add_argument("--chat", required=True)
    parser.add_argument("--chat-model", default="default")
    parser.add_argument("--policy")
    given = parser.parse_args()
    chat = ChatOpenAI(
        base_url=given.chat,
        model=given.chat_model,
        api_key=lambda: os.environ.get("OPENAI_API_KEY", "none"),
        use_responses_api=False,
        timeout=300,
        max_retries=2,
    )
    graph = build(chat, {Path(path).name: path for path in given.videos}, given.policy)
    state = graph.invoke({"messages": [HumanMessage(given.task)]}, {"recursion_limit": 25})
    for message in state["messages"]:
        for call in getattr(message, "tool_calls", ()):
            print("asks", call["args"])
        if message.text:
            print(message.type, message.text)


if __name__ == "__main__":
    main()
