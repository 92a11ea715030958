"""What a user names to be served: the embedded nano, a model folder, or a name on the hub."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from eva_graph.errors import InvalidRequest
from eva_graph.policy.families import SUPPORTED_MODELS
from eva_graph.policy.limits_file import EMBEDDED_FOLDER, read_json

EMBEDDED_NAME = "nano"
_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelToServe:
    """A model as vLLM is told of it."""

    source: str
    """Folder or hub name."""
    served_name: str | None
    """Name at the server; None leaves it to vLLM, which takes the source."""
    model_type: str | None
    """What its configuration says; None: not known here."""
    weight_bytes: int | None
    """Size of its weights; None: not known here."""

    @property
    def takes_project_template(self) -> bool:
        """Whether the project's chat template is made for it; believed of models not known here."""
        return self.model_type is None or self.model_type in SUPPORTED_MODELS


def model_to_serve(spec: str) -> ModelToServe:
    """The model that `spec` names.

    Raises:
        InvalidRequest: it is neither `nano`, nor a model folder, nor looks like a hub name.
    """
    folder = EMBEDDED_FOLDER if spec == EMBEDDED_NAME else Path(spec).expanduser()
    if folder.is_dir():
        kind = read_json(folder, "config.json").get("model_type")
        return ModelToServe(
            source=str(folder.resolve()),
            served_name=EMBEDDED_NAME if spec == EMBEDDED_NAME else None,
            model_type=str(kind),
            weight_bytes=sum(file.stat().st_size for file in folder.glob("*.safetensors")),
        )
    if _HUB_NAME.fullmatch(spec) is None or spec.startswith("."):
        raise InvalidRequest(f"{spec!r} is neither nano, a model folder nor a hub name (ORG/MODEL)")
    return ModelToServe(source=spec, served_name=None, model_type=None, weight_bytes=None)
