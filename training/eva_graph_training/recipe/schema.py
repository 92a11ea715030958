"""A whole recipe: where the chain starts, what it reads, and its three stages."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from pydantic import Field

from eva_graph_training.recipe.settings import DataSettings, EpisodeSettings, Settings
from eva_graph_training.recipe.stages import GrpoStage, KtoStage, SftStage, Stage, StageName

EMBEDDED_MODEL = "nano"
_BEFORE: dict[StageName, StageName] = {"kto": "sft", "grpo": "kto"}


class Recipe(Settings):
    """Every setting of SFT, KTO and GRPO, in one file."""

    summary: str
    """For whom and for what machine, in one line."""
    work: str = "runs/train"
    """Folder of all stages: each has its own below it, with checkpoints, `model/` and report."""
    model: str
    """Where the chain starts: a model folder, or `nano` for the embedded one."""
    runs: tuple[str, ...] = ()
    """Recorded runs that every stage reads which names no `data` of its own."""
    episode: EpisodeSettings = EpisodeSettings()
    data: DataSettings = DataSettings()
    sft: SftStage = SftStage()
    kto: KtoStage = KtoStage()
    grpo: GrpoStage = GrpoStage()
    not_stated: dict[str, str] = Field(default_factory=dict)
    """What the paper leaves open, and what this recipe does."""

    def stage(self, name: StageName) -> Stage:
        """The settings of a stage."""
        stage: Stage = getattr(self, name)
        return stage

    def folder(self, name: StageName) -> Path:
        """The folder of a stage."""
        return Path(self.work) / name

    def start(self, name: StageName) -> Path:
        """The model folder that a stage starts from, whether it exists yet or not."""
        given = self.stage(name).start
        if given is None and name in _BEFORE:
            return self.folder(_BEFORE[name]) / "model"
        return model_folder(given or self.model)

    def sources(self, name: StageName) -> tuple[Path, ...]:
        """What a stage reads."""
        return tuple(map(Path, self.stage(name).data or self.runs))


def model_folder(name: str) -> Path:
    """The folder of a model name: `nano` is the embedded one, everything else is a path."""
    return Path(str(files("eva_graph") / "nano")) if name == EMBEDDED_MODEL else Path(name)
