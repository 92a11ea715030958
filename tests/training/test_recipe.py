"""Recipes: those of the package are sound, and a slip in one's own is one clear line."""

from __future__ import annotations

from pathlib import Path

import pytest

from eva_graph.policy.processor import load_processor
from eva_graph_training.errors import RecipeError
from eva_graph_training.recipe import GrpoStage, KtoStage, SftStage, load_recipe, recipe_names


def test_the_recipes_of_the_package() -> None:
    assert recipe_names() == ["nano-cpu", "nano-gpu", "qwen2.5-vl-7b-8gpu"]
    for name in recipe_names():
        recipe = load_recipe(name)
        for stage in (recipe.sft, recipe.kto, recipe.grpo):
            assert stage.accumulate(8 if "8gpu" in name else 1) >= 1


def test_the_paper_s_values() -> None:
    recipe = load_recipe("qwen2.5-vl-7b-8gpu")
    assert (recipe.sft.epochs, recipe.sft.batch, recipe.sft.learning_rate) == (2, 8, 2e-6)
    assert (recipe.kto.beta, recipe.kto.learning_rate) == (0.1, 2e-6)
    assert (recipe.grpo.rollouts, recipe.grpo.batch, recipe.grpo.learning_rate) == (8, 64, 1e-6)
    assert recipe.grpo.rewards.format_bonus == 0.05
    assert recipe.data.sft_episodes == 10_000
    assert (recipe.data.kto_episodes, recipe.data.kto_desirable_share) == (11_000, 0.63)
    assert recipe.data.rl_open_questions + recipe.data.rl_choice_questions == 10_700
    assert recipe.not_stated


def test_stages_follow_one_another(tmp_path: Path) -> None:
    recipe = load_recipe("nano-cpu", [f"work={tmp_path}", "runs=[a, b]", "kto.data=[c]"])
    load_processor(recipe.start("sft"))
    assert recipe.start("kto") == tmp_path / "sft" / "model"
    assert recipe.start("grpo") == tmp_path / "kto" / "model"
    assert recipe.sources("sft") == (Path("a"), Path("b"))
    assert recipe.sources("kto") == (Path("c"),)
    elsewhere = load_recipe("nano-cpu", ["grpo.start=models/mine"])
    assert elsewhere.start("grpo") == Path("models/mine")


def test_single_values_are_changed() -> None:
    changes = ["sft.lora.rank=8", "grpo.generation.temperature=0.7", "kto.trainer.optim=sgd"]
    recipe = load_recipe("nano-cpu", changes)
    assert recipe.sft.lora is not None
    assert (recipe.sft.lora.rank, recipe.kto.lora) == (8, None)
    assert recipe.grpo.generation.temperature == 0.7
    assert recipe.kto.trainer == {"optim": "sgd"}


def test_a_recipe_of_one_s_own(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("summary: mine\nmodel: models/mine\nsft: {batch: 4}\n")
    recipe = load_recipe(file)
    assert (recipe.sft.batch, recipe.kto) == (4, KtoStage())


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ("sft.batchsize=4", "sft.batchsize: Extra inputs are not permitted"),
        ("runs=x", "runs: must be a list, [x] for this one alone"),
        ("sft.batch=0", "sft.batch: Input should be greater than or equal to 1"),
        ("kto.per_device_batch=1", "KTO's KL term needs per_device_batch of at least 2"),
        ("grpo.rollouts=1", "grpo.rollouts: Input should be greater than or equal to 2"),
        ("sft.batch", "--set takes key=value, not 'sft.batch'"),
        ("=4", "--set takes key=value"),
        ("sft..batch=4", "--set takes key=value"),
        ("sft.batch=[4", "is no YAML"),
        ("sft=4", "sft: Input should be a valid dictionary"),
        ("sft.learning_rate=.inf", "sft.learning_rate: Input should be a finite number"),
        ("kto.seed=-1", "kto.seed: Input should be greater than or equal to 0"),
        ("grpo.seed=4294967296", "grpo.seed: Input should be less than 4294967296"),
    ],
)
def test_slips(change: str, complaint: str) -> None:
    with pytest.raises(RecipeError) as raised:
        load_recipe("nano-cpu", [change])
    assert complaint in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("content", [b"- a list\n", b"a: [\n", b"\xff\xfe\x00", b"sft: {}\n"])
def test_files_that_are_no_recipe(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "broken.yaml"
    file.write_bytes(content)
    with pytest.raises(RecipeError) as raised:
        load_recipe(file)
    assert "\n" not in str(raised.value)


def test_an_unknown_name() -> None:
    with pytest.raises(RecipeError, match="give a YAML file or one of nano-cpu, nano-gpu"):
        load_recipe("nano-tpu")


@pytest.mark.parametrize(
    ("stage", "devices", "accumulate"),
    [
        (SftStage(), 8, 1),
        (SftStage(batch=64, per_device_batch=2), 4, 8),
        (GrpoStage(batch=64, rollouts=8, per_device_batch=1), 8, 64),
    ],
)
def test_micro_batches(stage: SftStage | GrpoStage, devices: int, accumulate: int) -> None:
    assert stage.accumulate(devices) == accumulate


def test_a_batch_that_does_not_divide() -> None:
    with pytest.raises(RecipeError, match=r"no multiple of per_device_batch x devices = 3 x 2"):
        SftStage(batch=8, per_device_batch=3).accumulate(2)
