"""Asks a server one small thing at a time; whatever comes back is a `Heard`, never an exception.

Requests have the form of the policy's own (`request_body`). Each is bounded in new tokens and in
seconds, and is sent once more at most. A field that the server names in a refusal is left out from
then on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from langchain_core.messages import AnyMessage

from eva_graph.errors import ContextOverflow, PolicyError, PolicyUnavailable
from eva_graph.policy.delivery import Delivery
from eva_graph.policy.manners import Manners, plainer
from eva_graph.policy.probe.pictures import Pictures
from eva_graph.policy.protocol import Completion, PolicyRequest
from eva_graph.policy.replies import read_completion
from eva_graph.policy.request_body import request_body
from eva_graph.policy.transport import Exchange, Refused, Server

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What came back: a completion and the reply it was read from, or an error."""

    completion: Completion | None = None
    reply: Json | None = None
    error: PolicyError | None = None

    @property
    def prompt_tokens(self) -> int | None:
        """Length of the prompt as the server counts it."""
        return self.completion.prompt_tokens if self.completion else None

    @property
    def trouble(self) -> str:
        """What went wrong, in one line."""
        if isinstance(self.error, Refused):
            return f"refused with {self.error.status}: {self.error.detail}"
        return str(self.error)

    def growth_over(self, other: Heard) -> int | None:
        """By how many tokens this prompt is longer; None where the server counts none."""
        if self.prompt_tokens is None or other.prompt_tokens is None:
            return None
        return self.prompt_tokens - other.prompt_tokens


class Asking:
    """A probe's hold on the server: its manners so far, and how much was asked."""

    def __init__(self, server: Server, model: str, extra_body: Mapping[str, Any]) -> None:
        self.pictures = Pictures()
        self.manners = Manners()
        self.requests = 0
        self.model = model
        self._extra_body = extra_body
        self._give_up = time.monotonic() + server.deadline_seconds
        self.server = replace(
            server, deadline_seconds=server.timeout_seconds, max_retries=min(1, server.max_retries)
        )

    async def ask(
        self,
        messages: Sequence[AnyMessage],
        *,
        new_tokens: int = 1,
        delivery: Delivery = "tool",
        tools: Sequence[Mapping[str, Any]] = (),
        continue_final: bool = False,
        guided_regex: str | None = None,
        change: Callable[[Json], Json] = dict,
    ) -> Heard:
        """Send one request; `change` may alter its body."""
        request = PolicyRequest(
            messages=messages,
            load_frame=self.pictures.load,
            conversation_id="probe",
            max_new_tokens=new_tokens,
            tools=tools,
            continue_final=continue_final,
            guided_regex=guided_regex,
        )
        manners: Manners | None = replace(self.manners, delivery=delivery)
        heard = Heard(error=PolicyUnavailable("not asked: the time of the probe is over"))
        while manners is not None and time.monotonic() < self._give_up:
            self.manners = manners
            body = request_body(request, model=self.model, manners=manners)
            heard = await self._send(change({**body, **self._extra_body}))
            manners = _next(manners, heard.error)
        return heard

    async def _send(self, body: Json) -> Heard:
        async with Exchange(self.server) as exchange:
            try:
                reply = await exchange.post("/chat/completions", body)
                return Heard(completion=read_completion(reply, None), reply=reply)
            except PolicyError as error:
                return Heard(error=error)
            finally:
                self.requests += exchange.requests


def _next(manners: Manners, error: PolicyError | None) -> Manners | None:
    """The form to try next; images stay where they are, and no request goes out unbounded."""
    if not isinstance(error, Refused) or isinstance(error, ContextOverflow):
        return None
    return plainer(manners, error, ())
