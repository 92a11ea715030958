"""A policy behind any OpenAI-compatible server, vLLM first.

It sends chat completions and keeps the token ids and log-probabilities that the server offers.
What a server refuses (images in tool messages, fields it does not know) is tried once in the next
plainer form, and what passed is remembered for the following calls.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from eva_graph.errors import (
    ContextOverflow,
    ContinuationUnsupported,
    PolicyError,
    PolicyProtocolError,
)
from eva_graph.policy.delivery import Delivery
from eva_graph.policy.limits_file import served_limits
from eva_graph.policy.manners import Manners, plainer
from eva_graph.policy.probe import ServerReport, probe_server, unreachable
from eva_graph.policy.protocol import Completion, PolicyInfo, PolicyRequest
from eva_graph.policy.replies import LogprobsKind, ServedModel, read_completion, read_models
from eva_graph.policy.request_body import request_body
from eva_graph.policy.transport import Exchange, Refused, Server, check_address, run_blocking
from eva_graph_tools import FrameRef, VisualGrid

Json = dict[str, Any]

_CONTINUATION_STATUS = {400, 422}


class OpenAIPolicy:
    """A model served over the OpenAI chat-completions protocol.

    Args:
        base_url: address up to and including `/v1`.
        model: served name; asked from the server when None.
        api_key: sent as bearer token; None takes `OPENAI_API_KEY`, or none at all.
        timeout_seconds: longest wait for one answer.
        deadline_seconds: longest wait for a call with its retries.
        max_retries: further requests after a refused or broken connection, silence, 429 or 5xx.
        backoff_seconds: wait before the first retry, doubled each time; `Retry-After` counts up
            to 30 s.
        grid: patches of the served model's image processor.
        context_tokens: prompt plus completion; None asks the server.
        images: message that carries the frames at first (see `eva_graph.policy.delivery`).
        frame_path: file of a frame on a disk that the server reads too (vLLM:
            `--allowed-local-media-path`); None sends the bytes.
        continuation: whether the server continues assistant messages and guides decoding as vLLM
            does; None believes it of servers that call themselves vLLM.
        logprobs: what the server's log-probabilities are (vLLM: `--logprobs-mode`), or None to
            ask for none.
        extra_body: further fields for every request, e.g. `{"top_k": 20}`.
        headers: further HTTP headers.
    """

    def __init__(
        self,
        base_url: str,
        model: str | None = None,
        *,
        api_key: str | None = None,
        timeout_seconds: float = 300.0,
        deadline_seconds: float = 900.0,
        max_retries: int = 2,
        backoff_seconds: float = 0.5,
        grid: VisualGrid | None = None,
        context_tokens: int | None = None,
        images: Delivery = "tool",
        frame_path: Callable[[FrameRef], Path | None] | None = None,
        continuation: bool | None = None,
        logprobs: LogprobsKind | None = "raw",
        extra_body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        check_address(base_url)
        self._server = Server(
            base_url=base_url,
            api_key=api_key or os.environ.get("OPENAI_API_KEY") or "none",
            timeout_seconds=timeout_seconds,
            deadline_seconds=deadline_seconds,
            max_retries=max_retries,
            backoff_seconds=backoff_seconds,
            headers=dict(headers or {}),
        )
        self._model = model
        self._grid = grid or VisualGrid()
        self._context_tokens = context_tokens
        self._frame_path = frame_path
        self._continuation = continuation
        self._logprobs: LogprobsKind | None = logprobs
        self._extra_body = dict(extra_body or {})
        self._manners = Manners(delivery=images)
        self._served: ServedModel | None = None
        self._limits: Mapping[str, Any] = {}
        self._report: ServerReport | None = None
        self._asking = threading.Lock()

    def __repr__(self) -> str:
        return f"OpenAIPolicy({self._server.base_url!r}, model={self._model!r})"

    @property
    def info(self) -> PolicyInfo:
        """Facts about the served model; the first access asks the server and blocks for it.

        Raises:
            PolicyError: the server cannot be asked.
            InvalidRequest: it serves several models and none was chosen.
        """
        served = self._ask()
        return PolicyInfo(
            name=served.name,
            backend="openai",
            grid=self._grid,
            context_tokens=self._context_tokens or served.context_tokens,
            supports_continuation=self._continues(served),
            notice=self._limits.get("notice"),
            knows=self._limits.get("knows"),
            tools=self._limits.get("tools"),
            probe=self._report.to_record() if self._report else None,
        )

    def probe(
        self, *, timeout_seconds: float = 60.0, deadline_seconds: float = 300.0
    ) -> ServerReport:
        """Ask the server what it accepts, and go by what was found from now on.

        Takes some twenty small requests, which ordinary calls never spend: they find out by what
        is refused, and cannot notice what is dropped in silence. Records made from now on keep
        what was found.

        Args:
            timeout_seconds: longest wait for one answer.
            deadline_seconds: after this long nothing more is asked.

        Raises:
            InvalidRequest: it serves several models and none was chosen.
        """
        server = replace(
            self._server,
            timeout_seconds=timeout_seconds,
            deadline_seconds=deadline_seconds,
            max_retries=1,
        )
        report = run_blocking(lambda: _probed(server, self._model, self._extra_body))
        if report.reachable:
            self._manners = Manners(
                delivery=report.delivery or self._manners.delivery,
                without=report.without,
                length_field=report.length_field,
            )
            if self._logprobs is not None:
                self._logprobs = report.logprobs_kind or self._logprobs
            self._report = report
        return report

    def _continues(self, served: ServedModel) -> bool:
        if self._continuation is not None:
            return self._continuation
        return self._report.continues if self._report else served.is_vllm

    def generate(self, request: PolicyRequest) -> Completion:
        """Write the next assistant text; see the protocol. Raises `PolicyError`."""
        return run_blocking(lambda: self.agenerate(request))

    async def agenerate(self, request: PolicyRequest) -> Completion:
        """Like `generate`, without blocking the event loop."""
        info = await asyncio.to_thread(lambda: self.info)
        if _continues(request) and not info.supports_continuation:
            raise ContinuationUnsupported(f"{info.name} is not known to continue messages")
        started = time.perf_counter()
        async with Exchange(self._server) as exchange:
            reply, manners = await self._negotiate(exchange, request, info.name)
            try:
                completion = read_completion(reply, self._logprobs)
            except PolicyError as error:
                error.requests = exchange.requests
                raise
        return replace(
            completion,
            images_in=manners.delivery,
            requests=exchange.requests,
            seconds=time.perf_counter() - started,
        )

    def _ask(self) -> ServedModel:
        with self._asking:
            if self._served is None:
                served = run_blocking(lambda: _models(self._server, self._model))
                self._limits = served_limits(served.root)
                self._served = served
            return self._served

    async def _negotiate(
        self, exchange: Exchange, request: PolicyRequest, model: str
    ) -> tuple[Json, Manners]:
        """Send the request, in plainer forms while the server finds fault with its form."""
        manners: Manners | None = self._manners
        refusals: list[Refused] = []
        while manners is not None:
            body = await asyncio.to_thread(self._body, request, model, manners)
            try:
                reply = await exchange.post("/chat/completions", body)
            except Refused as refusal:
                refusals.append(refusal)
                if request.fixed_length and isinstance(refusal, ContextOverflow):
                    break
                manners = plainer(manners, refusal, request.messages)
            else:
                self._manners = replace(manners, bounded=True)
                return reply, manners
        raise _verdict(refusals, request, exchange.requests)

    def _body(self, request: PolicyRequest, model: str, manners: Manners) -> Json:
        body = request_body(
            request,
            model=model,
            manners=manners,
            logprobs=self._logprobs is not None,
            frame_path=self._frame_path,
        )
        return body | self._extra_body


async def _models(server: Server, wanted: str | None) -> ServedModel:
    async with Exchange(server) as exchange:
        return await _served_model(exchange, wanted)


async def _served_model(exchange: Exchange, wanted: str | None) -> ServedModel:
    try:
        return read_models(await exchange.get("/models"), wanted)
    except (Refused, PolicyProtocolError):
        if wanted is None:
            raise
        return ServedModel(name=wanted)


async def _probed(
    server: Server, wanted: str | None, extra_body: Mapping[str, Any]
) -> ServerReport:
    async with Exchange(replace(server, deadline_seconds=server.timeout_seconds)) as exchange:
        try:
            served = await _served_model(exchange, wanted)
        except PolicyError as error:
            return replace(unreachable(server, wanted, error), requests=exchange.requests)
    report = await probe_server(server, served, extra_body)
    return replace(report, requests=report.requests + exchange.requests)


def _continues(request: PolicyRequest) -> bool:
    return request.continue_final or request.guided_regex is not None


def _verdict(refusals: list[Refused], request: PolicyRequest, requests: int) -> PolicyError:
    """The error of a call that was refused in every form: the first refusal says most."""
    overflows = [refusal for refusal in refusals if isinstance(refusal, ContextOverflow)]
    verdict = overflows[-1] if overflows else refusals[0]
    if not overflows and verdict.status in _CONTINUATION_STATUS and _continues(request):
        return ContinuationUnsupported(str(verdict), requests=requests)
    verdict.requests = requests
    return verdict
