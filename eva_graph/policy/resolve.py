"""From what a user writes as `policy=` to a `Policy`.

Nothing heavy is imported until the kind of policy needs it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eva_graph.errors import InvalidRequest
from eva_graph.policy.limits_file import EMBEDDED_FOLDER
from eva_graph.policy.protocol import Policy

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel


def resolve_policy(
    spec: str | os.PathLike[str] | Policy | BaseChatModel | None,
    model: str | None = None,
    **options: Any,
) -> Policy:
    """The policy that `spec` stands for.

    Args:
        spec: None for the embedded nano, a server's base URL, a model folder (or the folder of a
            training stage, which holds one as `model/`), a LangChain chat model, or a `Policy`,
            which is returned as it is.
        model: served model name; only with a URL.
        options: further arguments of the policy's own class.

    Raises:
        InvalidRequest: nothing of these, or `model` where there is no server.
        MissingExtra: a model in process without the `nano` extra.
    """
    if isinstance(spec, str) and spec.startswith(("http://", "https://")):
        from eva_graph.policy.openai_compatible import OpenAIPolicy

        return OpenAIPolicy(spec, model, **options)
    if model is not None:
        raise InvalidRequest("model= names a served model: pass policy= the server's URL with it")
    if spec is None or isinstance(spec, (str, os.PathLike)):
        return _from_folder(spec, options)
    return _from_object(spec, options)


def _from_folder(spec: str | os.PathLike[str] | None, options: dict[str, Any]) -> Policy:
    folder = EMBEDDED_FOLDER if spec is None else Path(spec).expanduser()
    if not folder.is_dir():
        raise InvalidRequest(
            f"{str(spec)!r} is neither a model folder nor a server's URL (http://…/v1)"
            if spec is not None
            else "the embedded model is missing from this installation: pass policy="
        )
    from eva_graph.policy.in_process import TransformersPolicy

    if not (folder / "config.json").is_file() and (folder / "model").is_dir():
        folder /= "model"  # what a stage of `eva-graph train` leaves
    return TransformersPolicy(folder, **options)


def _from_object(spec: Policy | BaseChatModel, options: dict[str, Any]) -> Policy:
    from langchain_core.language_models import BaseChatModel

    if isinstance(spec, BaseChatModel):
        from eva_graph.policy.langchain_chat import ChatModelPolicy

        return ChatModelPolicy(spec, **options)
    # Not isinstance(spec, Policy): before Python 3.12 that reads `info`, which may ask a server.
    if callable(getattr(spec, "generate", None)) and callable(getattr(spec, "agenerate", None)):
        return spec
    raise InvalidRequest(
        f"a {type(spec).__name__} is no policy: pass a URL, a model folder, a LangChain chat model "
        "or a Policy"
    )


__all__ = ["EMBEDDED_FOLDER", "resolve_policy"]
