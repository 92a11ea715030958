"""A chain's steps: shared where nothing differs, done once, gone on with; plans and refusals."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from random_model import random_model
from rich.console import Console
from typer.testing import CliRunner

from eva_graph.errors import EvaGraphError
from eva_graph_training.errors import DataError, RecipeError, TrainingError
from eva_graph_training.miniature.chain import Chain
from eva_graph_training.miniature.plan import ABLATIONS, Size, load_plan
from eva_graph_training.miniature.start import base_folder, require_better
from eva_graph_training.miniature.steps import Step, in_order, run_step
from eva_graph_training.train_command import train

QUIET = Console(quiet=True)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_model(tmp_path_factory.mktemp("base") / "model")


def keys(base: Path, size: Size = "third", ablation: str | None = None, seed: int = 0,
         overrides: tuple[str, ...] = ()) -> dict[str, str]:  # fmt: skip
    plan = load_plan(size, seed=seed, ablation=ablation, overrides=overrides)
    return {name: step.key for name, step in Chain(plan, base, QUIET).steps.items()}


def test_ablations_share_what_comes_before_them(base: Path) -> None:
    main = keys(base)
    for ablation, shared, changed in (
        ("without-kto", "sft", "grpo-data-1"),
        ("without-self-verification", "grpo-data-1", "grpo-1"),
        ("without-enhancement", "kto", "grpo-data-1"),
        ("choice-only", "kto", "grpo-data-1"),
        ("open-only", "kto", "grpo-data-1"),
    ):
        other = keys(base, ablation=ablation)
        assert other["world"] == main["world"]
        assert other["teacher"] == main["teacher"]
        assert other[shared] == main[shared], ablation
        assert other[changed] != main[changed], ablation
        assert other["eval-grpo-test"] != main["eval-grpo-test"]
    assert set(ABLATIONS) == {"without-kto", "without-self-verification", "without-enhancement",
                              "choice-only", "open-only"}  # fmt: skip
    assert "kto" not in keys(base, ablation="without-kto")
    assert "judge" not in keys(base, ablation="without-self-verification")


def test_seeds_share_the_world_and_workers_change_nothing(base: Path) -> None:
    main, other = keys(base), keys(base, seed=1)
    assert main["world"] == other["world"]
    assert main["sft"] != other["sft"]
    assert keys(base, overrides=("concurrency=3", "processes=1")) == main
    assert keys(base, overrides=("kto.rows=7",))["sft"] == main["sft"]
    assert keys(base, overrides=("kto.rows=7",))["kto"] != main["kto"]


def test_the_full_chain_has_every_baseline(base: Path) -> None:
    steps = keys(base, "full")
    trained = ("sft", "kto", "grpo-2", "judge", "fixed", "passive-1x", "passive-2x", "passive-4x")
    assert set(trained) <= set(steps)
    assert {f"eval-{name}-ood" for name in ("sft", "kto", "grpo", "fixed", "passive-4x")} <= set(
        steps
    )


def test_a_step_is_done_once_and_gone_on_with(tmp_path: Path) -> None:
    told: list[str] = []

    def stumbling(at: Path, of: Mapping[str, Path]) -> dict[str, int]:
        told.append("first")
        if not (at / "begun").exists():
            (at / "begun").touch()
            raise DataError("killed")
        return {"rows": 3}

    def second(at: Path, of: Mapping[str, Path]) -> dict[str, str]:
        told.append("second")
        return {"read": (of["first"] / "done.json").name}

    first = Step(name="first", settings={"size": 1}, work=stumbling)
    last = Step(name="second", needs=(first,), work=second)
    assert in_order(last) == [first, last]
    with pytest.raises(DataError, match="killed"):
        run_step(last, tmp_path, QUIET)
    assert not first.is_done(tmp_path)
    facts = run_step(last, tmp_path, QUIET)
    assert facts["read"] == "done.json"
    assert told == ["first", "first", "second"]
    assert run_step(last, tmp_path, QUIET) == facts
    assert len(told) == 3
    changed = Step(name="first", settings={"size": 2}, work=stumbling)
    assert changed.folder(tmp_path) != first.folder(tmp_path)
    with pytest.raises(DataError, match="cannot read"):
        changed.facts(tmp_path)


@pytest.mark.parametrize(
    ("size", "ablation", "override", "message"),
    [
        ("full", "without-eyes", "", "no ablation 'without-eyes'"),
        ("full", None, "kto.rows", "takes key=value"),
        ("full", None, "kto.rows=[", "is no YAML"),
        ("full", None, "kto.rows=0", "kto.rows"),
        ("smoke", None, "kto.colour=1", "kto.colour"),
    ],
)
def test_plans_are_refused_in_one_line(
    size: Size, ablation: str | None, override: str, message: str
) -> None:
    with pytest.raises(RecipeError, match=message):
        load_plan(size, ablation=ablation, overrides=[override] if override else [])


def test_a_start_is_needed_and_must_be_surpassed(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="give --base FOLDER"):
        base_folder(tmp_path)
    require_better({"start": 0.1, "sft": 0.05, "grpo": 0.11})
    with pytest.raises(TrainingError, match="nothing was learned"):
        require_better({"start": 0.1, "sft": 0.2, "grpo": 0.1})


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--third", "--smoke"], "--third or --smoke, not both"),
        (["--smoke", "--only", "sleep"], "no step 'sleep': choose from world, teacher"),
        (["--ablation", "without-eyes"], "no ablation 'without-eyes'"),
        (["--report", "--reports", "."], "holds no report"),
    ],
)
def test_the_command_refuses_in_one_line(
    words: list[str], message: str, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = CliRunner().invoke(train, ["recipe", "nano", "--base", str(base), *words])
    assert isinstance(run.exception, EvaGraphError)
    assert message in str(run.exception)
    assert not list(tmp_path.iterdir())


def test_the_command_does_one_step_and_says_what_it_made(base: Path, tmp_path: Path) -> None:
    sizes = "world={train_videos: 1, unseen_videos: 1, test_videos: 1, ood_videos: 1}"
    words = ["recipe", "nano", "--smoke", "--base", str(base), "--work", str(tmp_path), "--json"]
    words += [
        "--only",
        "world",
        "--set",
        sizes,
        "--set",
        "processes=1",
        "--set",
        "world_seconds=75",
    ]
    first = CliRunner().invoke(train, words)
    facts = json.loads(first.stdout)
    assert facts["ood videos"] == 1
    assert facts["train questions"] > 3
    (folder,) = tmp_path.iterdir()
    assert folder.name.startswith("world-")
    assert json.loads(CliRunner().invoke(train, words).stdout) == facts
