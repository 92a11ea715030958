"""What a model folder's own files say of it; nothing heavy is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from eva_graph.errors import InvalidRequest
from eva_graph.policy.limits_file import known_tools, read_json, read_limits
from eva_graph.policy.protocol import PolicyInfo
from eva_graph_tools import VisualGrid


def read_info(folder: Path) -> PolicyInfo:
    """Facts of a Qwen VL folder.

    Raises:
        InvalidRequest: no model folder, or its images are prepared in another way.
    """
    config = read_json(folder, "config.json")
    image = read_json(folder, "preprocessor_config.json")
    limits = read_limits(folder)
    return PolicyInfo(
        name=str(folder),
        backend="transformers",
        grid=_read_grid(folder, image),
        context_tokens=_text_config(config).get("max_position_embeddings"),
        counts_tokens=True,
        notice=limits.get("notice"),
        knows=limits.get("knows"),
        tools=known_tools(limits),
    )


def _read_grid(folder: Path, image: dict[str, Any]) -> VisualGrid:
    size = image.get("size") or {}
    try:
        return VisualGrid(
            patch_pixels=image["patch_size"] * image["merge_size"],
            min_pixels=image.get("min_pixels") or size["shortest_edge"],
            max_pixels=image.get("max_pixels") or size["longest_edge"],
        )
    except KeyError as error:
        raise InvalidRequest(
            f"{folder}/preprocessor_config.json names no {error.args[0]}: not a Qwen-VL folder"
        ) from error


def _text_config(config: dict[str, Any]) -> dict[str, Any]:
    text: dict[str, Any] = config.get("text_config") or config
    return text


def stored_dtype(folder: Path) -> str:
    """The torch type of the weights on disk."""
    config = read_json(folder, "config.json")
    return str(config.get("dtype") or config.get("torch_dtype") or "float32")
