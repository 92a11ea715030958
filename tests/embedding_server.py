"""What the scripted server says where examples use it as a policy and as a supervisor's model."""

from __future__ import annotations

import json

from episodes import TWO_LOOKS
from openai_replies import Json, Reply


def as_policy(body: Json) -> str:
    """The three turns of `TWO_LOOKS`, or at once the answer that the prompt remembers."""
    text = json.dumps(body["messages"][1]["content"])
    if "Answered: " in text:
        return "Summary: It is known.\n<answer>remembered</answer>"
    return TWO_LOOKS[sum(message["role"] == "assistant" for message in body["messages"])]


def as_supervisor(body: Json) -> Reply | str:
    """Asks about every video that the tool's schema names, then repeats what it heard."""
    if "tools" not in body:
        return as_policy(body)
    heard = [message["content"] for message in body["messages"] if message["role"] == "tool"]
    if heard:
        return Reply(text="I heard: " + " | ".join(heard))
    (tool,) = body["tools"]
    names = tool["function"]["parameters"]["properties"]["video"]["enum"]
    asked = [{"video": name, "question": "Which colour at 3 s?"} for name in names]
    return Reply(text="", calls=[(tool["function"]["name"], json.dumps(one)) for one in asked])
