"""`eva-graph view`: what it prints, what it writes, and how it says no."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from page_parts import parts_of

from eva_graph.cli import main
from eva_graph.trajectory import RunStore

Told = tuple[int, str, str]
"""Exit status, stdout, stderr."""


@pytest.fixture
def view(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Told]:
    def command(*arguments: str | Path) -> Told:
        monkeypatch.setattr(sys, "argv", ["eva-graph", "view", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            main()
        told = capsys.readouterr()
        return int(left.value.code or 0), told.out, told.err

    return command


def test_the_page_s_path_is_printed_and_nothing_else(
    run: Path, tmp_path: Path, view: Callable[..., Told]
) -> None:
    status, out, err = view(run, "--out", tmp_path / "page.html")
    assert (status, out) == (0, f"{tmp_path / 'page.html'}\n")
    assert err.startswith("12 questions, 96 frames, ")
    assert len(parts_of(tmp_path / "page.html").episodes) == 12


def test_without_out_the_page_lies_in_the_run(
    run: Path, tmp_path: Path, view: Callable[..., Told]
) -> None:
    copy = RunStore(tmp_path / "run")
    copy.append_all(RunStore(run).records())
    _, out, err = view(copy.run, "--only", "00-000002")
    assert out == f"{copy.run / 'view.html'}\n"
    assert err.startswith("1 question, 0 frames, 8 missing, ")


def test_two_runs_and_a_folder(
    run: Path, other_run: Path, tmp_path: Path, view: Callable[..., Told]
) -> None:
    _, out, _ = view(run, other_run, "--out", tmp_path / "both.html", "--max-mb", "0.1")
    assert out == f"{tmp_path / 'both' / 'index.html'}\n"
    index = parts_of(tmp_path / "both" / "index.html").index
    assert [each["name"] for each in index["runs"]] == ["first", "second"]
    assert all(None not in question["sides"] for question in index["questions"])


def test_the_page_opens_in_the_user_s_browser(run: Path, tmp_path: Path) -> None:
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > "{tmp_path}/asked"\n')
    browser.chmod(0o755)
    program = [sys.executable, "-W", "error", "-m", "eva_graph.cli", "view", str(run), "--open"]
    subprocess.run(
        [*program, "--out", str(tmp_path / "page.html")],
        env={**os.environ, "BROWSER": f"{browser} %s"},
        check=True,
    )
    asked = (tmp_path / "asked").read_text()
    assert asked == f"{(tmp_path / 'page.html').as_uri()}\n"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["nowhere", "--out", "page.html"], "nowhere holds no records: nothing was recorded there"),
        (["{run}", "--out", "."], ". is a directory: --out names the HTML file to write"),
        (["{run}", "--out", "p.html", "--only", "nobody"], "no episode has the id nobody"),
        (
            ["{run}", "--out", "p.html", "--only", "00-000001", "--video"],
            "no reel of 00-000001: its video /videos/harbour-000.mp4 is gone, put it back there",
        ),
    ],
)
def test_errors_are_one_line(
    arguments: list[str],
    complaint: str,
    run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    view: Callable[..., Told],
) -> None:
    monkeypatch.chdir(tmp_path)
    told = view(*(each.format(run=run) for each in arguments))
    assert told == (1, "", f"eva-graph: {complaint}\n")
    assert list(tmp_path.iterdir()) == []
