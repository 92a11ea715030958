"""`eva-graph doctor`: what is installed, what works, what is missing and what mends it.

Every check really does the thing: decodes a frame, loads the embedded model, asks the server.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from eva_graph.errors import EvaGraphError

if TYPE_CHECKING:
    from eva_graph.policy.probe import ServerReport
    from eva_graph.policy.protocol import Policy

Status = Literal["ok", "missing", "broken"]


@dataclass(frozen=True, slots=True)
class Extra:
    """An extra: its distributions, and the modules that must load where these are installed."""

    name: str
    packages: tuple[str, ...]
    modules: tuple[str, ...]

    @property
    def mend(self) -> str:
        """What installs it; vLLM pins what training needs otherwise."""
        install = f'pip install "eva-graph[{self.name}]"'
        if self.name == "serve":
            return f"python3 -m venv serve && serve/bin/{install}, an environment of its own"
        return install


EXTRAS: tuple[Extra, ...] = (
    Extra("nano", ("torch", "transformers", "safetensors"), ("torch", "transformers")),
    Extra("train", ("trl", "peft", "datasets", "accelerate"), ("trl", "peft", "datasets")),
    Extra("serve", ("vllm",), ("vllm",)),
    Extra("scenes", ("scenedetect-headless",), ("scenedetect",)),
    Extra("clips", ("moviepy",), ("moviepy",)),
    Extra("mcp", ("mcp",), ("mcp",)),
    Extra("app", ("gradio",), ("gradio",)),
    Extra(
        "postgres",
        ("langgraph-checkpoint-postgres", "psycopg"),
        ("langgraph.checkpoint.postgres",),
    ),
    Extra("studio", ("langgraph-cli", "langgraph-api"), ("langgraph_cli",)),
    Extra("ray", ("ray",), ("ray",)),
)
_SERVER_MENDS = {
    "cached_tokens": "vLLM: --enable-prompt-tokens-details",
    "native_tools": "vLLM: --enable-auto-tool-choice --tool-call-parser and a template with tools",
    "several_images": """vLLM: --limit-mm-per-prompt '{"image": 9999}'""",
}
"""What mends a server; `eva-graph serve` sets it."""
_CORE = ("av", "langgraph", "langchain-core", "numpy", "openai", "pillow", "pydantic")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One checked thing; `mend` is the command that would put it right."""

    name: str
    status: Status
    detail: str
    mend: str | None = None

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        return asdict(self)


def examine(policy: str | None = None, model: str | None = None) -> Iterator[Finding]:
    """All findings, one by one.

    `policy` is a server URL (`model`: which of its models) or a model folder to ask as well.
    """
    yield _packages("core", _CORE, "pip install --force-reinstall eva-graph")
    yield _attempt("decoding", _decode_a_clip, "pip install --force-reinstall av pillow")
    for extra in EXTRAS:
        found = _packages(f"extra {extra.name}", extra.packages, extra.mend)
        yield _loading(found, extra) if found.status == "ok" else found
    yield _attempt("embedded policy", _load_embedded, 'pip install "eva-graph[nano]"')
    if policy is not None:
        yield from _ask_policy(policy, model)


def _packages(name: str, packages: tuple[str, ...], mend: str) -> Finding:
    found: list[str] = []
    missing: list[str] = []
    for package in packages:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            missing.append(package)
    if missing:
        detail = f"not installed: {', '.join(missing)}"
        return Finding(name=name, status="missing", detail=detail, mend=mend)
    return Finding(name=name, status="ok", detail=", ".join(found))


def _loading(found: Finding, extra: Extra) -> Finding:
    """Whether what is installed loads too, tried in a process of its own: modules end processes."""
    command = [sys.executable, "-c", f"import {', '.join(extra.modules)}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode == 0:
        return found
    said = (done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1]
    return replace(found, status="broken", detail=f"{found.detail}: {said}", mend=extra.mend)


def _attempt(name: str, check: Callable[[], str], mend: str | None) -> Finding:
    try:
        return Finding(name=name, status="ok", detail=check())
    except EvaGraphError as error:
        return Finding(name=name, status="broken", detail=str(error), mend=mend)
    except (ImportError, OSError) as error:  # a package that is there but does not load
        detail = f"{type(error).__name__}: {error}".splitlines()[0]
        return Finding(name=name, status="broken", detail=detail, mend=mend)


def _decode_a_clip() -> str:
    from eva_graph.testing import make_clip
    from eva_graph_tools import Video

    with tempfile.TemporaryDirectory() as folder:
        clip = make_clip(Path(folder) / "clip.mp4", seconds=1)
        with Video.open(clip) as video:
            frame = video.seek(0.5)
            return f"wrote and read {video.info.codec}, frame at {frame.pts_seconds} s"


def _load_embedded() -> str:
    from eva_graph.policy.resolve import resolve_policy

    return f"{resolve_policy(None).info.name} loads"


def _ask_policy(spec: str, model: str | None) -> Iterator[Finding]:
    """That the policy writes, or all that a server of policies accepts."""
    from eva_graph.policy.openai_compatible import OpenAIPolicy
    from eva_graph.policy.resolve import resolve_policy

    try:
        policy = resolve_policy(spec, model)
        if isinstance(policy, OpenAIPolicy):
            yield from _server_findings(policy.probe())
        else:
            yield Finding(name=f"policy {spec}", status="ok", detail=_words_of(policy))
    except EvaGraphError as error:
        yield Finding(name=f"policy {spec}", status="broken", detail=str(error))


def _server_findings(report: ServerReport) -> Iterator[Finding]:
    for one in report.found:
        status: Status = "ok" if one.answer == "yes" else "missing"
        needed = one.capability != "native_tools" or not report.can("eva_format")
        yield Finding(
            name=f"server: {one.capability.replace('_', ' ')}",
            status=status if report.reachable else "broken",
            detail=one.detail if one.answer in ("yes", "no") else f"{one.answer}: {one.detail}",
            mend=_SERVER_MENDS.get(one.capability) if status != "ok" and needed else None,
        )
    if report.reachable:
        yield _advice(report)


def _advice(report: ServerReport) -> Finding:
    name = f"policy {report.base_url}"
    if report.delivery is None:
        return Finding(name=name, status="broken", detail="no image reaches the model")
    cost = f", visual tokens of {report.patch_pixels} pixels" if report.patch_pixels else ""
    spent = f"{report.requests} requests, {report.seconds:.1f} s"
    detail = f"suits {report.options}; images in {report.delivery} messages{cost} ({spent})"
    return Finding(name=name, status="ok", detail=detail)


def _words_of(policy: Policy) -> str:
    from langchain_core.messages import HumanMessage

    from eva_graph.policy.protocol import PolicyRequest

    request = PolicyRequest(
        messages=[HumanMessage("Say yes.")],
        load_frame=_no_frames,
        conversation_id="doctor",
        max_new_tokens=8,
    )
    return f"{policy.info.name} wrote {policy.generate(request).text[:40]!r}"


def _no_frames(ref: object) -> bytes:
    raise AssertionError(f"no frame was sent, yet {ref} is asked for")
