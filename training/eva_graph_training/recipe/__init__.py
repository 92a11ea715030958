"""Recipes: every setting of the three training stages in one checked file."""

from eva_graph_training.recipe.loading import load_recipe, recipe_names
from eva_graph_training.recipe.schema import Recipe
from eva_graph_training.recipe.settings import (
    CheckSettings,
    DataSettings,
    EpisodeSettings,
    GenerationSettings,
    HeldOutSettings,
    LoraSettings,
    RewardSettings,
)
from eva_graph_training.recipe.stages import GrpoStage, KtoStage, SftStage, Stage, StageName

__all__ = [
    "CheckSettings",
    "DataSettings",
    "EpisodeSettings",
    "GenerationSettings",
    "GrpoStage",
    "HeldOutSettings",
    "KtoStage",
    "LoraSettings",
    "Recipe",
    "RewardSettings",
    "SftStage",
    "Stage",
    "StageName",
    "load_recipe",
    "recipe_names",
]
