"""GRPO by recipe: what is read, how TRL is set up, what is learned and logged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from grpo_recipes import small, uncertain_nano, write_questions
from trl import GRPOConfig
from trl_steps import batches_of, exported, pads_equal_patches

from eva_graph.errors import EvaGraphError
from eva_graph.policy.processor import load_processor
from eva_graph.trajectory import RunStore
from eva_graph_training.errors import RecipeError
from eva_graph_training.recipe import Recipe, load_recipe
from eva_graph_training.stages.grpo import grpo_trainer, train_grpo
from eva_graph_training.stages.grpo_arguments import Room, optimiser_steps, own_arguments
from eva_graph_training.stages.grpo_questions import NO_VIDEO
from eva_graph_training.stages.logs import read_log
from eva_graph_training.stages.run import StageRun

ROOM = Room(context_tokens=4096, turn_tokens=256)


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return uncertain_nano(tmp_path_factory.mktemp("start") / "model")


@pytest.fixture(scope="module")
def questions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_questions(tmp_path_factory.mktemp("world"))


def engine(*changes: str) -> Recipe:
    return load_recipe("nano-cpu", [f"grpo.generation.{change}" for change in changes])


def test_each_engine_in_trl_s_words(tmp_path: Path) -> None:
    here = own_arguments(engine(), ROOM)
    assert here["generation_kwargs"] == {"max_new_tokens": 256}
    assert (here["max_completion_length"], here["max_tool_calling_iterations"]) == (4096, 5)
    served = own_arguments(engine("engine=vllm-server", "server=http://gpu:8000"), ROOM)
    config = GRPOConfig(output_dir=str(tmp_path), per_device_train_batch_size=8, bf16=False,
                        use_cpu=True, activation_checkpointing=False, **served)  # fmt: skip
    assert (config.use_vllm, config.vllm_mode) == (True, "server")
    assert config.vllm_server_base_url == "http://gpu:8000"
    assert config.generation_kwargs == {"max_tokens": 256}
    assert config.vllm_importance_sampling_correction
    with pytest.raises(RecipeError, match=r"name the URL of the vLLM server"):
        own_arguments(engine("engine=vllm-server"), ROOM)
    with pytest.raises(RecipeError, match="expands image tokens twice"):
        own_arguments(engine("engine=vllm-colocate"), ROOM)


def test_room_is_what_recipe_and_model_both_allow(start: Path, tmp_path: Path) -> None:
    recipe = load_recipe("nano-cpu", ["grpo.max_tokens=3000", "episode.max_new_tokens=900"])
    assert Room.of(recipe, start) == Room(context_tokens=3000, turn_tokens=256)
    assert Room.of(recipe, start).limits(recipe, start).context_tokens == 3000
    unbounded = load_recipe("nano-cpu", ["grpo.max_tokens=null", "episode.max_new_tokens=9"])
    assert Room.of(unbounded, start) == Room(context_tokens=8192, turn_tokens=9)


@pytest.mark.parametrize(
    ("accumulate", "generated", "iterations", "steps"),
    [(4, 4, 1, 1), (4, 8, 1, 2), (4, 4, 3, 3), (4, 6, 1, 3), (8, 4, 1, 1)],
)
def test_checkpoints_wait_for_the_end_of_a_generation(
    accumulate: int, generated: int, iterations: int, steps: int, tmp_path: Path
) -> None:
    config = GRPOConfig(
        output_dir=str(tmp_path), gradient_accumulation_steps=accumulate, use_cpu=True, bf16=False,
        steps_per_generation=generated, num_iterations=iterations,
        activation_checkpointing=False,
    )  # fmt: skip
    assert optimiser_steps(config) == steps


def rows_of(recipe: Recipe) -> list[dict[str, Any]]:
    trainer: Any = grpo_trainer(StageRun.of(recipe, "grpo"))
    return list(trainer.train_dataset)


def test_questions_come_from_runs_exports_and_lines(
    scripted: Path, start: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    records = list(RunStore(scripted).records())
    videos = {record.video.video_id for record in records}
    out = exported("trl-grpo", [scripted], tmp_path / "out")
    lines = tmp_path / "lines.jsonl"
    first = records[0]
    told = {"video": first.video.path, "question": first.question, "answer": "yellow"}
    gone = {**told, "video": "gone.mp4"}
    unsaid = {"video": first.video.path, "question": "Why?"}
    timed = {**told, "time_reference": [[3, 4]], "options": ["red", "yellow"], "answer": "B"}
    lines.write_text("\n".join(map(json.dumps, [told, gone, unsaid, timed])))
    of_run = rows_of(small(tmp_path / "a", start, scripted))
    of_export = rows_of(small(tmp_path / "b", start, out))
    of_lines = rows_of(small(tmp_path / "c", start, lines))
    assert {row["video_id"] for row in of_run} == videos
    assert len(of_run) == len(videos), "each question once"
    assert of_export == of_run
    assert of_run[0]["prompt"] == [
        {"role": message["role"], "content": text_of(message)} for message in first.messages[:2]
    ]
    assert of_lines[0]["prompt"] == of_run[0]["prompt"]
    assert of_lines[1]["options"] == {"A": "red", "B": "yellow"}
    assert of_lines[1]["time_reference"] == [[3.0, 4.0]]
    said = capfd.readouterr().err
    assert f"left out 1: {NO_VIDEO}" in said
    assert "left out 1: no answer is given" in said


def text_of(message: dict[str, Any]) -> str:
    content = message["content"]
    return content if isinstance(content, str) else "".join(part["text"] for part in content)


def test_what_cannot_be_played_is_one_line(
    scripted: Path, start: Path, tmp_path: Path, clips: list[Path]
) -> None:
    def said(data: Path, *changes: str) -> str:
        with pytest.raises(EvaGraphError) as raised:
            grpo_trainer(StageRun.of(small(tmp_path / "work", start, data, changes), "grpo"))
        assert "\n" not in str(raised.value)
        return str(raised.value)

    nothing = tmp_path / "questions.jsonl"
    nothing.write_text(json.dumps({"video": "gone.mp4", "question": "Why?", "answer": "so"}))
    assert f"can be played ({NO_VIDEO}: 1)" in said(nothing)
    assert "GRPO reads run directories" in said(clips[0])
    assert "no data" in said(scripted, "grpo.data=[]")
    assert "unknown tool 'gaze'" in said(scripted, "episode.tools=[gaze]")
    assert "fills the 20 tokens" in said(scripted, "grpo.max_tokens=20")
    assert "3 questions can be played, 16 are" in said(scripted, "grpo.batch=16")
    assert "needs grpo.generation.server" in said(scripted, "grpo.generation.engine=graph")
    assert "needs a judge" not in said(nothing, "grpo.rewards.self_verification=true")


def test_a_step_learns_what_the_policy_wrote_and_saw(
    start: Path, questions: Path, tmp_path: Path
) -> None:
    """One rollout a micro-batch: some hold images, others none."""
    recipe = small(tmp_path, start, questions, ["grpo.per_device_batch=1", "grpo.max_steps=1"])
    trainer: Any = grpo_trainer(StageRun.of(recipe, "grpo"))
    before = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    seen, completions, shown = batches_of(trainer), completions_of(trainer), images_of(trainer)
    trainer.train()
    (batch,), (messages,) = seen, completions
    processor = load_processor(start)
    for number, completion in enumerate(messages):
        ours = batch["tool_mask"][number] * batch["completion_mask"][number]
        said = processor.tokenizer.decode(
            batch["completion_ids"][number][ours.bool()], skip_special_tokens=True
        )
        assert said == "".join(m["content"] for m in completion if m["role"] == "assistant")
    ids = torch.cat([batch["prompt_ids"], batch["completion_ids"]], 1)
    pads_equal_patches({**batch, "input_ids": ids}, processor)
    assert sorted(shown)[0] == 0 < sorted(shown)[-1], "micro-batches without images and with"
    assert len(shown) == 8
    moved = {n for n, value in trainer.model.state_dict().items() if not value.equal(before[n])}
    assert any("visual" in name for name in moved)
    assert any("language_model" in name for name in moved)


def completions_of(trainer: Any) -> list[Any]:
    kept: list[Any] = []
    score = trainer._calculate_rewards

    def keep(inputs: Any, prompts: Any, completions: Any, ids: Any) -> Any:
        kept.append(completions)
        return score(inputs, prompts, completions, ids)

    trainer._calculate_rewards = keep
    return kept


def images_of(trainer: Any) -> list[int]:
    """Patches in each micro-batch as it reaches the loss."""
    patches: list[int] = []
    loss = trainer.compute_loss

    def keep(model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        pixels = inputs.get("pixel_values")
        patches.append(0 if pixels is None else len(pixels))
        return loss(model, inputs, *args, **kwargs)

    trainer.compute_loss = keep
    return patches


@pytest.mark.slow
def test_a_trained_policy_and_its_log(start: Path, questions: Path, tmp_path: Path) -> None:
    trained = train_grpo(small(tmp_path, start, questions, ["grpo.max_steps=2"]))
    assert (trained.steps, trained.rows) == (2, 4)
    first, second, _ = read_log(tmp_path / "grpo" / "log.jsonl")
    assert first["reward_std"] > 0 < first["rewards/accuracy/mean"]
    endings = {name: value for name, value in first.items() if name.startswith("stop/")}
    assert sum(endings.values()) == pytest.approx(1)
    assert first["rollouts/answered"] == pytest.approx(endings["stop/answered"])
    assert first["rollouts/turns"] > 1
    assert first["rollouts/frames"] > 0
    assert first["kl"] == pytest.approx(0, abs=1e-6)
    assert second["kl"] > 0
    assert list((tmp_path / "grpo" / "frames").glob("??/*.jpg"))
    load_processor(trained.model)


def replaying(work: Path, start: Path, data: Path) -> Recipe:
    changes = ["generation.engine=graph", "rollouts=2", "batch=1", "per_device_batch=2",
               "max_steps=2"]  # fmt: skip
    return small(work, start, data, [f"grpo.{change}" for change in changes])


def test_recorded_rollouts_of_the_graph_train(
    with_tokens: Path, model_folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = exported("trl-grpo", [with_tokens], tmp_path / "out")
    trained = train_grpo(replaying(tmp_path, model_folder, out))
    assert (trained.steps, trained.rows) == (2, 3)
    assert "grpo: 3 rows" in capfd.readouterr().err
    first = read_log(tmp_path / "grpo" / "log.jsonl")[0]
    assert first["rewards/recorded_reward/mean"] == 0.5
    assert first["grad_norm"] > 0
