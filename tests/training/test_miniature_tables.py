"""Tables and pictures say what the reports hold, and power is what simulations find."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eva_graph.errors import InvalidRequest
from eva_graph.evaluation.statistics import mcnemar
from eva_graph_training.errors import DataError
from eva_graph_training.miniature.measuring import Measured
from eva_graph_training.miniature.page import write_tables
from eva_graph_training.miniature.pictures import round_shares, token_shares
from eva_graph_training.miniature.power import mcnemar_power, questions_needed
from eva_graph_training.miniature.reports import PolicyReport, read_reports
from eva_graph_training.miniature.tables import Table, all_tables

VIDEOS = [f"test-{3_000_000 + number}-90s" for number in range(20)]
QUESTIONS = tuple(f"{video}-{kind}" for video in VIDEOS for kind in ("time", "event"))


def measured(right: int, tokens: int) -> Measured:
    size = len(QUESTIONS)
    return Measured(
        questions=QUESTIONS,
        right="1" * right + "0" * (size - right),
        rounds="23" * (size // 2),
        frames=(3,) * size,
        visual_tokens=(tokens,) * size,
    )


def reported(
    policy: str, right: int, tokens: int, *, ablation: str = "main", seed: int = 0
) -> PolicyReport:
    found = measured(right, tokens)
    return PolicyReport(
        size="full",
        ablation=ablation,
        seed=seed,
        policy=policy,
        baseline=None,
        base="0" * 16,
        seconds={"world": 60.0, policy: 120.0},
        machine={"processors": 2},
        settings={},
        splits={"test": found, "ood": found},
    )


REPORTS = [
    reported("passive-1x", 10, 100),
    reported("sft", 20, 200),
    reported("kto", 22, 150),
    reported("grpo", 36, 100),
    reported("grpo", 30, 100, ablation="without-kto"),
    reported("grpo", 32, 100, seed=1),
]


def cells(tables: list[Table], title: str) -> dict[str, tuple[str, ...]]:
    table = next(table for table in tables if table.title.startswith(title))
    return {row[0]: row for row in table.rows}


def test_tables_say_what_the_reports_hold() -> None:
    tables = all_tables(REPORTS)
    rows = cells(tables, "Accuracy and cost, test")
    assert list(rows) == ["passive-1x", "sft", "kto", "grpo"]
    assert rows["grpo"][1].startswith("90.0 % (")
    assert rows["grpo"][2:] == ("2.5", "3", "100.0")
    kinds = cells(tables, "Right answers by kind of question, test")
    assert kinds["sft"][1:] == ("50", "50")
    tests = next(table for table in tables if table.title.startswith("Paired tests")).rows
    kto_grpo = next(row for row in tests if row[:2] == ("kto", "grpo"))
    assert kto_grpo[2].startswith("+35.0 points")
    assert kto_grpo[3].startswith("14 gained, 0 lost")
    assert kto_grpo[4] == "-33%"
    (ablation,) = next(table for table in tables if table.title.startswith("Ablations")).rows
    assert ablation[:3] == ("full", "0", "without-kto")
    assert "-15.0 points" in ablation[3]
    (seeds,) = next(table for table in tables if table.title.startswith("Seeds")).rows
    assert seeds == ("full", "grpo", "2", "85.0 %", "7.1", "80.0 to 90.0")
    assert cells(tables, "Time")["all"][1] == number(60 + 4 * 120)


def number(seconds: float) -> str:
    return f"{seconds / 60:g}"


def test_files_are_read_back_and_written_as_pages(tmp_path: Path) -> None:
    for one in REPORTS:
        (tmp_path / one.name).write_text(one.model_dump_json())
    read = read_reports(tmp_path)
    assert sorted(one.name for one in read) == sorted(one.name for one in REPORTS)
    written = write_tables(read, tmp_path / "tables")
    texts = {path.name: path.read_text() for path in written}
    assert "| grpo | 90.0 % (" in texts["tables.md"]
    assert "rounds-test.svg" in texts["tables.md"]
    page = texts["tables.html"].replace("http://www.w3.org/2000/svg", "")
    assert page.count("<table>") == 9
    assert "http:" not in page
    assert texts["visual-tokens-ood.svg"].startswith("<svg")


def test_what_is_no_report_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no report"):
        read_reports(tmp_path)
    (tmp_path / "x.json").write_text('{"version": 1}')
    with pytest.raises(DataError, match=r"cannot read .*x\.json"):
        read_reports(tmp_path)
    with pytest.raises(DataError, match="no report of a main run"):
        all_tables([REPORTS[4]])
    broken = REPORTS[0].model_dump_json().replace('"right":"1', '"right":"11')
    (tmp_path / "x.json").write_text(broken)
    with pytest.raises(DataError, match=r"cannot read .*x\.json"):
        read_reports(tmp_path)


def test_distributions_are_shares_of_all_episodes() -> None:
    found = measured(20, 64)
    assert round_shares(found)["2"] == round_shares(found)["3"] == 0.5
    assert token_shares(found)["33-64"] == 1
    assert token_shares(measured(1, 0))["0"] == 1
    assert token_shares(measured(1, 9999))["513+"] == 1


@given(st.integers(50, 4000), st.floats(0.01, 0.1), st.floats(0.11, 0.5))
def test_power_grows_with_questions_and_difference(
    questions: int, difference: float, discordant: float
) -> None:
    power = mcnemar_power(questions, difference, discordant)
    assert 0.049 < power <= 1
    assert mcnemar_power(2 * questions, difference, discordant) >= power
    assert mcnemar_power(questions, difference / 2, discordant) <= power + 1e-9
    needed = questions_needed(difference, discordant)
    assert mcnemar_power(needed, difference, discordant) >= 0.8
    assert needed == 1 or mcnemar_power(needed - 1, difference, discordant) < 0.8


def test_power_is_what_trials_find() -> None:
    draw = random.Random(3)
    found, trials = 0, 400
    for _ in range(trials):
        gained = lost = 0
        for _ in range(1000):
            lot = draw.random()
            gained += lot < 0.12
            lost += 0.12 <= lot < 0.20
        pairs = [(False, True)] * gained + [(True, False)] * lost
        found += mcnemar(pairs).p_value < 0.05
    assert abs(found / trials - mcnemar_power(1000, 0.04, 0.2)) < 0.08
    with pytest.raises(InvalidRequest, match="discordant"):
        mcnemar_power(100, 0.3, 0.2)
