"""What every export does: choose, check, measure, split, write equal bytes, say what it did."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from datasets import load_dataset
from hypothesis import given
from hypothesis import strategies as st

from eva_graph.errors import InvalidRequest, TrajectoryError
from eva_graph.policy.processor import load_processor
from eva_graph.trajectory import RecordFilter, RunStore
from eva_graph_training.dataset import kto_dataset, sft_dataset
from eva_graph_training.errors import DataError
from eva_graph_training.export.chat import transcript
from eva_graph_training.export.command import FormName
from eva_graph_training.export.command import export as export_command
from eva_graph_training.export.counts import ExportCounts
from eva_graph_training.export.exporting import ExportRequest, export
from eva_graph_training.export.forms import FORMS
from eva_graph_training.export.lengths import TokenCounter
from eva_graph_training.export.selection import Selection, Split
from eva_graph_training.labels import label_run
from eva_graph_training.rollouts import RecordedRollouts


def exported(form: str, runs: Sequence[Path], out: Path, **settings: Any) -> ExportCounts:
    return export(ExportRequest(runs=runs, form=FORMS[form], out=out, **settings))


def digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*")) if path.is_file()
    }  # fmt: skip


@pytest.mark.parametrize("form", sorted(FORMS))
def test_equal_exports_have_equal_bytes(
    form: str, scripted: Path, with_tokens: Path, tmp_path: Path
) -> None:
    for name in ("first", "second"):
        split = Split(train_fraction=0.5, seed=4)
        exported(form, [scripted, with_tokens], tmp_path / name, split=split)
    first = digests(tmp_path / "first")
    assert first == digests(tmp_path / "second")
    assert {name.split(".")[0] for name in first} >= {"README", "train", "validation"}


@given(
    videos=st.sets(st.text(min_size=1, max_size=8), max_size=40),
    seed=st.integers(0, 1000),
    fraction=st.floats(0.01, 1),
)
def test_a_video_is_on_one_side(videos: set[str], seed: int, fraction: float) -> None:
    split, again = (Split(train_fraction=fraction, seed=seed) for _ in range(2))
    sides = {video: split.side(video) for video in videos}
    assert sides == {video: again.side(video) for video in videos}, "whatever else is exported"
    wider = Split(train_fraction=1, seed=seed)
    assert all(wider.side(video) == "train" for video in videos)


def test_the_share_of_videos_is_kept() -> None:
    split = Split(train_fraction=0.9, seed=1)
    trained = sum(split.side(f"video {number}") == "train" for number in range(4000))
    assert 3500 < trained < 3700


@pytest.mark.parametrize("form", ["trl-kto", "trl-grpo", "pivot", "verl"])
def test_no_video_on_both_sides(form: str, scripted: Path, tmp_path: Path) -> None:
    counts = exported(form, [scripted], tmp_path / "out", split=Split(train_fraction=0.5, seed=4))
    assert counts.videos["train"].isdisjoint(counts.videos["validation"])
    assert len(counts.videos["train"] | counts.videos["validation"]) == 3
    for side in ("train", "validation"):
        file = str(tmp_path / "out" / f"{side}.parquet")
        rows = load_dataset("parquet", data_files=file, split="train")
        found = {(row.get("extra_info") or row)["video_id"] for row in rows}
        assert found == counts.videos[side]


def test_filters_say_what_they_left_out(scripted: Path, tmp_path: Path) -> None:
    where = RecordFilter(correct=True, min_turns=3)
    counts = exported("trl-sft", [scripted], tmp_path / "out", selection=Selection(where=where))
    assert counts.dropped == {"filter correct": 4}
    assert (counts.records, counts.exported) == (10, 6)
    where = RecordFilter(stop_reasons=frozenset({"answered"}), max_turns=1)
    counts = exported("trl-sft", [scripted], tmp_path / "one", selection=Selection(where=where))
    assert counts.dropped == {"filter stop reasons": 1, "filter max turns": 6}
    card = (tmp_path / "one" / "README.md").read_text(encoding="utf-8")
    assert "stop reasons: answered; max turns: 1" in card


def test_labels_choose_and_are_counted(scripted: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(scripted, run)
    store = RunStore(run)
    store.amend(
        [
            record.model_copy(
                update={"labels": ["blind_guess"] if not record.correct else ["fine"]}
            )
            for record in store.records()
        ]
    )
    chosen = Selection(where=RecordFilter(labels=frozenset({"fine", "x"})))
    counts = exported("trl-kto", [run], tmp_path / "fine", selection=chosen)
    assert counts.labels == {"fine": 6}
    unwanted = Selection(without_labels=frozenset({"fine"}))
    counts = exported("trl-kto", [run], tmp_path / "rest", selection=unwanted)
    assert counts.labels == {"blind_guess": 4}
    assert "| blind_guess | 4 |" in (tmp_path / "rest" / "README.md").read_text(encoding="utf-8")


def test_labelling_decides_kto_rows(scripted: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(scripted, run)
    report = label_run(RunStore(run))
    counts = exported("trl-kto", [run], tmp_path / "out")
    labels = load_dataset(
        "parquet", data_files=str(tmp_path / "out" / "train.parquet"), split="train"
    )["label"]
    assert (sum(labels), len(labels)) == (report.desirable, report.desirable + report.undesirable)
    assert counts.dropped["not labelled yet, or fit for neither side"] == report.neither
    assert counts.labels["blind_guess"] == 3
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert f"| desirable | {report.desirable} |\n| undesirable | {report.undesirable} |" in card


def test_repeats_are_left_out(scripted: Path, tmp_path: Path) -> None:
    twin = tmp_path / "twin"
    shutil.copytree(scripted, twin)
    counts = exported("trl-sft", [scripted, twin], tmp_path / "out", deduplicate=True)
    assert (counts.exported, counts.dropped["duplicate"]) == (9, 10)
    assert exported("trl-sft", [scripted, twin], tmp_path / "both").exported == 18


def test_lengths_are_those_of_the_batch(
    scripted: Path, with_tokens: Path, model_folder: Path, tmp_path: Path
) -> None:
    counter, processor = TokenCounter(model_folder), load_processor(model_folder)
    lengths = []
    for run in (scripted, with_tokens):
        for row, record in zip(
            sft_dataset([run]), [r for r in RunStore(run).records() if r.answer], strict=True
        ):
            batch = processor.apply_chat_template(
                [row["messages"]], tokenize=True, return_dict=True
            )
            lengths.append(counter.count(transcript(record)))
            assert lengths[-1] == len(batch["input_ids"][0])
    limit = sorted(lengths)[len(lengths) // 2]
    out = tmp_path / "out"
    counts = exported(
        "trl-sft", [scripted, with_tokens], out, processor=model_folder, max_tokens=limit
    )
    assert counts.exported == sum(length <= limit for length in lengths)
    assert counts.dropped[f"longer than {limit} tokens"] == sum(n > limit for n in lengths)


def test_sampled_ids_that_the_text_does_not_give(
    with_tokens: Path, model_folder: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(with_tokens, run)
    store = RunStore(run)
    records = list(store.records())
    counter = TokenCounter(model_folder)
    assert [counter.non_canonical(record) for record in records] == [0] * 6
    tokens = records[0].turns[1].tokens
    assert tokens is not None
    letters = [i for c in records[0].turns[1].text for i in counter._encode(c)]
    tokens.token_ids = [*letters, tokens.token_ids[-1]]
    store.amend(records[:1])
    counts = exported("trl-sft", [run], tmp_path / "out", processor=model_folder)
    assert counts.non_canonical_turns == 1
    assert "1 turns are non-canonical" in (tmp_path / "out" / "README.md").read_text("utf-8")


@pytest.mark.parametrize("form", sorted(FORMS))
def test_a_frame_that_changed_stops_the_export(form: str, scripted: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(scripted, run)
    record = next(RunStore(run).records())
    shown = record.turns[0].calls[0].frames[1].ref["uri"].rpartition(":")[2]
    frame = run / "frames" / shown[:2] / f"{shown}.jpg"
    frame.write_bytes(frame.read_bytes()[:-1] + b"\0")
    with pytest.raises(TrajectoryError, match=rf"{record.trajectory_id}.* changed_frame"):
        exported(form, [run], tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["run"], "nothing is left behind"


def test_requests_that_cannot_be(scripted: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    wrong: list[tuple[type[Exception], str, dict[str, Any]]] = [
        (InvalidRequest, "at least one run", {"runs": []}),
        (InvalidRequest, "named twice", {"runs": [scripted, scripted]}),
        (InvalidRequest, "needs --processor", {"max_tokens": 10}),
        (InvalidRequest, "path or inline for trl-sft", {"delivery": "copy"}),
        (InvalidRequest, "not empty", {"out": tmp_path / "full"}),
        (InvalidRequest, "no model folder", {"processor": tmp_path}),
        (TrajectoryError, "nothing was recorded", {"runs": [tmp_path]}),
    ]
    for error, message, settings in wrong:
        given: dict[str, Any] = {"runs": [scripted], "out": tmp_path / "out"} | settings
        with pytest.raises(error, match=message):
            exported("trl-sft", **given)
    with pytest.raises(InvalidRequest, match="above 0 and at most 1"):
        Split(train_fraction=0)
    nothing = Selection(where=RecordFilter(min_turns=99))
    with pytest.raises(DataError, match=r"nothing to export of 10 episodes \(filter min turns: 10"):
        exported("trl-sft", [scripted], tmp_path / "out", selection=nothing)
    assert not (tmp_path / "out").exists()


def test_loaders_refuse_what_cannot_be_trained(
    scripted: Path, with_tokens: Path, tmp_path: Path
) -> None:
    right = Selection(where=RecordFilter(correct=True))
    exported("trl-kto", [scripted], tmp_path / "right", selection=right)
    with pytest.raises(DataError, match="all have one label"):
        kto_dataset(tmp_path / "right" / "train.parquet")
    exported("trl-grpo", [with_tokens], tmp_path / "grpo")
    with pytest.raises(DataError, match="no prompt has 3 recorded rollouts"):
        RecordedRollouts.load(tmp_path / "grpo" / "train.rollouts.parquet", per_prompt=3)


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "eva_graph.cli", "export", *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, check=False)


def test_the_command(scripted: Path, with_tokens: Path, model_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = command(
        scripted, with_tokens, "--to", "trl-sft", "--out", out, "--right", "--split", 0.5,
        "--seed", 4, "--dedupe", "--max-tokens", 4000, "--processor", model_folder, "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout)
    assert counts["exported"] == sum(counts["rows"].values()) == 9
    assert counts["dropped"] == {"filter correct": 7}
    assert "left out 7: filter correct" in done.stderr
    assert "0 of 27 turns are non-canonical" in done.stderr
    card = (out / "README.md").read_text(encoding="utf-8")
    for fact in ("correct: True", "0.5 of the videos train, seed 4", "4000 tokens", "eva-graph 0."):
        assert fact in card
    again = command(scripted, "--to", "trl-sft", "--out", out)
    assert again.returncode == 1
    assert again.stdout == ""
    assert again.stderr.splitlines()[-1].startswith(f"eva-graph: {out} exists and is not empty")
    assert "Traceback" not in again.stderr


def test_the_command_tells_what_a_run_lost(
    scripted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = shutil.copytree(scripted, tmp_path / "run")
    (shard, *_) = (run / "records").glob("*.jsonl")
    with shard.open("ab") as file:
        file.write(b"torn\n")
    export_command(runs=[run], to=FormName.OPENAI, out=tmp_path / "out")
    told = capsys.readouterr()
    assert "has 5 bytes at" in told.err
    assert told.out == ""
