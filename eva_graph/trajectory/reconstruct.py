"""What the policy was given in every turn, from a record and its frames alone.

    for each in policy_inputs(record, store.frames):
        body = wire_messages(each)              # as the client sent them, pixels included
        each.request, each.tokens               # as the policy got it; ids where they were logged

The transcript before an assistant message is that turn's input; a call that a person edited stands
in the inputs of later turns as it was edited. With `calls="phase"` there is one input for each
part that the policy wrote, which continues the message begun; a part in which it wrote nothing left
no trace, and `stop` and `guided_regex` are not rebuilt.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage

from eva_graph.errors import TrajectoryError
from eva_graph.policy.delivery import Delivery
from eva_graph.policy.protocol import PolicyRequest
from eva_graph.policy.wire import WireFormat, to_wire
from eva_graph.trajectory.messages import message_from_json
from eva_graph.trajectory.schema import Trajectory, TurnRecord
from eva_graph.trajectory.token_chain import TurnTokens, token_chain
from eva_graph_tools import FrameStore

_DEFAULT_NEW_TOKENS = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyInput:
    """One policy call: what it was given, and what came of it.

    Attributes:
        turn: number of the assistant message, from 1.
        request: messages, frames, sampling and tool schemas, as the policy client got them.
        images_in: which message carried the images on the way to the server.
        sampled: the text that the policy wrote.
        edited: a person changed the calls afterwards: keep the turn out of every loss.
        tokens: prompt and sampled ids, where the policy gave them.
    """

    turn: int
    request: PolicyRequest
    images_in: Delivery
    sampled: str
    edited: bool
    tokens: TurnTokens | None


def policy_inputs(record: Trajectory, frames: FrameStore) -> Iterator[PolicyInput]:
    """The policy's inputs, in order. Pixels are read when a request's `load_frame` is called.

    Raises:
        TrajectoryError: the record's messages and turns do not fit together.
    """
    messages = [message_from_json(each) for each in record.messages]
    written = [at for at, each in enumerate(messages) if isinstance(each, AIMessage)]
    if len(written) != len(record.turns):
        raise TrajectoryError(
            f"record {record.trajectory_id} has {len(written)} assistant messages "
            f"for {len(record.turns)} turns"
        )
    tokens = {each.turn: each for each in token_chain(record)}
    for turn, end in zip(record.turns, written, strict=True):
        for begun, sampled in _parts(turn):
            yield PolicyInput(
                turn=turn.turn,
                request=_request(record, turn, messages[:end], frames, begun),
                images_in=turn.images_in,
                sampled=sampled,
                edited=turn.edited,
                tokens=tokens.get(turn.turn),
            )


def wire_messages(
    given: PolicyInput, wire_format: WireFormat | None = None
) -> list[dict[str, Any]]:
    """The `messages` field that an OpenAI-compatible server was sent, images as `data:` URLs.

    Args:
        given: the input.
        wire_format: another form than the client's default with the input's own delivery.

    Raises:
        FrameMissing: a frame is not in the store.
    """
    form = wire_format or WireFormat(delivery=given.images_in)
    return to_wire(given.request.messages, given.request.load_frame, form)


def _request(
    record: Trajectory,
    turn: TurnRecord,
    messages: list[AnyMessage],
    frames: FrameStore,
    begun: str | None,
) -> PolicyRequest:
    if begun is not None:
        identity = f"{record.trajectory_id}:{turn.turn}:assistant"
        messages = [*messages, AIMessage(content=begun, id=identity)]
    knobs = record.context
    return PolicyRequest(
        messages=messages,
        load_frame=frames.read,
        conversation_id=record.trajectory_id,
        temperature=knobs.get("temperature", 0.0),
        seed=knobs.get("seed"),
        max_new_tokens=turn.max_new_tokens or knobs.get("max_new_tokens", _DEFAULT_NEW_TOKENS),
        tools=record.tool_schemas,
        continue_final=begun is not None,
    )


def _parts(turn: TurnRecord) -> list[tuple[str | None, str]]:
    """What had been written of the message before each policy call, and what the call wrote.

    None before a call that wrote a whole message.
    """
    if all(span.sampled for span in turn.spans):
        return [(None, turn.text)]
    parts: list[tuple[str | None, str]] = []
    text = ""
    for span in turn.spans:
        if span.sampled:
            parts.append((text, span.text))
        text += span.text
    return parts
