from __future__ import annotations

import json
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from small_benchmark import make_benchmark

from eva_graph.cli import main

Command = Callable[..., tuple[dict[str, Any], str]]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs an `eva-graph` command: what it printed as JSON, and what it said on stderr."""

    def run(*arguments: object) -> tuple[dict[str, Any], str]:
        monkeypatch.setattr(sys, "argv", ["eva-graph", *map(str, arguments), "--json"])
        with suppress(SystemExit):
            main()
        told = capsys.readouterr()
        return json.loads(told.out) if told.out else {}, told.err

    return run


@pytest.fixture(scope="module")
def benchmark(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Arguments of `eval` for twelve questions about four videos."""
    return make_benchmark(tmp_path_factory.mktemp("benchmark"))
