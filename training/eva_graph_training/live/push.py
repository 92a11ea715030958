"""Telling a vLLM server, over HTTP, to take the weights of a folder.

    POST /pause?mode=wait     requests under way end on the old weights, later ones wait
    POST /collective_rpc      {"method": "reload_weights", "kwargs": {"weights_path": FOLDER}}
    POST /reset_encoder_cache, /reset_prefix_cache
    POST /resume              whatever came before

Nobody's request fails meanwhile, so the server may serve others too. The caches have to go: what
lies there was computed with the old weights, and vLLM 0.31 drops the workers' half of the encoder
cache on a reload but not the scheduler's, so that a frame seen before ends the engine ("Encoder
cache miss"). The routes exist only where the server was started with `VLLM_SERVER_DEV_MODE=1`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2

from eva_graph_training.errors import TrainingError

_CONNECT_RETRIES = 3
_SHOWN_CHARACTERS = 300
_NOT_FOUND = 404


class VllmWeights:
    """The weights of one vLLM server.

    Args:
        base_url: the server's address, up to and including `/v1` or without it.
        api_key: sent as bearer token; None takes `OPENAI_API_KEY`, or none at all.
        timeout_seconds: longest wait for one answer: for the requests under way, or for a reload.
    """

    def __init__(
        self, base_url: str, *, api_key: str | None = None, timeout_seconds: float = 1800.0
    ) -> None:
        self._root = base_url.rstrip("/").removesuffix("/v1")
        self._key = api_key or os.environ.get("OPENAI_API_KEY")
        self._timeout_seconds = timeout_seconds

    def load(self, folder: Path) -> None:
        """Make the server answer with the weights in `folder`, a path that it can read.

        Raises:
            TrainingError: the server cannot be reached, takes no weights, or could not load these.
        """
        with self._connected() as client:
            self._post(client, "/pause", query={"mode": "wait"})
            try:
                self._reload(client, folder)
            except (TrainingError, KeyboardInterrupt):
                with suppress(TrainingError):  # the first error says why
                    self._post(client, "/resume")
                raise
            self._post(client, "/resume")

    def _reload(self, client: httpx2.Client, folder: Path) -> None:
        weights = {"weights_path": str(folder.absolute())}
        body = {"method": "reload_weights", "kwargs": weights}
        self._post(client, "/collective_rpc", body=body)
        self._post(client, "/reset_encoder_cache")
        if not _succeeded(self._post(client, "/reset_prefix_cache")):
            raise TrainingError(
                f"{self._root} did not clear its prefix cache: it would continue prompts that it "
                "read with the old weights"
            )

    @contextmanager
    def _connected(self) -> Iterator[httpx2.Client]:
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        transport = httpx2.HTTPTransport(retries=_CONNECT_RETRIES)
        with httpx2.Client(
            base_url=self._root,
            headers=headers,
            timeout=self._timeout_seconds,
            transport=transport,
        ) as client:
            yield client

    def _post(
        self,
        client: httpx2.Client,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> httpx2.Response:
        try:
            response = client.post(path, json=body, params=query)
        except httpx2.TimeoutException:
            raise TrainingError(
                f"{self._root} did not answer {path} within {self._timeout_seconds:g} s"
            ) from None
        except httpx2.HTTPError as error:
            raise TrainingError(f"{self._root} cannot be reached for {path}: {error}") from None
        if response.status_code == _NOT_FOUND:
            raise TrainingError(
                f"{self._root} takes no weights ({path} is not there): start it with "
                "`eva-graph serve MODEL --training`, or with VLLM_SERVER_DEV_MODE=1"
            )
        if response.is_error:
            said = " ".join(response.text.split())[:_SHOWN_CHARACTERS] or "no reason given"
            raise TrainingError(
                f"{self._root} answered {path} with {response.status_code}: {said}; its log says "
                "more"
            )
        return response


def _succeeded(response: httpx2.Response) -> bool:
    """What `/reset_prefix_cache` says of itself; older servers say nothing."""
    try:
        said = json.loads(response.text or "{}")
    except ValueError:
        return False
    return not isinstance(said, dict) or bool(said.get("success", True))
