"""What a stage says of itself at its end: from real trainings, asked by the evaluation's runner."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import recorded_runs
from hypothesis import given
from hypothesis import strategies as st
from stage_recipes import tiny

from eva_graph import VideoAgent
from eva_graph.trajectory import RunStore
from eva_graph_tools import Video
from eva_graph_training.errors import RecipeError
from eva_graph_training.recipe import EpisodeSettings, Recipe, load_recipe
from eva_graph_training.stage_report.curves import curves_of, picture, totals_of, trailing_means
from eva_graph_training.stages import train_stage
from eva_graph_training.world.sets import WorldSetPlan, video_file, world_set
from eva_graph_training.world.teacher_policy import TeacherPolicy

STAGES = ("sft", "kto", "grpo")
_WAIT_SECONDS = 280
SHORT = EpisodeSettings(max_turns=2, max_new_tokens=12, look_budget=512)


def write_questions(file: Path, clips: Sequence[Path], answer: str = "yellow") -> Path:
    lines = [{"video": str(one), "question": recorded_runs.COLOUR, "answer": answer,
              "options": {"A": "red", "B": "yellow"}} for one in clips]  # fmt: skip
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return file


def told(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    return found


def chain(work: Path, model: Path, run: Path, questions: Path, **changes: Any) -> Recipe:
    recipe = tiny(work, model, [run], held_out={"questions": str(questions)}, transcripts=1,
                  max_steps=3, **changes)  # fmt: skip
    return recipe.model_copy(update={"episode": SHORT})


@pytest.fixture(scope="module")
def trained(
    scripted: Path, clips: Sequence[Path], model_folder: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Recipe:  # fmt: skip
    """SFT and KTO, with held-out questions."""
    folder = tmp_path_factory.mktemp("reported")
    questions = write_questions(folder / "questions.jsonl", clips[:2])
    recipe = chain(folder / "work", model_folder, scripted, questions)
    train_stage("sft", recipe)
    train_stage("kto", recipe)
    return recipe


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40), st.integers(1, 50))
def test_smoothing_stays_within_its_window(values: list[float], window: int) -> None:
    means = trailing_means(values, window)
    assert len(means) == len(values)
    for end, mean in enumerate(means, 1):
        part = values[max(0, end - window) : end]
        assert min(part) - 1e-6 <= mean <= max(part) + 1e-6
    assert means[0] == values[0]


def test_every_term_that_was_logged_twice_is_a_curve() -> None:
    log = [{"step": n, "epoch": 0.1, "zeta": n, "loss": 1 / n, "odd": float("nan")} for n in (1, 2)]
    log += [{"step": 2, "train_runtime": 3.5, "name": "text"}]
    curves = curves_of(log)
    assert [curve.name for curve in curves] == ["loss", "zeta"], "the loss comes first"
    assert curves[0].steps == (1, 2)
    assert totals_of(log) == {"train_runtime": 3.5}
    assert picture(curves[0]).startswith(b"\x89PNG")


def test_a_report_holds_curves_scores_settings_and_episodes(trained: Recipe) -> None:
    found = told(trained.folder("sft"))
    assert {"loss", "grad_norm", "learning_rate"} <= {one["name"] for one in found["curves"]}
    assert found["curves"][0]["steps"] == [1, 2, 3]
    for side in ("before", "after"):
        accuracy = found["held_out"][side]["accuracy"]
        assert accuracy["questions"] == 2
        assert accuracy["low"] <= accuracy["value"] <= accuracy["high"]
    comparison = found["held_out"]["comparison"]
    assert comparison["questions"] == 2
    assert comparison["difference"]["low"] <= comparison["difference"]["high"]
    assert found["data"]["rows"] == 9
    assert found["settings"]["held_out.limit"] == "200"
    assert found["machine"]["peak_memory_bytes"] > 1e8
    assert {"torch", "trl"} <= set(found["versions"])
    (episode,) = found["transcripts"]
    assert episode["question"] == recorded_runs.COLOUR
    assert episode["turns"]
    page = (trained.folder("sft") / "report.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == len(found["curves"])
    assert "http" not in page.replace("http-equiv", "")


def test_before_a_stage_is_after_the_one_before(trained: Recipe) -> None:
    first, second = told(trained.folder("sft")), told(trained.folder("kto"))
    assert second["held_out"]["before"]["reused"]
    assert second["held_out"]["before"]["run"] == str(trained.folder("sft") / "held_out" / "after")
    assert not (trained.folder("kto") / "held_out" / "before").exists()
    assert second["held_out"]["before"]["accuracy"] == first["held_out"]["after"]["accuracy"]


def test_a_report_that_failed_is_written_by_the_same_command(
    trained: Recipe, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = trained.folder("kto")
    ids = list(RunStore(folder / "held_out" / "after").ids())
    (folder / "report.html").unlink()
    config = folder / "model" / "preprocessor_config.json"
    kept = config.rename(config.with_suffix(".kept"))
    assert train_stage("kto", trained).already
    assert "its report is not written" in capfd.readouterr().err
    assert not (folder / "report.html").exists()
    kept.rename(config)
    assert train_stage("kto", trained).already
    assert (folder / "report.html").is_file()
    assert list(RunStore(folder / "held_out" / "after").ids()) == ids, "nothing is asked twice"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "no such file"),
        ("", "no questions there"),
        ('{"video": "gone.mp4", "question": "?"}\n', "a video that is not there: gone.mp4"),
        ('{"question": "?"}\n', "video"),
        ("{", "questions.jsonl"),
    ],
)
def test_broken_questions_are_refused_before_training(
    text: str | None, reason: str, scripted: Path, model_folder: Path, tmp_path: Path
) -> None:
    file = tmp_path / "questions.jsonl"
    if text is not None:
        file.write_text(text, encoding="utf-8")
    recipe = chain(tmp_path / "work", model_folder, scripted, file)
    with pytest.raises(RecipeError, match=r"sft\.held_out\.questions") as raised:
        train_stage("sft", recipe)
    assert reason in str(raised.value).lower()
    assert "\n" not in str(raised.value)
    assert [path.name for path in (tmp_path / "work" / "sft").iterdir()] == [".lock"]


def world_run(folder: Path) -> tuple[Path, Path]:
    """The teacher's episodes on two world videos, every other one undesirable; and questions."""
    run, lines = folder / "run", []
    plan = WorldSetPlan(
        first_seed=78_000_000, short_videos=2, long_videos=0, times_per_short=4, events_per_short=0
    )
    for task in world_set(plan):
        path = video_file(task, folder)
        with Video.open(path) as video:
            worlds = {video.video_id: task.world}
        for question in task.questions:
            VideoAgent(TeacherPolicy(worlds)).run(path, question.text, record=run)
        asked = task.questions[0]
        lines.append({"video": path.name, "question": asked.text, "answer": asked.answer})
    store = RunStore(run)
    amended = [
        one.model_copy(update={"expected": one.answer, "desirable": number % 2 == 0})
        for number, one in enumerate(store.records())
    ]
    store.amend(amended)
    file = folder / "questions.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return run, file


@pytest.fixture(scope="module")
def three_commands(tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    """SFT, KTO and GRPO of the embedded nano from one recorded run directory."""
    folder = tmp_path_factory.mktemp("commands")
    run, questions = world_run(folder)
    settings = [
        f"work={folder / 'work'}", f"runs=['{run}']", "sft.max_steps=2", "kto.max_steps=2",
        "sft.batch=4", "kto.batch=4", "sft.learning_rate=1.0e-6", "kto.learning_rate=1.0e-6",
        "grpo.max_steps=2", "grpo.batch=2", "grpo.rollouts=2", "grpo.per_device_batch=4",
        *(f"{name}.held_out.questions={questions}" for name in STAGES),
        *(f"{name}.transcripts=2" for name in STAGES),
    ]  # fmt: skip
    changes = [word for setting in settings for word in ("--set", setting)]
    for name in STAGES:
        done = subprocess.run(
            [sys.executable, "-m", "eva_graph.cli", "train", name, "nano-cpu", *changes],
            capture_output=True, text=True, timeout=_WAIT_SECONDS, check=False,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert str(folder / "work" / name / "report.html") in done.stderr
    return load_recipe("nano-cpu", settings)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_three_commands_train_and_report_one_after_the_other(three_commands: Recipe) -> None:
    reports = {name: told(three_commands.folder(name)) for name in STAGES}
    for before, after in (("sft", "kto"), ("kto", "grpo")):
        assert reports[after]["start"] == reports[before]["model"]
        assert reports[after]["held_out"]["before"]["reused"]
    for report in reports.values():
        assert report["held_out"]["comparison"]["questions"] == 2
        assert len(report["transcripts"]) == 2
        looks = [look for one in report["transcripts"] for turn in one["turns"]
                 for look in turn["looks"]]  # fmt: skip
        assert any(look["pictures"] for look in looks)
    names = {one["name"] for one in reports["grpo"]["curves"]}
    assert "reward" in names
    assert any(name.startswith("rewards/") for name in names), "each term has its curve"


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.timeout(900)
def test_a_report_opens_in_a_browser(three_commands: Recipe, tmp_path: Path) -> None:
    from chromium import chromium

    troubles: list[str] = []
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1200, "height": 900})
        page.on("console", lambda message: troubles.append(message.text))
        page.on("request", lambda one: troubles.append(one.url) if "http" in one.url else None)
        for name in STAGES:
            page.goto((three_commands.folder(name) / "report.html").as_uri())
            page.locator("details").first.locator("summary").click()
            page.wait_for_load_state("load")
            broken = "[...document.images].filter(one => !one.complete || !one.naturalWidth).length"
            assert page.evaluate(broken) == 0
            assert page.evaluate("document.images.length") > 4
            assert page.evaluate("document.body.scrollWidth <= window.innerWidth")
            page.screenshot(path=str(tmp_path / f"{name}.png"), full_page=True)
    assert troubles == []
