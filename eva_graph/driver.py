"""One core for sync and async nodes: a generator that yields the policy calls it wants made.

A node is written once as a generator: it yields an `Ask` and gets the `Completion` back (or the
`PolicyError` thrown in). `run_sync` answers with `Policy.generate`; `run_async` awaits
`Policy.agenerate` (both through `PolicyCalls`) and runs everything between the calls, decoding and
journal writes included, in a worker thread, so that the event loop never blocks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

from eva_graph.errors import PolicyError
from eva_graph.policy.protocol import Completion, Policy, PolicyRequest
from eva_graph.policy_calls import PolicyCalls

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Ask:
    """A policy call that a node wants made."""

    policy: Policy
    request: PolicyRequest


Core: TypeAlias = Generator[Ask, Completion, T]
"""A node's body: yields `Ask`s, receives `Completion`s, returns its state update."""

_Resume: TypeAlias = Callable[[], Ask]


@dataclass(frozen=True, slots=True)
class _Done(Generic[T]):
    value: T


def run_sync(core: Core[T], calls: PolicyCalls) -> T:
    """Drive `core`, making its policy calls in this thread."""
    step = _advance(core, lambda: next(core))
    while isinstance(step, Ask):
        step = _advance(core, _answer(core, step, calls))
    return step.value


async def run_async(core: Core[T], calls: PolicyCalls) -> T:
    """Drive `core`, awaiting its policy calls and keeping its own work off the event loop."""
    step = await asyncio.to_thread(_advance, core, lambda: next(core))
    while isinstance(step, Ask):
        resume = await _answer_async(core, step, calls)
        step = await asyncio.to_thread(_advance, core, resume)
    return step.value


def _advance(core: Core[T], resume: _Resume) -> Ask | _Done[T]:
    try:
        return resume()
    except StopIteration as done:  # must not cross a thread's future
        return _Done(done.value)


def _answer(core: Core[Any], ask: Ask, calls: PolicyCalls) -> _Resume:
    try:
        completion = calls.generate(ask.policy, ask.request)
    except PolicyError as error:
        return _throwing(core, error)
    return lambda: core.send(completion)


async def _answer_async(core: Core[Any], ask: Ask, calls: PolicyCalls) -> _Resume:
    try:
        completion = await calls.agenerate(ask.policy, ask.request)
    except PolicyError as error:
        return _throwing(core, error)
    return lambda: core.send(completion)


def _throwing(core: Core[Any], error: PolicyError) -> _Resume:
    return lambda: core.throw(error)
