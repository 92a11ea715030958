"""SFT and KTO by recipe on recorded episodes: what is learned, what is kept, what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import recorded_runs
import torch
from datasets import load_dataset
from datasets.arrow_writer import ParquetWriter
from episodes import TWO_LOOKS
from random_model import random_model
from stage_recipes import (
    EVERY_STEP,
    LORA,
    changed,
    checkpoints,
    same,
    stopped_after,
    tiny,
    vision,
    weights,
)
from trl_steps import exported, learned, pads_equal_patches, spoken

from eva_graph import VideoAgent
from eva_graph.errors import EvaGraphError, InvalidRequest
from eva_graph.policy.processor import load_model, load_processor
from eva_graph.testing import ScriptedPolicy
from eva_graph.trajectory import RunStore
from eva_graph_training.errors import DataError, RecipeError
from eva_graph_training.export.trl_kto import TrlKto
from eva_graph_training.export.trl_sft import TrlSft
from eva_graph_training.parquet import read_parquet
from eva_graph_training.sole_process import sole_process
from eva_graph_training.stages.kto import kto_trainer, train_kto
from eva_graph_training.stages.logs import read_log
from eva_graph_training.stages.run import StageRun, Trained
from eva_graph_training.stages.sft import sft_trainer, train_sft


@pytest.fixture(scope="module")
def first(
    scripted: Path, model_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Trained]:
    work = tmp_path_factory.mktemp("chain")
    recipe = tiny(work, model_folder, [scripted], epochs=1, trackers=("tensorboard",))
    return work, train_sft(recipe)


def test_sft_learns_exactly_what_the_policy_wrote(
    scripted: Path, edited: Path, model_folder: Path, tmp_path: Path
) -> None:
    recipe = tiny(tmp_path, model_folder, [scripted, edited])
    trainer: Any = sft_trainer(StageRun.of(recipe, "sft"))
    processor = load_processor(model_folder)
    batch = trainer.data_collator([trainer.train_dataset[n] for n in range(10)])
    pads_equal_patches(batch, processor)
    records = [r for run in (scripted, edited) for r in RunStore(run).records() if r.answer]
    texts = [learned(ids, labels != -100, processor)
             for ids, labels in zip(batch["input_ids"], batch["labels"], strict=True)]  # fmt: skip
    ends = [text.replace("<|im_end|>\n", "<|im_end|>") for text in texts]
    assert ends == ["".join(spoken(record)) for record in records]


def test_a_stage_leaves_a_model_folder_like_its_start(
    first: tuple[Path, Trained], model_folder: Path, clip: Path
) -> None:
    work, trained = first
    assert trained.model == work / "sft" / "model"
    assert (trained.rows, trained.steps) == (9, 5)
    assert vision(changed(model_folder, trained.model)), "the vision tower is trained"
    for name in ("tokenizer.json", "preprocessor_config.json", "generation_config.json",
                 "eva_graph_policy.json", "chat_template.jinja"):  # fmt: skip
        assert (trained.model / name).read_bytes() == (model_folder / name).read_bytes()
    before, after = (
        json.loads((f / "config.json").read_text()) for f in (model_folder, trained.model)
    )
    assert before == after
    result = VideoAgent(policy=str(trained.model)).run(clip, "Which colour is shown?")
    assert result.usage.completion_tokens
    assert not (work / "sft" / "rows.arrow").exists()
    assert [path.name for path in (work / "sft").glob(".*")] == [".lock"]


def test_every_logged_value_is_kept(first: tuple[Path, Trained]) -> None:
    folder = first[0] / "sft"
    lines = read_log(folder / "log.jsonl")
    assert [line["step"] for line in lines if "loss" in line] == [1, 2, 3, 4, 5]
    assert list((folder / "tensorboard").iterdir())


def test_a_finished_stage_is_left_alone(
    first: tuple[Path, Trained], scripted: Path, model_folder: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    work, trained = first
    written = (trained.model / "model.safetensors").stat().st_mtime_ns
    again = train_sft(tiny(work, model_folder, [scripted], epochs=1, log_every_steps=3))
    assert again.already
    assert (again.model, again.steps) == (trained.model, trained.steps)
    assert "sft is finished" in capfd.readouterr().err
    assert (trained.model / "model.safetensors").stat().st_mtime_ns == written
    with pytest.raises(RecipeError, match=r"another setting: epochs was 1.0, now 2.0"):
        train_sft(tiny(work, model_folder, [scripted], epochs=2))


def test_kto_starts_from_sft_and_a_frozen_tower_stays(
    first: tuple[Path, Trained], scripted: Path, model_folder: Path
) -> None:
    work, trained = first
    recipe = tiny(work, model_folder, [scripted], epochs=1, train_vision=False)
    after = train_kto(recipe)
    names = changed(trained.model, after.model)
    assert names
    assert not vision(names)


@pytest.mark.parametrize("name", ["sft", pytest.param("kto", marks=pytest.mark.slow)])
def test_what_was_stopped_goes_on_exactly(
    name: Any, scripted: Path, model_folder: Path, tmp_path: Path
) -> None:
    train = {"sft": train_sft, "kto": train_kto}[name]
    own = {"start": str(model_folder), "max_steps": 4, "save_every_minutes": EVERY_STEP}
    stopped = tiny(tmp_path / "stopped", model_folder, [scripted], **own)
    stopped_after(2, name, stopped)
    folder = tmp_path / "stopped" / name
    assert sorted(checkpoints(folder)) == [1, 2]
    (folder / "checkpoint-3").mkdir()  # half a checkpoint, as a killed process leaves it
    gone_on = train(stopped)
    whole = train(tiny(tmp_path / "whole", model_folder, [scripted], **own))
    assert gone_on.steps == whole.steps == 4
    assert same(gone_on.model, whole.model)
    logs = [read_log(tmp_path / work / name / "log.jsonl") for work in ("stopped", "whole")]
    losses = [[(line["step"], line["loss"]) for line in log if "loss" in line] for log in logs]
    assert losses[0] == losses[1]
    assert sorted(checkpoints(folder)) == [2, 3], "two are kept"


def test_other_rows_are_not_gone_on_with(
    scripted: Path, clips: list[Path], model_folder: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    VideoAgent(ScriptedPolicy(TWO_LOOKS)).run(clips[0], recorded_runs.COLOUR, record=run)
    recipe = tiny(tmp_path / "work", model_folder, [scripted, run], save_every_minutes=EVERY_STEP)
    stopped_after(1, "sft", recipe)
    VideoAgent(ScriptedPolicy(TWO_LOOKS)).run(clips[1], recorded_runs.COLOUR, record=run)
    with pytest.raises(RecipeError, match="begun with another data"):
        train_sft(recipe)


def test_what_stopped_before_a_checkpoint_begins_anew_with_other_settings(
    scripted: Path, model_folder: Path, tmp_path: Path
) -> None:
    own = {"max_steps": 1, "lora": {**LORA, "target_modules": ["nothing"]}}
    assert "lora.target_modules" in refusal("sft", tiny(tmp_path, model_folder, [scripted], **own))
    mended = tiny(tmp_path, model_folder, [scripted], max_steps=1)
    assert train_sft(mended).steps == 1


def test_one_process_trains_in_a_folder(scripted: Path, model_folder: Path, tmp_path: Path) -> None:
    recipe = tiny(tmp_path, model_folder, [scripted], max_steps=1)
    with sole_process(tmp_path / "sft"):
        assert "another process works in" in refusal("sft", recipe)
    assert not (tmp_path / "sft" / "stage.json").exists()


def test_long_rows_are_refused_whole_and_counted(
    scripted: Path, model_folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    recipe = tiny(tmp_path, model_folder, [scripted], max_tokens=200, max_steps=1)
    trained = train_sft(recipe)
    said = capfd.readouterr().err
    assert f"sft: {trained.rows} rows" in said
    assert f"left out {9 - trained.rows}: longer than 200 tokens" in said
    with pytest.raises(DataError, match=r"nothing to train on .*longer than 20 tokens: 9"):
        train_sft(tiny(tmp_path / "none", model_folder, [scripted], max_tokens=20))


@pytest.mark.parametrize("frames", ["path", "inline"])
def test_exports_train_like_their_run(
    frames: Any, scripted: Path, model_folder: Path, tmp_path: Path
) -> None:
    for form, build in (("trl-sft", sft_trainer), ("trl-kto", kto_trainer)):
        out = exported(form, [scripted], tmp_path / form, delivery=frames)
        name: Any = form.removeprefix("trl-")
        own = {"start": str(model_folder)}
        batches = []
        for source in (scripted, out, out / "train.parquet"):
            recipe = tiny(tmp_path / f"{form}-{source.name}", model_folder, [source], **own)
            trainer: Any = build(StageRun.of(recipe, name))
            batches.append(trainer.data_collator([trainer.train_dataset[n] for n in range(4)]))
        for other in batches[1:]:
            assert all(batches[0][key].equal(value) for key, value in other.items())


def refusal(name: str, recipe: Any) -> str:
    train = {"sft": train_sft, "kto": train_kto}[name]
    with pytest.raises(EvaGraphError) as raised:
        train(recipe)
    text = str(raised.value)
    assert "\n" not in text
    return text


def test_what_a_stage_cannot_use_is_one_line(
    scripted: Path, with_tokens: Path, clips: list[Path], model_folder: Path, tmp_path: Path
) -> None:
    def said(name: str, sources: list[Path], **changes: Any) -> str:
        changes = {"start": str(model_folder), **changes}
        return refusal(name, tiny(tmp_path / "work", model_folder, sources, **changes))

    assert "no data: name run directories" in said("sft", [])
    (tmp_path / "file").touch()
    at_a_file = tiny(tmp_path / "file", model_folder, [scripted])
    assert f"cannot write {tmp_path / 'file'}" in refusal("sft", at_a_file)
    assert "holds neither recorded episodes nor train.parquet" in said("sft", [tmp_path])
    wrong = exported("trl-kto", [scripted], tmp_path / "kto")
    assert "lacks the columns messages" in said("sft", [wrong])
    unlabelled = tmp_path / "unlabelled"
    VideoAgent(ScriptedPolicy(TWO_LOOKS)).run(clips[0], recorded_runs.COLOUR, record=unlabelled)
    assert f"run `eva-graph label {unlabelled}` first" in said("kto", [unlabelled])
    (tmp_path / "train.parquet").write_text("no parquet")
    assert "is no Parquet file" in said("sft", [tmp_path / "train.parquet"])
    assert "SFTConfig has no such argument" in said("sft", [scripted], trainer={"learn": 1})
    elsewhere = said("sft", [scripted], trainer={"output_dir": str(tmp_path)})
    assert "sft.trainer.output_dir: the stage itself decides that" in elsewhere
    assert "sft: " in said("sft", [scripted], trainer={"lr_scheduler_type": "sine"})
    assert "no multiple of per_device_batch" in said("sft", [scripted], per_device_batch=3)
    assert "trackio is not installed" in said("sft", [scripted], trackers=("trackio",))
    assert "holds no model: run the stage before" in said("kto", [scripted], start="nowhere")
    assert not (tmp_path / "work" / "sft" / "model").exists()


def test_damaged_exports_are_one_line(scripted: Path, model_folder: Path, tmp_path: Path) -> None:
    def said(name: str, rows: list[dict[str, Any]] | bytes) -> str:
        form = TrlSft() if name == "sft" else TrlKto()
        file = tmp_path / f"{len(list(tmp_path.iterdir()))}.parquet"
        if isinstance(rows, bytes):
            file.write_bytes(rows)
        else:
            with ParquetWriter(path=str(file), features=form.files()[0].features) as writer:
                for row in rows:
                    writer.write(row)
                writer.finalize()
        work = tiny(tmp_path / "work", model_folder, [file], start=str(model_folder))
        return refusal(name, work)

    whole = exported("trl-sft", [scripted], tmp_path / "sft") / "train.parquet"
    data = bytearray(whole.read_bytes())
    data[200:1200] = bytes(byte ^ 0x5A for byte in data[200:1200])
    assert "is damaged: " in said("sft", bytes(data))
    (tmp_path / "damaged.parquet").write_bytes(data)
    with pytest.raises(DataError, match=r"damaged.parquet cannot be read: [^\n]+$"):
        read_parquet(tmp_path / "damaged.parquet")
    assert "(no episodes)" in said("sft", [])
    assert "row 0: it has no messages" in said("sft", [{"messages": [], "images": []}])
    assert "row 0: it has no messages" in said("sft", [{"messages": None, "images": []}])
    labelled = exported("trl-kto", [scripted], tmp_path / "kto") / "train.parquet"
    rows = [dict(row) for row in load_dataset("parquet", data_files=str(labelled), split="train")]
    assert "row 1: its label is neither" in said("kto", [rows[0], {**rows[1], "label": None}])


@pytest.mark.slow
def test_an_adapter_alone_is_no_start(scripted: Path, model_folder: Path, tmp_path: Path) -> None:
    trained = train_sft(tiny(tmp_path, model_folder, [scripted], lora=LORA, max_steps=2))
    adapter = tmp_path / "sft" / "adapter"
    assert vision(set(weights(adapter))), "the tower's layers are adapted too"
    names = changed(model_folder, trained.model)
    assert vision(names), "and merged"
    assert all(
        value.dtype == load_model(trained.model).dtype for value in weights(adapter).values()
    )
    recipe = tiny(tmp_path, model_folder, [scripted], start=str(adapter))
    with pytest.raises(InvalidRequest, match="holds an adapter alone"):
        train_kto(recipe)


@pytest.mark.slow
@pytest.mark.parametrize("lora", [None, LORA], ids=["full", "lora"])
def test_the_reference_of_kto_is_the_stage_s_start(
    lora: Any, scripted: Path, model_folder: Path, tmp_path: Path
) -> None:
    """Before it is stopped and after; not the trained model, nor the base of an adapter."""
    start = random_model(tmp_path / "start", seed=5)
    own: dict[str, Any] = {
        "start": str(start), "lora": lora, "max_steps": 3, "save_every_minutes": EVERY_STEP,
    }  # fmt: skip
    recipe = tiny(tmp_path, model_folder, [scripted], **own)
    fresh: Any = kto_trainer(StageRun.of(recipe, "kto"))
    batch = fresh.data_collator([fresh.train_dataset[n] for n in range(4)])
    policy, reference = scores(fresh, batch)
    assert reference == pytest.approx(policy), "nothing is learned yet"
    stopped_after(2, "kto", recipe)
    run = StageRun.of(recipe, "kto")
    resumed: Any = kto_trainer(run)
    resumed.train(resume_from_checkpoint=str(run.checkpoint))
    policy_after, reference_after = scores(resumed, batch)
    assert reference_after == pytest.approx(reference, abs=1e-3)
    assert policy_after != pytest.approx(policy, abs=0.1)


def scores(trainer: Any, batch: dict[str, Any]) -> tuple[list[float], list[float]]:
    """Log-probabilities of desirable and undesirable rows, as KTO's own loss finds them: of the
    policy, and of the reference (rewards are beta times their difference)."""
    trainer._metrics["train"].clear()
    trainer.model.train()
    with torch.no_grad():
        trainer.compute_loss(trainer.model, batch)
    found = trainer._metrics["train"]
    policy = [float(found[f"logps/{side}"][-1]) for side in ("chosen", "rejected")]
    rewards = [float(found[f"rewards/{side}"][-1]) for side in ("chosen", "rejected")]
    beta = trainer.beta
    return policy, [score - reward / beta for score, reward in zip(policy, rewards, strict=True)]
