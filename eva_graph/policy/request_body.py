"""The JSON body of a chat-completions request: what a policy request becomes in a server's form."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from eva_graph.policy.manners import Manners
from eva_graph.policy.protocol import PolicyRequest
from eva_graph.policy.wire import WireFormat, to_wire
from eva_graph_tools import FrameRef

Json = dict[str, Any]


def request_body(
    request: PolicyRequest,
    *,
    model: str,
    manners: Manners,
    logprobs: bool = True,
    frame_path: Callable[[FrameRef], Path | None] | None = None,
) -> Json:
    """The body of a request.

    Args:
        request: the transcript and how to sample.
        model: served name.
        manners: the form that the server takes.
        logprobs: whether log-probabilities are wished for.
        frame_path: see `WireFormat`.

    Raises:
        FrameMissing: the request's `load_frame` cannot give a frame.
    """
    wire_format = WireFormat(
        delivery=manners.delivery,
        media_uuid="uuid" not in manners.without,
        frame_path=frame_path,
    )
    body: Json = {
        "model": model,
        "messages": to_wire(request.messages, request.load_frame, wire_format),
        "temperature": request.temperature,
        "return_token_ids": True,
    }
    if manners.bounded:
        body[manners.length_field] = request.max_new_tokens
    if logprobs:
        body["logprobs"] = True
    if request.seed is not None:
        body["seed"] = request.seed
    if request.stop:
        body["stop"] = list(request.stop)
    if request.tools:
        body["tools"] = [dict(tool) for tool in request.tools]
    if request.continue_final:
        body |= {"continue_final_message": True, "add_generation_prompt": False}
    if request.guided_regex is not None:
        body["structured_outputs"] = {"regex": request.guided_regex}
    return {name: value for name, value in body.items() if name not in manners.without}
