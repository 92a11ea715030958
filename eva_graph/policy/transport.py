"""HTTP to an OpenAI-compatible server: the one place of retries, deadlines and error types.

An `Exchange` is everything one policy call sends. Refused or broken connections, silence, 408, 409,
429 and 5xx are sent again while its retries and its deadline last, then end as `PolicyUnavailable`;
any other 4xx is a `Refused` at once; what is no JSON object is a `PolicyProtocolError` at once.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeVar

import httpx2
import openai

from eva_graph.errors import (
    ContextOverflow,
    InvalidRequest,
    PolicyProtocolError,
    PolicyRejected,
    PolicyUnavailable,
)
from eva_graph.policy.refusals import is_overflow, one_line

Json = dict[str, Any]
T = TypeVar("T")

_RETRIED_STATUS = {408, 409, 429}
_LONGEST_BACKOFF_SECONDS = 8.0
_LONGEST_RETRY_AFTER_SECONDS = 30.0


class Refused(PolicyRejected):
    """A 4xx answer, with its status and what the server said."""

    def __init__(self, message: str, *, status: int, detail: str, requests: int) -> None:
        super().__init__(message, requests=requests)
        self.status = status
        self.detail = detail


class RefusedOverflow(Refused, ContextOverflow):
    """A 4xx answer that says the prompt is longer than the context."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where requests go and how long they may take."""

    base_url: str
    api_key: str = field(repr=False)
    timeout_seconds: float
    """Longest wait for one answer."""
    deadline_seconds: float
    """Longest wait for a call with all its retries."""
    max_retries: int
    backoff_seconds: float
    """Wait before the first retry; it doubles from retry to retry."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


class Exchange:
    """The requests of one policy call; an async context manager.

    `requests` counts what was sent. Connections live as long as the exchange: nothing is left
    open when an event loop ends, and no idle connection is met that the server has dropped.
    """

    def __init__(self, server: Server) -> None:
        self.requests = 0
        self._server = server
        self._retries_left = server.max_retries
        self._deadline = time.monotonic() + server.deadline_seconds
        self._client = openai.AsyncOpenAI(
            base_url=server.base_url,
            api_key=server.api_key,
            max_retries=0,
            timeout=server.timeout_seconds,
            default_headers=server.headers,
            http_client=openai.DefaultAsyncHttpxClient(verify=_tls()),
        )

    async def __aenter__(self) -> Exchange:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._client.close()

    async def get(self, path: str) -> Json:
        """The JSON object that a GET answers; raises as the module says."""
        return await self._json(lambda: self._client.get(path, cast_to=httpx2.Response))

    async def post(self, path: str, body: Json) -> Json:
        """The JSON object that a POST answers; raises as the module says."""
        return await self._json(lambda: self._client.post(path, cast_to=httpx2.Response, body=body))

    async def _json(self, send: Callable[[], Coroutine[Any, Any, httpx2.Response]]) -> Json:
        content = await self._content(send)
        try:
            parsed = json.loads(content.decode("utf-8"))
        except (ValueError, RecursionError) as error:  # no text, no JSON, or nested without end
            shown = content[:80].decode("utf-8", "replace")
            raise self._protocol_error(f"something that is not JSON ({shown!r})") from error
        if not isinstance(parsed, dict):
            raise self._protocol_error("JSON that is not an object")
        return parsed

    def _protocol_error(self, what: str) -> PolicyProtocolError:
        return PolicyProtocolError(
            f"{self._server.base_url} answered {what}: check that the address ends in /v1 and "
            "belongs to an OpenAI-compatible server",
            requests=self.requests,
        )

    async def _content(self, send: Callable[[], Coroutine[Any, Any, httpx2.Response]]) -> bytes:
        wait = self._server.backoff_seconds
        while True:
            self.requests += 1
            try:
                async with asyncio.timeout(self._seconds_left()):
                    return (await send()).content
            except (openai.APIConnectionError, TimeoutError) as error:
                await self._pause(wait, _connection_trouble(error))
            except openai.APIStatusError as error:
                if error.status_code < 500 and error.status_code not in _RETRIED_STATUS:
                    raise self._refused(error) from error
                asked = _retry_after_seconds(error.response)
                trouble = f"answered {error.status_code}: {_detail(error)}"
                await self._pause(max(wait, asked), trouble)
            wait = min(2 * wait, _LONGEST_BACKOFF_SECONDS)

    def _seconds_left(self) -> float:
        return min(self._server.timeout_seconds, self._deadline - time.monotonic())

    async def _pause(self, seconds: float, trouble: str) -> None:
        if self._retries_left < 1 or time.monotonic() + seconds >= self._deadline:
            sent = "one request" if self.requests == 1 else f"{self.requests} requests"
            raise PolicyUnavailable(
                f"{self._server.base_url} {trouble} ({sent} sent)", requests=self.requests
            )
        self._retries_left -= 1
        await asyncio.sleep(seconds)

    def _refused(self, error: openai.APIStatusError) -> Refused:
        detail = _detail(error)
        kind = RefusedOverflow if is_overflow(detail) else Refused
        return kind(
            f"{self._server.base_url} refused the request with {error.status_code}: {detail}",
            status=error.status_code,
            detail=detail,
            requests=self.requests,
        )


def check_address(base_url: str) -> None:
    """Raises `InvalidRequest` for what is no HTTP address."""
    try:
        url = httpx2.URL(base_url)
    except httpx2.InvalidURL as error:
        raise InvalidRequest(f"{base_url!r} is no server address: {error}") from None
    if url.scheme not in ("http", "https") or not url.host:
        raise InvalidRequest(f"{base_url!r} is no server address: it starts with http(s)://HOST")


def run_blocking(start: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine to its end, also where the calling thread's event loop is running."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(start())
    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(copy_context().run, lambda: asyncio.run(start())).result()


@cache
def _tls() -> ssl.SSLContext:
    return httpx2.create_ssl_context()  # takes 20 ms, more than all the rest of a client


def _connection_trouble(error: Exception) -> str:
    if isinstance(error, (openai.APITimeoutError, TimeoutError)):
        return "did not answer in time"
    cause = error.__cause__
    return f"broke the connection ({type(cause).__name__}: {cause})" if cause else "is unreachable"


def _retry_after_seconds(response: httpx2.Response) -> float:
    try:
        seconds = float(response.headers.get("retry-after", 0))
    except ValueError:  # an HTTP date: our own backoff will do
        return 0.0
    return min(max(seconds, 0.0), _LONGEST_RETRY_AFTER_SECONDS)


def _detail(error: openai.APIStatusError) -> str:
    """What the server said, in one line; the code goes along, since some say more than the text."""
    body = error.body
    if isinstance(body, dict):
        said = body.get("message") or body.get("detail") or body.get("error") or body
        text = f"{said} ({body['code']})" if isinstance(body.get("code"), str) else str(said)
    else:
        text = error.response.text
    return one_line(text) or "no reason given"
