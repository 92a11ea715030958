"""What a probe found out about a server, and what follows from it.

`yes`: accepted, and seen to work. `no`: refused. `ignored`: accepted without effect, the worst
case, since nobody says so. `unknown`: accepted, but the server gives no numbers that would show it,
or it could not be asked.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from eva_graph.policy.delivery import Delivery
from eva_graph.policy.replies import LogprobsKind

Answer: TypeAlias = Literal["yes", "no", "ignored", "unknown"]
Capability: TypeAlias = Literal[
    "chat",
    "images",
    "tool_images",
    "images_after_tool",
    "user_only_images",
    "several_images",
    "media_uuids",
    "cached_tokens",
    "token_ids",
    "logprobs",
    "native_tools",
    "continuation",
    "guided_decoding",
    "eva_format",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One capability: the answer, and in one line what it rests on."""

    capability: Capability
    answer: Answer
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerReport:
    """Everything a probe found, in the order in which it asked."""

    base_url: str
    model: str
    found: tuple[Found, ...]
    context_tokens: int | None = None
    delivery: Delivery | None = None
    """The message that carries a look's images; None: no image reaches the model."""
    patch_pixels: int | None = None
    """Side of one visual token, as two pictures' costs give it; None: they do not."""
    logprobs_kind: LogprobsKind | None = None
    """What the server's log-probabilities are; None: it gives none, or it cannot be told."""
    without: frozenset[str] = frozenset()
    """Optional fields that the server refuses."""
    length_field: str = "max_tokens"
    requests: int = 0
    seconds: float = 0.0

    def answer(self, capability: Capability) -> Answer:
        """What was found of a capability; `unknown` where it was not asked for."""
        for one in self.found:
            if one.capability == capability:
                return one.answer
        return "unknown"

    def can(self, capability: Capability) -> bool:
        """Whether a capability was seen to work."""
        return self.answer(capability) == "yes"

    @property
    def reachable(self) -> bool:
        """Whether the server answers chat completions at all."""
        return self.can("chat")

    @property
    def dialect(self) -> Literal["eva", "native"]:
        """The dialect that suits: `eva` for what writes it untaught, else the server's own calls.

        Models with neither are taught `eva` by `instructions`.
        """
        return suited_dialect(self.found)

    @property
    def instructions(self) -> bool:
        """Whether the model has to be taught the format."""
        return self.dialect == "eva" and not self.can("eva_format")

    @property
    def continues(self) -> bool:
        """Whether `calls="phase"` works: messages are continued and decoding can be guided."""
        return self.can("continuation") and self.can("guided_decoding")

    @property
    def calls(self) -> Literal["turn", "phase"]:
        """Policy calls that suit: `phase` only for models that have to be taught."""
        return "phase" if self.instructions and self.continues else "turn"

    @property
    def options(self) -> str:
        """What suits, as options of `eva-graph ask`."""
        taught = " --instructions" if self.instructions else ""
        return f"--dialect {self.dialect}{taught} --calls {self.calls}"

    def to_record(self) -> dict[str, Any]:
        """What a trajectory record keeps (`ProbeRecord`)."""
        return {
            "found": {one.capability: one.answer for one in self.found},
            "images_in": self.delivery,
            "dialect": self.dialect,
            "instructions": self.instructions,
            "calls": self.calls,
            "patch_pixels": self.patch_pixels,
            "logprobs_kind": self.logprobs_kind,
            "requests": self.requests,
        }


def suited_dialect(found: Iterable[Found]) -> Literal["eva", "native"]:
    """See `ServerReport.dialect`."""
    can = {one.capability for one in found if one.answer == "yes"}
    return "native" if "native_tools" in can and "eva_format" not in can else "eva"
