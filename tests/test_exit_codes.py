"""What the commands' exit codes mean holds for all of them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from eva_graph.cli import main

COMMANDS = [
    "app", "ask", "compare", "data kto", "data rl", "data sft", "data world", "demo", "doctor",
    "eval", "export", "label", "mcp", "runs", "serve", "train grpo", "train kto", "train sft",
    "train recipe", "view",
]  # fmt: skip
NOWHERE = [
    "ask nowhere.mp4 What?",
    "compare nowhere none",
    "data sft nowhere.jsonl --policy nano --out out",
    "data rl nowhere.jsonl --policy nano --out out",
    "data kto --run nowhere --out out",
    "doctor --policy nowhere",
    "eval custom --annotations nowhere.jsonl --videos . --out out",
    "export nowhere --to trl-sft --out out",
    "label nowhere",
    "mcp nowhere",
    "runs nowhere",
    "train sft nowhere",
    "view nowhere",
]
WRONG = [
    "ask a.mp4 What? --max-turns 0",
    "ask a.mp4 What? --calls never",
    "eval custom --annotations a --videos b --out c --judge-model d",
    "eval custom --annotations a --videos b --out c --baseline uniform:4 --look-budget 9",
    "eval custom --annotations a --videos b --out c --profile mine",
]


def ended(words: str, monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.setattr(sys, "argv", ["eva-graph", *words.split()])
    with pytest.raises(SystemExit) as end:
        main()
    return end.value.code


@pytest.mark.parametrize("command", COMMANDS)
def test_an_unknown_option_is_2_and_help_is_0(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(f"{command} --no-such-option", monkeypatch) == 2
    assert "--no-such-option" in capsys.readouterr().err
    assert ended(f"{command} --help", monkeypatch) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert f"eva-graph {command}" in told.partition("Usage: ")[2].partition(" [OPTIONS]")[2]


@pytest.mark.parametrize("line", NOWHERE)
def test_what_cannot_be_used_is_1(
    line: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert ended(line, monkeypatch) == 1
    told = capsys.readouterr()
    assert "nowhere" in told.err + told.out
    assert "Traceback" not in told.err


@pytest.mark.parametrize("line", WRONG)
def test_a_wrong_command_line_is_2(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ended(line, monkeypatch) == 2
