"""The `vllm serve` command that suits the agent. Pure: it says what would run.

Beyond vLLM's defaults: many images in one prompt and no videos (frames are images), our chat
template for the families it is made for, a cache of processed images as large as episodes need,
the cached tokens of every prompt in its usage, and no sampling settings from the model's folder.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from eva_graph.errors import InvalidRequest
from eva_graph.policy.families import CHAT_TEMPLATE
from eva_graph.serving.model import ModelToServe

CPU_CACHE_VARIABLE = "VLLM_CPU_KVCACHE_SPACE"
_SMALL_MODEL_BYTES = 2**30


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeOptions:
    """What a user may choose."""

    host: str = "127.0.0.1"
    port: int = 8000
    served_name: str | None = None
    """Name at the server; None: `nano` for the embedded model, else vLLM's choice."""
    chat_template: str | None = None
    """`project`, `model` (the model's own) or a file. None: the project's where it is made for the
    model's family, unless native tools are wanted, which it does not write."""
    tool_parser: str | None = None
    """vLLM's parser of native tool calls (`--dialect native`); None: no native tools."""
    max_model_len: int | None = None
    """Prompt plus completion in tokens; None: what the model's configuration says."""
    images_per_prompt: int = 9999
    media: Path | None = None
    """Folder whose files the server may read (`frame_path` of the policy)."""
    media_cache_gb: float | None = None
    """Cache of processed images in GiB; None: 20 on a GPU, 2 on a CPU."""
    data_parallel: int = 1
    """Copies of the model, one GPU or group of GPUs each."""
    training: bool = False
    """Let a trainer push weights, and give the log-probabilities that training needs."""
    cpu: bool = False
    cpu_cache_gb: str | None = None
    """Cache of attention in GiB on a CPU; None: 1 for small models, else 4."""
    extra: Sequence[str] = ()
    """Further arguments of vLLM, the last word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeCommand:
    """Arguments after the executable, and what its environment has to hold."""

    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)

    def shell(self, executable: str = "vllm") -> str:
        """The command as one line for a shell."""
        words = [executable, *self.arguments]
        settings = [f"{name}={shlex.quote(value)}" for name, value in self.environment.items()]
        return " ".join([*settings, shlex.join(words)])


def serve_command(model: ModelToServe, options: ServeOptions) -> ServeCommand:
    """The command that serves a model.

    Raises:
        InvalidRequest: an option is out of range, or its file or folder does not exist.
    """
    _check(options)
    name = options.served_name or model.served_name
    arguments = ["serve", model.source, "--host", options.host, "--port", str(options.port)]
    arguments += ["--served-model-name", name] if name else []
    arguments += _template(model, options)
    arguments += _media(options)
    arguments += ["--generation-config", "vllm", "--enable-prompt-tokens-details"]
    if options.max_model_len is not None:
        arguments += ["--max-model-len", str(options.max_model_len)]
    if options.data_parallel > 1:
        arguments += ["--data-parallel-size", str(options.data_parallel)]
    environment: dict[str, str] = {}
    if options.training:
        arguments += ["--logprobs-mode", "processed_logprobs"]
        environment["VLLM_SERVER_DEV_MODE"] = "1"
    if options.cpu:
        arguments += ["--dtype", "float32", "--enforce-eager", "--max-num-seqs", "32"]
        # On a CPU the name means main memory, of which vLLM otherwise wants nearly all.
        arguments += ["--gpu-memory-utilization", "0.3"]
        small = model.weight_bytes is not None and model.weight_bytes < _SMALL_MODEL_BYTES
        environment[CPU_CACHE_VARIABLE] = options.cpu_cache_gb or ("1" if small else "4")
    return ServeCommand(arguments=(*arguments, *options.extra), environment=environment)


def _template(model: ModelToServe, options: ServeOptions) -> list[str]:
    chosen = options.chat_template
    if chosen is None:
        ours = model.takes_project_template and options.tool_parser is None
        chosen = "project" if ours else "model"
    arguments = []
    if chosen != "model":
        file = CHAT_TEMPLATE if chosen == "project" else Path(chosen).expanduser().resolve()
        arguments += ["--chat-template", str(file)]
    if options.tool_parser is not None:
        arguments += ["--enable-auto-tool-choice", "--tool-call-parser", options.tool_parser]
    return arguments


def _media(options: ServeOptions) -> list[str]:
    cache_gb = options.media_cache_gb
    if cache_gb is None:
        cache_gb = 2 if options.cpu else 20
    limits = json.dumps({"image": options.images_per_prompt, "video": 0})
    arguments = ["--limit-mm-per-prompt", limits, "--mm-processor-cache-gb", f"{cache_gb:g}"]
    if options.media is not None:
        arguments += ["--allowed-local-media-path", str(options.media.expanduser().resolve())]
    return arguments


def _check(options: ServeOptions) -> None:
    numbers = {
        "--data-parallel": options.data_parallel,
        "--images": options.images_per_prompt,
        "--max-model-len": 1 if options.max_model_len is None else options.max_model_len,
    }
    for name, value in numbers.items():
        if value < 1:
            raise InvalidRequest(f"{name} must be at least 1, not {value}")
    if not 1 <= options.port <= 65_535:
        raise InvalidRequest(f"--port must be from 1 to 65,535, not {options.port}")
    if options.media_cache_gb is not None and not 0 <= options.media_cache_gb < float("inf"):
        raise InvalidRequest(f"--media-cache-gb must not be {options.media_cache_gb:g}")
    if options.media is not None and not options.media.expanduser().is_dir():
        raise InvalidRequest(f"--media {options.media} is no folder")
    template = options.chat_template
    if template not in (None, "project", "model") and not Path(template).expanduser().is_file():
        raise InvalidRequest(f"--chat-template is project, model or a file, not {template!r}")
