"""A policy that is told more than the transcript says, so that the record stays plain.

A student is trained on the recorded prompt, without guidance. The guidance is put behind the
system text of each request and nowhere else: the graph's messages, and so the record, do not hold
it. Token ids and log-probabilities of such turns belong to another prompt than the recorded one:
they are dropped, which makes the episode unfit for exact rollouts and leaves SFT and KTO untouched.
`prompt_tokens` counts what was really sent.
"""

from __future__ import annotations

from dataclasses import replace

from langchain_core.messages import AnyMessage, SystemMessage

from eva_graph.blocks import text_of
from eva_graph.dialects.eva import EvaDialect
from eva_graph.episode import Wiring
from eva_graph.policy.protocol import Completion, Policy, PolicyInfo, PolicyRequest


class GuidedPolicy:
    """A policy with guidance of its own.

    Args:
        policy: who writes.
        guidance: what it is told behind the system text.
    """

    def __init__(self, policy: Policy, guidance: str) -> None:
        self._policy = policy
        self._guidance = guidance

    @property
    def info(self) -> PolicyInfo:
        """The policy's own."""
        return self._policy.info

    def generate(self, request: PolicyRequest) -> Completion:
        """The policy's turn under guidance. Raises `PolicyError`."""
        return _without_ids(self._policy.generate(self._guided(request)))

    async def agenerate(self, request: PolicyRequest) -> Completion:
        """Like `generate`, without blocking the event loop."""
        return _without_ids(await self._policy.agenerate(self._guided(request)))

    def _guided(self, request: PolicyRequest) -> PolicyRequest:
        messages = [self._with_guidance(message) for message in request.messages]
        return replace(request, messages=messages)

    def _with_guidance(self, message: AnyMessage) -> AnyMessage:
        if not isinstance(message, SystemMessage):
            return message
        return SystemMessage(content=f"{text_of(message)}\n\n{self._guidance}", id=message.id)


def format_lesson(wiring: Wiring, look_budget: int) -> str:
    """The text that teaches a general model the `eva` format, for the wiring's tools.

    Raises:
        PolicyError: the policy's server cannot be asked for its patches.
    """
    teaching = EvaDialect(instructions=True)
    info = wiring.policy.info
    return teaching.system_text(list(wiring.offered(info).values()), info.grid, look_budget)


def _without_ids(completion: Completion) -> Completion:
    return replace(
        completion,
        prompt_token_ids=None,
        token_ids=None,
        logprobs=None,
        logprobs_kind=None,
        image_grids=None,
    )
