"""A real `vllm serve` on a free loopback port, for as long as a `with` block lasts.

The executable comes from an environment of its own (`.ci/install-vllm FOLDER` makes one); it is
named by the environment variable `EVA_GRAPH_VLLM`, e.g. `FOLDER/bin/vllm`.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from eva_graph.policy.processor import CHAT_TEMPLATE

START_LIMIT_SECONDS = 280
SETTINGS = {
    "VLLM_CPU_KVCACHE_SPACE": "1",  # GiB
    "OMP_NUM_THREADS": "1",
    "HF_HUB_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
}


@contextmanager
def vllm_serving(
    folder: Path, *, media: Path, log: Path, context_tokens: int, training: bool = False
) -> Iterator[str]:
    """Serve a model folder in float32 with the project's chat template; yields the base URL.

    `media` is where `file://` frames may lie; `log` receives what the server says; for `training`
    it takes weights and gives processed log-probabilities, as `eva-graph serve --training` does.
    """
    port = free_port()
    command = [
        os.environ["EVA_GRAPH_VLLM"], "serve", str(folder), "--served-model-name", "nano",
        "--chat-template", str(CHAT_TEMPLATE), "--host", "127.0.0.1", "--port", str(port),
        "--dtype", "float32", "--max-model-len", str(context_tokens), "--max-num-seqs", "8",
        "--limit-mm-per-prompt", '{"image": 256, "video": 0}', "--enforce-eager",
        "--allowed-local-media-path", str(media), "--generation-config", "vllm",
        "--gpu-memory-utilization", "0.3",
    ]  # fmt: skip
    environment = os.environ | SETTINGS
    if training:
        command += ["--logprobs-mode", "processed_logprobs"]
        environment["VLLM_SERVER_DEV_MODE"] = "1"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
    try:
        wait_until_healthy(process, port, log)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        _stop(process)


def free_port() -> int:
    """A loopback port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until_healthy(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Raises `RuntimeError` with the end of what the server said if it does not come up."""
    give_up = time.monotonic() + START_LIMIT_SECONDS
    while time.monotonic() < give_up and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.5)
    tail = log.read_text(errors="replace")[-3000:]
    raise RuntimeError(f"vllm serve did not become healthy:\n{tail}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """The server starts workers of its own: its whole session is told to end."""
    for how in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, how)
            process.wait(timeout=60)
        except (subprocess.TimeoutExpired, ProcessLookupError):
            continue
