"""`eva-graph serve`: start vLLM as the agent needs it, or print the command."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from eva_graph.errors import MissingExtra

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def serve(
    model: Annotated[str, typer.Argument(help="nano, a model folder, or a hub name.")],
    extra: Annotated[
        list[str] | None, typer.Argument(help="Further arguments of vllm serve, after --.")
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for all.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8000,
    served_name: Annotated[str | None, typer.Option(help="Model name at the server.")] = None,
    chat_template: Annotated[
        str | None, typer.Option(help="project, model (its own) or a file; chosen if absent.")
    ] = None,
    tool_parser: Annotated[
        str | None, typer.Option(help="vLLM's tool call parser, for --dialect native.")
    ] = None,
    max_model_len: Annotated[int | None, typer.Option(help="Context length in tokens.")] = None,
    images: Annotated[int, typer.Option(help="Most images of one prompt.")] = 9999,
    media: Annotated[
        Path | None, typer.Option(help="Folder of frames that the server may read.")
    ] = None,
    media_cache_gb: Annotated[
        float | None, typer.Option(help="Cache of processed images; 20 on a GPU, 2 on a CPU.")
    ] = None,
    data_parallel: Annotated[
        int, typer.Option(help="Copies of the model, on GPUs of their own.")
    ] = 1,
    training: Annotated[
        bool, typer.Option("--training", help="Take pushed weights; processed log-probabilities.")
    ] = False,
    cpu: Annotated[
        bool | None, typer.Option("--cpu/--gpu", help="Settings for which; looked up if absent.")
    ] = None,
    show: Annotated[bool, typer.Option("--print", help="Only print the command.")] = False,
) -> None:
    """Serve a policy with vLLM, until Ctrl-C.

    eva-graph serve WRHC/EfficientVideoAgent --data-parallel 8
    """
    from eva_graph.serving.command import CPU_CACHE_VARIABLE, ServeOptions, serve_command
    from eva_graph.serving.model import model_to_serve
    from eva_graph.serving.start import become, find_vllm, has_gpu

    if training and host not in _LOOPBACK:
        print(f"whoever reaches {host}:{port} can replace the weights", file=sys.stderr)
    options = ServeOptions(
        host=host,
        port=port,
        served_name=served_name,
        chat_template=chat_template,
        tool_parser=tool_parser,
        max_model_len=max_model_len,
        images_per_prompt=images,
        media=media,
        media_cache_gb=media_cache_gb,
        data_parallel=data_parallel,
        training=training,
        cpu=not has_gpu(os.environ) if cpu is None else cpu,
        cpu_cache_gb=os.environ.get(CPU_CACHE_VARIABLE),
        extra=tuple(extra or ()),
    )
    found = model_to_serve(model)
    if found.model_type is None and chat_template is None and tool_parser is None:
        print(
            f"{model} gets the project's chat template, made for Qwen2-VL, Qwen2.5-VL and "
            "Qwen3-VL; another family needs --chat-template model",
            file=sys.stderr,
        )
    command = serve_command(found, options)
    executable = find_vllm(os.environ)
    if show:
        print(command.shell(executable or "vllm"))
    elif executable is None:
        print(command.shell())
        raise MissingExtra(
            'vllm is not installed: pip install "eva-graph[serve]" in an environment of its own '
            "and name its vllm in EVA_GRAPH_VLLM; what would have run is printed above"
        )
    else:
        become(executable, command, os.environ)
