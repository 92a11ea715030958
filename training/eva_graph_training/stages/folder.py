"""A stage's folder: where everything lies, and what it was trained with.

`stage.json` is written when training begins and when it ends. A stage that is run again with other
settings, from another start or on other data is refused: going on would mix two trainings.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from eva_graph_training.errors import RecipeError, TrainingError
from eva_graph_training.recipe import Recipe, StageName

_CHANGES_NOTHING: Mapping[str, Any] = MappingProxyType(
    {
        "save_every_minutes": True,
        "keep_checkpoints": True,
        "log_every_steps": True,
        "trackers": True,
        "transcripts": True,
        "held_out": True,
        "checks": True,
        "generation": {"server": True, "concurrency": True},
    }
)
"""Settings that leave the trained weights as they are: they may change between two runs."""
_SAMPLE_BYTES = 65_536
_SAMPLES = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class StageFolder:
    """`<work>/<stage>/`."""

    path: Path

    @property
    def model(self) -> Path:
        """The trained model."""
        return self.path / "model"

    @property
    def adapter(self) -> Path:
        """The trained LoRA adapter."""
        return self.path / "adapter"

    @property
    def log(self) -> Path:
        """Logged values, one JSON object a line."""
        return self.path / "log.jsonl"

    @property
    def tensorboard(self) -> Path:
        """TensorBoard's files."""
        return self.path / "tensorboard"

    @property
    def rows(self) -> Path:
        """The rows under training; removed at the end."""
        return self.path / "rows.arrow"

    @property
    def state(self) -> Path:
        """What is trained here, and how far it is."""
        return self.path / "stage.json"

    @property
    def report(self) -> Path:
        """The page that says how it went; written last."""
        return self.path / "report.html"

    def read(self) -> dict[str, Any] | None:
        """The content of `stage.json`, or None where nothing was begun.

        Raises:
            TrainingError: it cannot be read.
        """
        try:
            found = json.loads(self.state.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise TrainingError(f"cannot read {self.state}: {error}") from None
        if not isinstance(found, dict) or not isinstance(found.get("settings"), dict):
            raise TrainingError(f"{self.state} was not written by this program: remove the folder")
        return found

    def write(self, state: Mapping[str, Any]) -> None:
        """Replace `stage.json` at once.

        Raises:
            TrainingError: it cannot be written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            beside = self.state.with_suffix(".new")
            beside.write_text(json.dumps(state, indent=2) + "\n", encoding="utf-8")
            beside.replace(self.state)
        except OSError as error:
            raise TrainingError(f"cannot write {self.state}: {error}") from None


def settings_of(recipe: Recipe, name: StageName) -> dict[str, Any]:
    """Everything that the trained weights depend on, as plain JSON."""
    stage = recipe.stage(name).model_dump(mode="json", exclude=dict(_CHANGES_NOTHING))
    return stage | {
        "start": str(recipe.start(name)),
        "data": list(map(str, recipe.sources(name))),
        "episode": recipe.episode.model_dump(mode="json"),
    }


def require_same(
    folder: StageFolder, before: Mapping[str, Any], now: Mapping[str, Any], what: str
) -> None:
    """Compare what a folder was trained with and what it is to be trained with now.

    Raises:
        RecipeError: they differ; the message names the first difference.
    """
    for name in sorted({*before, *now}):
        old, new = before.get(name), now.get(name)
        if old != new:
            raise RecipeError(
                f"{folder.path} was begun with another {what}: {name} was {_short(old)}, "
                f"now {_short(new)}; choose another work folder, or remove this one"
            )


def fingerprint(model: Path) -> str:
    """A hash of a model folder's weights by samples; equal weights have equal ones.

    Raises:
        TrainingError: a file cannot be read.
    """
    digest = hashlib.sha256()
    for file in sorted(model.glob("*.safetensors")):
        try:
            size = file.stat().st_size
            digest.update(f"{file.name}:{size}\n".encode())
            with file.open("rb") as weights:
                for number in range(_SAMPLES):
                    weights.seek(max(0, size - _SAMPLE_BYTES) * number // (_SAMPLES - 1))
                    digest.update(weights.read(_SAMPLE_BYTES))
        except OSError as error:
            raise TrainingError(f"cannot read {file}: {error}") from None
    return digest.hexdigest()


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:59] + "…"
