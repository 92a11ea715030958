from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from annotation_rows import (
    FLAT_LVBENCH,
    OPTIONS,
    PROMPTS,
    PUBLISHED,
    STEM,
    TEXTS,
    unified,
    videos_below,
    write_lines,
)

from eva_graph.errors import InvalidRequest, MissingExtra
from eva_graph.evaluation.benchmarks import BENCHMARKS, load_questions
from eva_graph.evaluation.questions import EvalQuestion, LoadSummary


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    return videos_below(tmp_path / "videos", "deep/door.mp4", "deep/door_en.srt")


def load_one(path: Path, benchmark: str, videos: Path, **profile: Any) -> EvalQuestion:
    (question,) = load_questions(benchmark, path, videos, **profile)
    return question


@pytest.mark.parametrize("benchmark", sorted(PROMPTS))
def test_released_rows_are_repaired(benchmark: str, tmp_path: Path, videos: Path) -> None:
    path = write_lines(tmp_path / "rows.jsonl", [unified(benchmark)])
    question = load_one(path, benchmark, videos)
    assert (question.question, question.asked_options) == (STEM, OPTIONS)
    assert (question.answer, question.problem, question.missing) == ("C", None, False)
    assert question.video == str(videos / "deep" / "door.mp4")


@pytest.mark.parametrize("benchmark", sorted(PROMPTS))
def test_the_reference_profile_asks_what_the_harness_asks(
    benchmark: str, tmp_path: Path, videos: Path
) -> None:
    path = write_lines(tmp_path / "rows.jsonl", [unified(benchmark)])
    question = load_one(path, benchmark, videos, profile="reference")
    assert question.question == PROMPTS[benchmark]
    assert question.asked_options == {}
    assert question.options == OPTIONS
    assert question.repairs == ()


@pytest.mark.parametrize("benchmark", sorted(PUBLISHED))
def test_each_sets_own_layout(benchmark: str, tmp_path: Path, videos: Path) -> None:
    path = tmp_path / "published.json"
    path.write_text(json.dumps(PUBLISHED[benchmark]), encoding="utf-8")
    question = load_one(path, benchmark, videos)
    assert (question.question, question.asked_options, question.answer) == (STEM, OPTIONS, "C")
    assert not question.missing
    verbatim = load_one(path, benchmark, videos, profile="reference")
    assert (verbatim.question, verbatim.answer) == (PROMPTS[benchmark], "C")


def test_what_sets_know_beside_the_question(tmp_path: Path, videos: Path) -> None:
    def loaded(benchmark: str) -> EvalQuestion:
        path = write_lines(tmp_path / f"{benchmark}.jsonl", PUBLISHED[benchmark])
        return load_one(path, benchmark, videos)

    videomme, lvbench, long = loaded("videomme"), loaded("lvbench"), loaded("longvideobench")
    assert (videomme.duration_bucket, videomme.question_id) == ("short", "001-1")
    assert videomme.question_type == "Attribute Perception"
    assert lvbench.question_types == ("entity recognition", "reasoning")
    assert (lvbench.time_reference, lvbench.question_id) == (((15.0, 3679.0),), "door_7")
    assert loaded("lsdbench").time_reference == ((2940.0, 3120.0),)
    assert long.subtitles == str(videos / "deep" / "door_en.srt")
    assert long.duration_bucket == "3-10 min"
    assert loaded("videoholmes").question_type == "SR"
    assert loaded("mlvu").question_id == "mlvu-0"


def test_videomme_results_with_a_video_a_row(tmp_path: Path, videos: Path) -> None:
    asked = PUBLISHED["videomme"][0]
    inner = {name: asked[name] for name in ("question_id", "task_type", "question", "answer")}
    row = {"video_id": "door", "duration": "long", "questions": [{**inner, "choices": TEXTS}]}
    path = tmp_path / "template.json"
    path.write_text(json.dumps([row]), encoding="utf-8")
    question = load_one(path, "videomme", videos)
    assert (question.options, question.duration_bucket) == (OPTIONS, "long")


def test_one_document_with_the_rows_inside(tmp_path: Path, videos: Path) -> None:
    path = tmp_path / "wrapped.json"
    path.write_text(json.dumps({"version": 1, "data": PUBLISHED["lsdbench"]}), encoding="utf-8")
    assert load_one(path, "lsdbench", videos).answer == "C"


def test_one_video_in_a_file_of_its_own(tmp_path: Path, videos: Path) -> None:
    path = tmp_path / "one.jsonl"
    path.write_text(json.dumps(PUBLISHED["lvbench"][0]), encoding="utf-8")
    assert load_one(path, "lvbench", videos).answer == "C"


@pytest.mark.parametrize("benchmark", ["lvbench", "longvideobench"])
def test_parquet(benchmark: str, tmp_path: Path, videos: Path) -> None:
    columns = {f"option{number}": text for number, text in enumerate([*TEXTS, "N/A"])}
    long = {**PUBLISHED["longvideobench"][0], **columns}
    del long["candidates"]
    row = FLAT_LVBENCH if benchmark == "lvbench" else long
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist([row]), tmp_path / "test.parquet")
    question = load_one(tmp_path / "test.parquet", benchmark, videos)
    assert (question.question, question.options, question.answer) == (STEM, OPTIONS, "C")


def test_a_broken_parquet_file(tmp_path: Path, videos: Path) -> None:
    (tmp_path / "test.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(InvalidRequest, match=r"cannot read .*test\.parquet"):
        load_questions("lvbench", tmp_path / "test.parquet", videos)


def test_parquet_without_pyarrow(
    tmp_path: Path, videos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    (tmp_path / "test.parquet").write_bytes(b"")
    with pytest.raises(MissingExtra, match=r"pip install pyarrow"):
        load_questions("lvbench", tmp_path / "test.parquet", videos)


def test_a_table_of_lvbench(tmp_path: Path, videos: Path) -> None:
    types = "['reasoning', 'event understanding']"
    row = {**FLAT_LVBENCH, "question_type": types, "note": "one\u2028line\x0bonly"}
    with (tmp_path / "rows.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, row)
        writer.writeheader()
        writer.writerow(row)
    question = load_one(tmp_path / "rows.csv", "lvbench", videos)
    assert (question.options, question.question_types[1]) == (OPTIONS, "event understanding")


def test_a_folder_of_tasks(tmp_path: Path, videos: Path) -> None:
    (tmp_path / "json").mkdir()
    for task in ("1_plotQA", "9_summary"):
        write_lines(tmp_path / "json" / f"{task}.json", PUBLISHED["mlvu"])
    (tmp_path / "json" / "README.md").write_text("no rows")
    ids = [one.question_id for one in load_questions("mlvu", tmp_path / "json", videos)]
    assert ids == ["1_plotQA-0", "9_summary-0"]


def test_unscorable_answers_are_counted_and_kept(tmp_path: Path, videos: Path) -> None:
    rows = [unified("mlvu", answer="@"), unified("mlvu", index=1), unified("mlvu", "", index=2)]
    path = write_lines(tmp_path / "rows.jsonl", rows)
    corrected = load_questions("mlvu", path, videos)
    reference = load_questions("mlvu", path, videos, profile="reference")
    summary = LoadSummary.of(corrected)
    assert summary.questions == len(reference) == 3
    assert summary.problems == {
        "the answer names none of the options": 1,
        "no answer is given": 1,
    }
    assert [one.answer for one in reference] == ["@", "C", ""]
    assert LoadSummary.of(reference).problems == summary.problems
    assert any("cannot be scored" in line for line in summary.lines())


def test_repairs_are_counted(tmp_path: Path, videos: Path) -> None:
    bad_time = unified("lvbench", answer="(c)", time_reference="08:17-None", id="door_1")
    path = write_lines(tmp_path / "rows.jsonl", [bad_time, {**bad_time, "index": 1}])
    summary = LoadSummary.of(load_questions("lvbench", path, videos))
    assert summary.repairs == {
        "literal backslash-n for line breaks": 2,
        "answer rewritten as its option's letter": 2,
        "time reference without a usable end left out": 2,
        "question id given twice": 1,
    }
    ids = [one.question_id for one in load_questions("lvbench", path, videos)]
    assert ids == ["door_1", "door_1#2"]


def test_options_without_a_text_can_still_be_asked(tmp_path: Path, videos: Path) -> None:
    row = unified("mlvu")
    row["prompt"][0]["content"] = PROMPTS["mlvu"].replace("(B) Green", "(B) ")
    question = load_one(write_lines(tmp_path / "rows.jsonl", [row]), "mlvu", videos)
    assert question.options["B"] == "(no text)"
    assert "option without a text" in question.repairs


def test_an_answer_that_fits_two_options(tmp_path: Path, videos: Path) -> None:
    row = {**PUBLISHED["mlvu"][0], "candidates": ["Blue", "Blue", "Red"]}
    question = load_one(write_lines(tmp_path / "rows.jsonl", [row]), "mlvu", videos)
    assert (question.answer, question.problem) == (None, "the answer fits 2 options")


def test_open_questions_have_no_options(tmp_path: Path, videos: Path) -> None:
    row = {"video": "door.mp4", "question": "What happens?", "answer": "A door opens."}
    question = load_one(write_lines(tmp_path / "9_summary.json", [row]), "mlvu", videos)
    assert (question.options, question.answer) == ({}, "A door opens.")
    assert question.problem is None


def test_own_questions(tmp_path: Path, videos: Path) -> None:
    row = {
        "video": "door",
        "question": STEM,
        "options": TEXTS,
        "answer": "Blue",
        "time_reference": [[1, 2.5], ["01:00", "01:30"]],
        "question_type": "colour",
    }
    path = write_lines(tmp_path / "own.jsonl", [row, {"video": "door", "question": "Why?"}])
    first, second = load_questions("custom", path, videos, profile="reference")
    assert (first.asked_options, first.answer) == (OPTIONS, "C")
    assert first.time_reference == ((1.0, 2.5), (60.0, 90.0))
    assert (second.options, second.problem) == ({}, "no answer is given")


@pytest.mark.parametrize(
    ("benchmark", "row", "complaint"),
    [
        ("custom", {"video": "door", "question": "Why?", "anwser": "B"}, "unknown field `anwser`"),
        ("custom", {"video": "door"}, "has no `question`"),
        ("custom", {"video": "door", "question": " "}, "has no `question`"),
        ("custom", {"video": "door", "question": "\ud800"}, "`question` is not valid Unicode"),
        ("custom", {"video": "door", "question": "Why?", "options": ["So"]}, "options need two"),
        (
            "custom",
            {"video": "door", "question": "Why?", "options": {"1": "So", "2": "No"}},
            "options need two texts or more, by letters",
        ),
        ("custom", {"video": ["door"], "question": "Why?"}, "`video` must be text, not list"),
        ("mlvu", {**unified("mlvu"), "videos": []}, "`videos` names no video"),
        ("mlvu", {**unified("mlvu"), "prompt": []}, "`prompt` has no text of a user"),
        ("lsdbench", {**PUBLISHED["lsdbench"][0], "options": "A"}, "options must be texts"),
        ("lvbench", {"key": "door", "qa": "none"}, "`qa` must be a list"),
        ("mlvu", [1, 2], "not an object with fields"),
    ],
)
def test_rows_that_ask_nothing_are_named(
    benchmark: str, row: Any, complaint: str, tmp_path: Path, videos: Path
) -> None:
    path = tmp_path / "rows.json"
    path.write_text(json.dumps([row]), encoding="utf-8")
    with pytest.raises(InvalidRequest, match=rf"rows\.json: row 1: {complaint}"):
        load_questions(benchmark, path, videos)


def test_files_that_cannot_be_read(tmp_path: Path, videos: Path) -> None:
    path = write_lines(tmp_path / "rows.jsonl", [unified("mlvu")])
    with path.open("a") as file:
        file.write('{"videos": [')
    with pytest.raises(InvalidRequest, match="line 2 is not JSON"):
        load_questions("mlvu", path, videos)
    (tmp_path / "empty.json").write_text("[]")
    with pytest.raises(InvalidRequest, match="no questions there"):
        load_questions("mlvu", tmp_path / "empty.json", videos)
    with pytest.raises(InvalidRequest, match="cannot read"):
        load_questions("mlvu", tmp_path / "nowhere.json", videos)
    with pytest.raises(InvalidRequest, match="not an annotation file"):
        load_questions("mlvu", videos / "deep" / "door.mp4", videos)
    with pytest.raises(InvalidRequest, match="no such folder"):
        load_questions("mlvu", write_lines(path, [unified("mlvu")]), tmp_path / "novideos")
    with pytest.raises(InvalidRequest, match=f"choose of {', '.join(BENCHMARKS)}"):
        load_questions("videomme2", path, videos)
