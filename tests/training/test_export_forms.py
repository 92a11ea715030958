"""What the rows of each form hold: text, pictures in order, what is learned, what is refused."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from datasets import load_dataset
from episodes import answer, look, span
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolParam
from PIL import Image
from pydantic import TypeAdapter

from eva_graph import VideoAgent
from eva_graph.blocks import frame_of
from eva_graph.testing import ScriptedPolicy
from eva_graph.trajectory import RunStore, Trajectory
from eva_graph_training.export.counts import ExportCounts
from eva_graph_training.export.exporting import ExportRequest, export
from eva_graph_training.export.forms import FORMS
from eva_graph_training.export.frames import open_frame
from eva_graph_training.export.row import FrameDelivery
from eva_graph_training.pivot_score import compute_score, pivot_reward

PHASES = "written in phases: parts of its turns were not sampled by one call"
NATIVE = "native tool calls: only the openai form holds them"


def exported(form: str, runs: Sequence[Path], out: Path, **settings: Any) -> ExportCounts:
    return export(ExportRequest(runs=runs, form=FORMS[form], out=out, **settings))


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def table(file: Path) -> list[dict[str, Any]]:
    return list(load_dataset("parquet", data_files=str(file), split="train"))


def shown_in(record: Trajectory) -> list[str]:
    """Hashes of the frames that the policy saw, in order."""
    parts = [part for message in record.messages for part in message["content"]]
    frames = [frame_of(part) for part in parts if isinstance(part, dict)]
    return [frame.sha256 for frame in frames if frame is not None]


def text_of(record: Trajectory, role: str) -> list[str]:
    """The text of each message of a role, frames left out."""
    return [
        content if isinstance(content := message["content"], str)
        else "".join(part.get("text", "") for part in content)
        for message in record.messages if message["role"] == role
    ]  # fmt: skip


def test_sharegpt_rows(scripted: Path, tmp_path: Path) -> None:
    exported("sharegpt", [scripted], tmp_path / "out")
    rows = lines(tmp_path / "out" / "train.jsonl")
    records = [record for record in RunStore(scripted).records() if record.answer]
    assert len(rows) == len(records)
    for row, record in zip(rows, records, strict=True):
        roles = [message["role"] for message in row["messages"]]
        assert roles == [message["role"] for message in record.messages]
        assert roles[0] == "system"
        assert len(roles) % 2 == 1, "system, then pairs, as LLaMA-Factory wants them"
        assert [Path(path).stem for path in row["images"]] == shown_in(record)
        tags = [message["content"].count("<image>") for message in row["messages"]]
        assert sum(tags) == len(row["images"])
        said = [m["content"].replace("<image>", "") for m in row["messages"]]
        assert said[2::2] == text_of(record, "assistant")
        assert said[3::2] == text_of(record, "tool")
    info = json.loads((tmp_path / "out" / "dataset_info.json").read_text(encoding="utf-8"))
    assert info["eva_graph_train"]["file_name"] == "train.jsonl"


def test_copied_frames_make_a_folder_that_can_be_moved(scripted: Path, tmp_path: Path) -> None:
    exported("sharegpt", [scripted], tmp_path / "out", delivery=FrameDelivery.COPY)
    (tmp_path / "out").rename(tmp_path / "moved")
    for row in lines(tmp_path / "moved" / "train.jsonl"):
        for address in row["images"]:
            assert not Path(address).is_absolute()
            with Image.open(tmp_path / "moved" / address) as image:
                image.load()


def test_a_text_that_looks_like_a_picture_is_refused(clips: Sequence[Path], tmp_path: Path) -> None:
    run = tmp_path / "run"
    for question in ("What does <image> mean here?", "What is shown?"):
        policy = ScriptedPolicy([look(span(0, 1, 1)), answer("red")])
        VideoAgent(policy).run(clips[0], question, record=run)
    counts = exported("sharegpt", [run], tmp_path / "out")
    assert counts.dropped == {"a text holds <image>, which stands for media here": 1}
    assert exported("trl-sft", [run], tmp_path / "sft").exported == 2


def test_openai_rows_are_valid_requests(
    scripted: Path, edited: Path, native: Path, tmp_path: Path
) -> None:
    runs = [edited, native, scripted]
    exported("openai", runs, tmp_path / "out")
    rows = lines(tmp_path / "out" / "train.jsonl")
    records = [record for run in runs for record in RunStore(run).records() if record.answer]
    messages = TypeAdapter(list[ChatCompletionMessageParam])
    tools = TypeAdapter(list[ChatCompletionToolParam])
    for row, record in zip(rows, records, strict=True):
        messages.validate_python(row["messages"])
        tools.validate_python(row.get("tools", []))
        assert ("tools" in row) is (record.dialect == "native")
        urls = list(pictures_of(row["messages"]))
        data = [base64.b64decode(url.removeprefix("data:image/jpeg;base64,")) for url in urls]
        assert [hashlib.sha256(each).hexdigest() for each in data] == shown_in(record)
    first = [m.get("weight") for m in rows[0]["messages"] if m["role"] == "assistant"]
    assert first == [0, None, None], "the edited turn"
    calls = [m for m in rows[1]["messages"] if m.get("tool_calls")]
    replies = [m["tool_call_id"] for m in rows[1]["messages"] if m["role"] == "tool"]
    assert [call["id"] for m in calls for call in m["tool_calls"]] == replies == ["c1"]


def pictures_of(messages: Sequence[dict[str, Any]]) -> Iterator[str]:
    """URLs of the pictures, which only user messages may hold."""
    for message in messages:
        for part in message["content"] if isinstance(message["content"], list) else ():
            if part["type"] == "image_url":
                assert message["role"] == "user"
                yield part["image_url"]["url"]


def test_pivot_rows_score_the_logged_call_best(
    scripted: Path, edited: Path, tmp_path: Path
) -> None:
    exported("pivot", [edited, scripted], tmp_path / "out")
    rows = table(tmp_path / "out" / "train.parquet")
    records = {r.trajectory_id: r for run in (edited, scripted) for r in RunStore(run).records()}
    for row in rows:
        record = records[row["trajectory_id"]]
        turn = record.turns[row["turn"] - 1]
        assert not turn.edited
        seen = [p for message in row["prompt"] for p in message["content"] if p["type"] == "image"]
        before = [len(call.frames) for t in record.turns[: row["turn"] - 1] for call in t.calls]
        assert len(seen) == sum(before)
        completions = [[{"role": "assistant", "content": turn.text}], "<answer>B</answer>"]
        assert pivot_reward(completions, [row["target"]] * 2) == [pytest.approx(1), 0]
    assert [row["turn"] for row in rows[:1]] == [2], "the first look was a person's"
    assert rows[0]["prompt"][2]["train"] is False


def test_verl_rows(scripted: Path, with_tokens: Path, tmp_path: Path) -> None:
    exported("verl", [scripted, with_tokens], tmp_path / "out")
    turns = table(tmp_path / "out" / "train.parquet")
    questions = table(tmp_path / "out" / "train.questions.parquet")
    assert {row["data_source"] for row in turns} == {"eva_graph/turn"}
    for row in turns:
        tags = sum(message["content"].count("<image>") for message in row["prompt"])
        assert len(row["images"]) == tags
        target = json.loads(row["reward_model"]["ground_truth"])
        said = f"<tool_call>{json.dumps(target[0])}</tool_call>"
        score = compute_score(row["data_source"], said, row["reward_model"]["ground_truth"], {})
        assert score == pytest.approx(1 / len(target))
    assert len(questions) == 6, "three videos, with options and without"
    assert {row["reward_model"]["ground_truth"] for row in questions} == {"yellow", "B"}
    assert all(Path(row["extra_info"]["video"]).is_file() for row in questions)
    assert all(row["images"] == [] for row in questions)


def test_grpo_rows(scripted: Path, with_tokens: Path, tmp_path: Path) -> None:
    counts = exported("trl-grpo", [with_tokens, scripted], tmp_path / "out")
    prompts = table(tmp_path / "out" / "train.parquet")
    rollouts = table(tmp_path / "out" / "train.rollouts.parquet")
    assert [row["answer"] for row in prompts] == ["B"] * 3 + ["yellow"] * 3
    assert [message["role"] for message in prompts[0]["prompt"]] == ["system", "user"]
    assert len(rollouts) == 6
    assert counts.dropped == {"no token ids were recorded": 7}
    assert counts.left_out == {"rollouts row: no token ids were recorded": 3}
    assert len({row["group"] for row in rollouts}) == 3
    for row in rollouts:
        assert len(row["policy_mask"]) == len(row["completion_ids"])
        assert len(row["frames"]) == len(row["image_grids"])
        for address, (_, height, width) in zip(row["frames"], row["image_grids"], strict=True):
            assert open_frame(address).size == (width * 14, height * 14)


def test_grpo_leaves_out_ids_that_do_not_continue(with_tokens: Path, tmp_path: Path) -> None:
    store = RunStore(tmp_path / "run")
    source = RunStore(with_tokens)
    for record in source.records():
        for turn in record.turns[1:]:
            assert turn.tokens is not None
            turn.tokens.prefix_ok = False
        store.append(record)
    (tmp_path / "run" / "frames").symlink_to(source.frames.root)
    kinds = frozenset({"placeholders"})
    counts = exported("trl-grpo", [store.run], tmp_path / "out", allow=kinds)
    reason = "the ids of a prompt do not continue those before it (re-tokenised by the server)"
    assert counts.left_out == {f"rollouts row: {reason}": 3}
    assert counts.rows["train.rollouts.parquet"] == 3
    again = exported("trl-sft", [store.run], tmp_path / "sft", allow=kinds)
    assert (again.exported, again.non_canonical_turns) == (6, 6)


@pytest.mark.parametrize("form", ["trl-kto", "trl-grpo"])
def test_phases_train_sft_alone(form: str, phased: Path, with_tokens: Path, tmp_path: Path) -> None:
    counts = exported(form, [phased, with_tokens], tmp_path / "out")
    assert counts.dropped == {PHASES: 1}
    assert exported("trl-sft", [phased], tmp_path / "sft").exported == 1


@pytest.mark.parametrize("form", sorted(FORMS))
def test_edited_and_native_episodes(
    form: str, edited: Path, native: Path, with_tokens: Path, tmp_path: Path
) -> None:
    counts = exported(form, [edited, native, with_tokens], tmp_path / "out")
    left = counts.dropped + counts.left_out
    assert (NATIVE in left) is (form not in ("openai", "trl-kto"))
    refused = {
        "sharegpt": "a turn was edited or made for the policy; its loss cannot be switched off here"
    }
    refused["trl-grpo"] = "rollouts row: a turn was edited by a person"
    assert [reason for reason in left if "edited" in reason] == (
        [refused[form]] if form in refused else []
    )
