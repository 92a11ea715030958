"""`dialect="auto"`: what suits a policy is asked of its server, once, when a graph is made."""

from __future__ import annotations

from typing import Literal

from eva_graph.dialects import Dialect, get_dialect
from eva_graph.errors import InvalidRequest, PolicyUnavailable
from eva_graph.policy.openai_compatible import OpenAIPolicy
from eva_graph.policy.protocol import Policy


def probed_dialect(
    policy: Policy, *, profile: str, instructions: bool
) -> tuple[Dialect, Literal["turn", "phase"]]:
    """The dialect and the way of calling that suit the server behind a policy.

    `instructions` asks for them even where the model writes the format untaught.

    Raises:
        InvalidRequest: there is no server to ask, its model is shown no image, or there is no such
            dialect with `profile`.
        PolicyUnavailable: the server answers no chat.
    """
    if not isinstance(policy, OpenAIPolicy):
        raise InvalidRequest(
            'dialect "auto" asks an OpenAI-compatible server: pass policy= its URL, or choose eva '
            "or native"
        )
    report = policy.probe()
    if not report.reachable:
        raise PolicyUnavailable(report.found[0].detail, requests=report.requests)
    if report.delivery is None:
        refused = [one for one in report.found if "images" in one.capability]
        raise InvalidRequest(f"{report.base_url} shows its model no image: {refused[-1].detail}")
    taught = report.instructions or (instructions and report.dialect == "eva")
    chosen = get_dialect(report.dialect, profile=profile, instructions=taught)
    return chosen, report.calls if taught else "turn"
