"""Becomes the server: this process turns into vLLM, so signals and the exit code are vLLM's own.

No child is left behind when a terminal or a supervisor ends the command.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from eva_graph.errors import InvalidRequest
from eva_graph.serving.command import ServeCommand

EXECUTABLE_VARIABLE = "EVA_GRAPH_VLLM"
_DEVICES = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
"""What drivers of NVIDIA, of AMD and below Windows show."""


def find_vllm(environment: Mapping[str, str]) -> str | None:
    """The vllm executable: named by `EVA_GRAPH_VLLM`, beside this Python, or on the path.

    Raises:
        InvalidRequest: the variable names no executable.
    """
    named = environment.get(EXECUTABLE_VARIABLE)
    if named:
        if shutil.which(named) is None:
            raise InvalidRequest(f"{EXECUTABLE_VARIABLE}={named} is no executable file")
        return named
    beside = Path(sys.executable).with_name("vllm")
    if os.access(beside, os.X_OK):
        return str(beside)
    return shutil.which("vllm", path=environment.get("PATH"))


def has_gpu(environment: Mapping[str, str]) -> bool:
    """Whether a GPU driver is there and its devices are not hidden."""
    hidden = environment.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    return not hidden and any(map(os.path.exists, _DEVICES))


def become(executable: str, command: ServeCommand, environment: Mapping[str, str]) -> NoReturn:
    """Replace this process by the server.

    Raises:
        InvalidRequest: the system does not start it.
    """
    path = shutil.which(executable) or executable
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        os.execve(  # noqa: S606
            path, [path, *command.arguments], {**environment, **command.environment}
        )
    except OSError as error:
        raise InvalidRequest(f"{path} does not start: {error.strerror}") from error
