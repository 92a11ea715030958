"""The passive baseline: the agent's questions, videos, policy and records, and one call each."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from openai_server import Fault, OpenAIServer, Reply, Traits, images_of
from small_benchmark import number_of, reply_to

from eva_graph.evaluation import episode_row, load_questions
from eva_graph.trajectory import RunStore, Trajectory, require_sound
from eva_graph_training.export.chat import transcript

Command = Callable[..., tuple[dict[str, Any], str]]


def passive(body: dict[str, Any]) -> str:
    """An answer without any format, right for every even question."""
    return "The answer is A." if number_of(body) % 2 == 0 else "B"


def records_of(run: Path) -> list[Trajectory]:
    store = RunStore(run)
    records = list(store.records())
    assert require_sound(records, store.frames) == len(records)
    return records


def test_one_call_with_the_frames_in_a_user_message(
    benchmark: list[str], tmp_path: Path, command: Command
) -> None:
    run = tmp_path / "run"
    with OpenAIServer(passive) as server:
        report, _ = command(
            *("eval", "custom", *benchmark, "--policy", server.base_url),
            *("--baseline", "uniform:4@0.5", "--out", run),
        )
        assert len(server.requests) == 12
    (message,) = server.requests[0]["messages"]
    texts = [part["text"] for part in message["content"] if part["type"] == "text"]
    assert message["role"] == "user"
    assert [role for role, _ in images_of(server.requests[0])] == ["user"] * 4
    assert texts[0].startswith("Here are 4 frames, spread evenly over a video of ")
    assert texts[-1].endswith("Answer with the option's letter from the given choices directly.")
    assert report["accuracy"]["value"] == 0.5
    assert report["gate"]["valid"]
    assert report["asked_for"]["baseline"] == "uniform:4@0.5"
    assert report["measures"]["rounds"]["mean"] == 1
    assert report["measures"]["frames"]["mean"] == 4
    assert report["measures"]["visual_tokens"]["mean"] == 4 * 2 * 2
    assert report["saw_reference"]["value"] == 1.0
    record = records_of(run)[0]
    assert len(record.opening_looks[0].frames) == 4
    assert (record.usage.policy_calls, record.dialect) == (1, "passive")


def test_the_agents_own_transcript_with_its_look_made_for_it(
    benchmark: list[str], tmp_path: Path, command: Command
) -> None:
    run = tmp_path / "run"
    with OpenAIServer(reply_to) as server:
        report, _ = command(
            *("eval", "custom", *benchmark, "--policy", server.base_url),
            *("--baseline", "uniform-look:3", "--out", run),
        )
        assert len(server.requests) == 12
    roles = [message["role"] for message in server.requests[0]["messages"]]
    assert roles == ["system", "user", "assistant", "tool"]
    assert "Answer now inside <answer></answer>" in json.dumps(server.requests[0]["messages"][3])
    assert report["accuracy"]["value"] == pytest.approx(8 / 12)
    assert report["measures"]["rounds"]["mean"] == 1
    record = records_of(run)[0]
    assert [turn.policy_calls for turn in record.turns] == [0, 1]
    assert record.turns[0].spans[0].sampled is False
    learned = [each.trained for each in transcript(record) if each.role == "assistant"]
    assert learned == [False, True], "nobody learns a call that nobody wrote"
    assert len(record.turns[0].calls[0].frames) == 3


def test_agent_and_baseline_are_compared(
    benchmark: list[str], tmp_path: Path, command: Command
) -> None:
    with OpenAIServer(passive) as server:
        common = ["eval", "custom", *benchmark, "--policy", server.base_url]
        command(*common, "--baseline", "uniform:4", "--out", tmp_path / "uniform")
    with OpenAIServer(reply_to) as server:
        common = ["eval", "custom", *benchmark, "--policy", server.base_url]
        command(*common, "--out", tmp_path / "agent")
    page = tmp_path / "page.html"
    result, _ = command("compare", tmp_path / "uniform", tmp_path / "agent", "--html", page)
    assert (result["first"]["value"], result["second"]["value"]) == (0.5, pytest.approx(8 / 12))
    assert (result["test"]["gained"], result["test"]["lost"]) == (4, 2)
    assert result["costs"]["rounds"][0]["mean"] == 1
    assert result["valid"]
    assert "<h1>Comparison</h1>" in page.read_text()
    nothing, said = command("compare", tmp_path / "uniform", tmp_path)
    assert nothing == {}
    assert "is no evaluation: it holds no evaluation.json" in said


def test_frames_give_way_to_a_small_context(
    benchmark: list[str], tmp_path: Path, command: Command
) -> None:
    run = tmp_path / "run"
    with OpenAIServer(passive, traits=Traits(context_tokens=240)) as server:
        command(
            *("eval", "custom", *benchmark, "--policy", server.base_url, "--limit", "1"),
            *("--baseline", "uniform:8", "--out", run),
        )
    (record,) = records_of(run)
    (look,) = record.opening_looks
    assert len(look.frames) < 8 or look.applied["resize"] < 1  # type: ignore[index]
    assert "to fit the context" in look.notes[0]


@pytest.mark.parametrize(
    ("line", "stop_reason", "answer"),
    [
        (Reply(text="<answer>A"), "answered", "<answer>A"),
        (Reply(text="<answer>A</answer> I think"), "answered", "A"),
        (Reply(text="A", finish_reason="length"), "truncated", None),
        (Reply(text=" "), "no_answer", None),
        (Reply(text='<tool_call>{"tool": "seek"}</tool_call>'), "no_answer", None),
        (Reply(text="A", finish_reason="weird"), "policy_error", None),
    ],
)
def test_how_an_episode_ends(
    line: Reply,
    stop_reason: str,
    answer: str | None,
    benchmark: list[str],
    tmp_path: Path,
    command: Command,
) -> None:
    with OpenAIServer(lambda body: line) as server:
        command(
            *("eval", "custom", *benchmark, "--policy", server.base_url, "--limit", "1"),
            *("--baseline", "uniform:2", "--out", tmp_path),
        )
    (record,) = records_of(tmp_path)
    assert (record.stop_reason, record.answer) == (stop_reason, answer)


def test_dropped_images_of_a_baseline_are_noticed(
    benchmark: list[str], tmp_path: Path, command: Command
) -> None:
    with OpenAIServer(passive) as server:
        command(
            *("eval", "custom", *benchmark, "--policy", server.base_url, "--limit", "1"),
            *("--baseline", "uniform:2", "--out", tmp_path),
        )
    (record,) = records_of(tmp_path)
    questions = load_questions("custom", Path(benchmark[1]), Path(benchmark[3]))
    (asked,) = [one for one in questions if one.question_id == record.question_id]
    assert episode_row(asked, record).dropped_images == 0
    few = record.model_copy(deep=True)
    few.turns[0].prompt_tokens = record.usage.visual_tokens // 2
    assert episode_row(asked, few).dropped_images == 2
    unsent = record.model_copy(deep=True)
    unsent.messages[0]["content"] = unsent.messages[0]["content"][:1]
    assert episode_row(asked, unsent).dropped_images == 2


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--baseline", "uniform:none"), "--baseline must look like uniform:32"),
        (("--baseline", "uniform-look:4", "--profile", "reference"), "needs --dialect eva"),
        (("--baseline", "uniform-look:4", "--dialect", "native"), "needs --dialect eva"),
    ],
)
def test_what_cannot_be_a_baseline(
    arguments: tuple[str, ...],
    complaint: str,
    benchmark: list[str],
    tmp_path: Path,
    command: Command,
) -> None:
    with OpenAIServer(passive, faults=Fault.ERROR_500) as server:
        report, said = command(
            *("eval", "custom", *benchmark, "--policy", server.base_url),
            *(*arguments, "--out", tmp_path / "run"),
        )
        assert server.requests == []
    assert report == {}
    assert complaint in said
