"""What a server gives beside text, and what it can be told about the next one.

Fields that a server does not know are often ignored: so every check looks at what came of them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, SystemMessage

from eva_graph.dialects import Calls, EvaDialect, Question
from eva_graph.dialects.native import tool_schemas
from eva_graph.policy.probe.asking import Asking, Heard
from eva_graph.policy.probe.pixels import found
from eva_graph.policy.probe.report import Found
from eva_graph.policy.replies import LogprobsKind, read_completion
from eva_graph_tools import TOOLS, VideoInfo, VisualGrid

PLAIN: Sequence[AnyMessage] = (HumanMessage("Say yes."),)
SCHEMAS = tool_schemas([TOOLS["seek"]])
_CALL_TOKENS = 64
_TURN_TOKENS = 512
_GUIDED = "k7(red|blue)"
_NEARLY_GREEDY = {"temperature": 1.0, "top_p": 1e-6}
"""The likeliest token, yet by sampling: greedy decoding passes `top_p` by."""
_SURE = -5e-4
"""A likelier token than this has the same log-probability, raw or processed."""
_VIDEO = VideoInfo(
    duration_seconds=60.0,
    width=640,
    height=360,
    average_fps=25.0,
    codec="h264",
    container="mp4",
    frame_count=1500,
    start_offset_seconds=0.0,
    rotation_degrees=0,
    coded_width=640,
    coded_height=360,
    stream_duration_seconds=60.0,
)


def token_ids(plain: Heard) -> Found:
    """Whether the ids of prompt and completion come along."""
    completion = plain.completion
    if completion is None or completion.token_ids is None or completion.prompt_token_ids is None:
        return found("token_ids", "no", "none came back")
    if len(completion.prompt_token_ids) != completion.prompt_tokens:
        return found("token_ids", "no", "there are not as many as the server counts tokens")
    return found("token_ids", "yes", "of prompt and completion")


async def logprobs(asking: Asking, plain: Heard) -> tuple[Found, LogprobsKind | None]:
    """Whether log-probabilities come along, and whether they are raw or processed.

    With `top_p` near 0 a processed one is 0, and a raw one is what it was without.
    """
    before = _first_logprob(plain)
    if before is None:
        return found("logprobs", "no", "none came back"), None
    after = _first_logprob(await asking.ask(PLAIN, change=lambda body: body | _NEARLY_GREEDY))
    if after is None or before > _SURE:
        return found("logprobs", "yes", "whether raw or processed cannot be told"), None
    kind: LogprobsKind = "processed" if after > _SURE else "raw"
    return found("logprobs", "yes", kind), kind


def _first_logprob(heard: Heard) -> float | None:
    if heard.reply is None:
        return None
    given = read_completion(heard.reply, "raw").logprobs
    return given[0] if given else None


async def native_tools(asking: Asking) -> Found:
    """Whether the model is told of tools, and whether a call comes back parsed."""
    question: list[AnyMessage] = [
        HumanMessage("Use the tool seek to look at the video at 3 seconds.")
    ]
    told = await asking.ask(question, new_tokens=_CALL_TOKENS, tools=SCHEMAS)
    if told.completion is None:
        return found("native_tools", "no", told.trouble)
    if told.completion.tool_calls:
        return found("native_tools", "yes", "a call came back parsed")
    untold = await asking.ask(question)
    growth = told.growth_over(untold)
    if growth is None:
        return found("native_tools", "unknown", "accepted, but no call came back")
    if growth <= 0:
        return found("native_tools", "ignored", "accepted, but not written into the prompt")
    return found("native_tools", "yes", "told to the model, which made no call of it here")


async def continuation(asking: Asking) -> Found:
    """Whether a begun assistant message is continued: no new turn is opened in the prompt."""
    messages = (HumanMessage("Count to ten."), AIMessage("One, two, three,"))
    continued = await asking.ask(messages, continue_final=True)
    if continued.error is not None:
        return found("continuation", "no", continued.trouble)
    opened = await asking.ask(messages)
    growth = opened.growth_over(continued)
    if growth is None:
        why = opened.trouble if opened.error else "accepted, but the server counts no tokens"
        return found("continuation", "unknown", why)
    if growth <= 0:
        return found("continuation", "ignored", "accepted, but the prompt is the same without")
    return found("continuation", "yes", "the begun message stays open")


async def guided_decoding(asking: Asking) -> Found:
    """Whether text is held to a regular expression that no model would write by itself."""
    guided = await asking.ask(PLAIN, new_tokens=16, guided_regex=_GUIDED)
    if guided.completion is None:
        return found("guided_decoding", "no", guided.trouble)
    if re.fullmatch(_GUIDED, guided.completion.text) is None:
        return found("guided_decoding", "ignored", f"wrote {guided.completion.text[:40]!r}")
    return found("guided_decoding", "yes", "text is held to a regular expression")


async def eva_format(asking: Asking) -> Found:
    """Whether the model opens an episode with a look, untaught."""
    dialect = EvaDialect()
    question = Question(text="What is shown at 00:30?")
    opening: list[AnyMessage] = [
        SystemMessage(dialect.system_text((), VisualGrid(), 0)),
        HumanMessage(dialect.user_text(question, _VIDEO)),
    ]
    heard = await asking.ask(opening, new_tokens=_TURN_TOKENS)
    if heard.completion is None:
        return found("eva_format", "unknown", heard.trouble)
    text = heard.completion.text
    truncated = heard.completion.finish_reason == "length"
    if isinstance(dialect.read(text, truncated=truncated), Calls):
        return found("eva_format", "yes", "opens with a <tool_call> untaught")
    return found("eva_format", "no", f"opens with {text[:40]!r}")
