"""One real server for all tests here, and the model in process beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from vllm_server import vllm_serving

from eva_graph.policy.in_process import TransformersPolicy
from eva_graph.policy.openai_compatible import OpenAIPolicy
from eva_graph.policy.resolve import EMBEDDED_FOLDER


@pytest.fixture(scope="session")
def in_process() -> TransformersPolicy:
    return TransformersPolicy(EMBEDDED_FOLDER, device="cpu", dtype="float32")


@pytest.fixture(scope="session")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of frames that the server may read."""
    return tmp_path_factory.mktemp("media")


@pytest.fixture(scope="session")
def base_url(
    in_process: TransformersPolicy, media: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    context_tokens = in_process.info.context_tokens
    assert context_tokens is not None
    with vllm_serving(
        EMBEDDED_FOLDER,
        media=media,
        log=tmp_path_factory.mktemp("vllm") / "log.txt",
        context_tokens=context_tokens,
    ) as url:
        yield url


@pytest.fixture
def served(base_url: str, in_process: TransformersPolicy) -> OpenAIPolicy:
    return OpenAIPolicy(base_url, grid=in_process.info.grid)
