"""What does a server accept? Some twenty small requests, each bounded, and what follows from them.

    report = OpenAIPolicy("http://localhost:8000/v1").probe()
    report.delivery, report.dialect, report.calls

Nothing a server does raises: it becomes a finding.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from eva_graph.errors import PolicyError
from eva_graph.policy.probe import words
from eva_graph.policy.probe.asking import Asking, Heard
from eva_graph.policy.probe.pixels import ImageChecks, found
from eva_graph.policy.probe.report import Answer, Capability, Found, ServerReport, suited_dialect
from eva_graph.policy.replies import ServedModel
from eva_graph.policy.transport import Server

__all__ = ["Answer", "Capability", "Found", "ServerReport", "probe_server", "unreachable"]


async def probe_server(
    server: Server, served: ServedModel, extra_body: Mapping[str, Any]
) -> ServerReport:
    """Ask a server what it accepts.

    Args:
        server: where requests go; its timeout bounds every answer, its deadline the whole probe.
        served: the model to ask.
        extra_body: further fields of every request.
    """
    started = time.monotonic()
    asking = Asking(server, served.name, extra_body)
    plain = await asking.ask(words.PLAIN, new_tokens=16)
    if plain.error is None:
        report = await _examine(asking, plain)
    else:
        report = unreachable(server, served.name, plain.error)
    return replace(
        report,
        context_tokens=served.context_tokens,
        without=asking.manners.without,
        length_field=asking.manners.length_field,
        requests=asking.requests,
        seconds=time.monotonic() - started,
    )


def unreachable(server: Server, model: str | None, error: PolicyError) -> ServerReport:
    """The report of a server that answers no chat."""
    return ServerReport(
        base_url=server.base_url,
        model=model or "",
        found=(found("chat", "no", str(error)),),
    )


async def _examine(asking: Asking, plain: Heard) -> ServerReport:
    """What is found on a server that answers."""
    chat = found("chat", "yes", f"{asking.model} answers")
    habits = [chat, await words.eva_format(asking), await words.native_tools(asking)]
    native = suited_dialect(habits) == "native"
    checks = ImageChecks(asking, words.SCHEMAS if native else ())
    seen, patch_pixels = await checks.seen(plain)
    pixels, delivery = [seen], None
    if seen.answer in ("yes", "unknown"):
        tried, delivery = await checks.deliveries()
        pixels += tried
    if delivery is not None:
        pixels += [*await checks.several(delivery), await checks.uuids()]
    logprobs, kind = await words.logprobs(asking, plain)
    rest = [
        words.token_ids(plain),
        logprobs,
        await words.continuation(asking),
        await words.guided_decoding(asking),
    ]
    return ServerReport(
        base_url=asking.server.base_url,
        model=asking.model,
        found=(*habits, *pixels, *rest),
        delivery=delivery,
        patch_pixels=patch_pixels,
        logprobs_kind=kind,
    )
