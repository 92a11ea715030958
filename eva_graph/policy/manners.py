"""What form of a request a server takes, learnt from what it refuses.

Servers that speak "the OpenAI protocol" differ in what they accept: images in tool messages, tool
messages that no tool call came before, fields beyond the standard. `plainer` answers a refusal with
the next form to try; every form differs from all before it, so the number of tries is bounded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from langchain_core.messages import AnyMessage

from eva_graph.errors import ContextOverflow
from eva_graph.policy.delivery import Delivery, next_delivery
from eva_graph.policy.transport import Refused

_BAD_REQUEST = {400, 422}
_DISPENSABLE = ("return_token_ids", "logprobs", "uuid")


@dataclass(frozen=True, slots=True, kw_only=True)
class Manners:
    """The form of a request.

    Attributes:
        delivery: which message carries a look's images.
        without: optional fields that are left out.
        length_field: name of the field that bounds the new tokens.
        bounded: whether that field is sent; without it the server takes the room that is left.
    """

    delivery: Delivery = "tool"
    without: frozenset[str] = frozenset()
    length_field: str = "max_tokens"
    bounded: bool = True


def plainer(manners: Manners, refusal: Refused, messages: Sequence[AnyMessage]) -> Manners | None:
    """The form to try after this one was refused, or None if the form is not at fault."""
    if isinstance(refusal, ContextOverflow):
        # The prompt alone may still fit: only its sum with the longest completion does not.
        return replace(manners, bounded=False) if manners.bounded else None
    if refusal.status not in _BAD_REQUEST:
        return None
    if manners.length_field == "max_tokens" and "max_completion_tokens" in refusal.detail:
        return replace(manners, length_field="max_completion_tokens")
    named = {field for field in _DISPENSABLE if field in refusal.detail} - manners.without
    if named:
        return replace(manners, without=manners.without | named)
    delivery = next_delivery(messages, manners.delivery)
    return None if delivery is None else replace(manners, delivery=delivery)
