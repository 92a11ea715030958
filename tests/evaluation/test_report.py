from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from io import StringIO
from typing import Any

import pytest
from rich.console import Console, RenderableType

from eva_graph.errors import InvalidRequest
from eva_graph.evaluation import (
    EpisodeRow,
    EvalQuestion,
    Score,
    compare,
    comparison_page,
    render_comparison,
    render_report,
    report,
    report_page,
)

HOSTILE = "</style><script>window.ran = 1</script><img src=x onerror=alert(1)>\x1b[2J\u2028"


def row(number: int, correct: bool | None = True, **changes: Any) -> EpisodeRow:
    """An asked question of one of ten videos."""
    question = EvalQuestion(
        benchmark="lvbench",
        question_id=f"q{number}",
        video=f"/videos/{number % 10}.mp4",
        question="Which colour?",
        options={"A": "red", "B": "green"},
        answer="B",
        question_type=changes.pop("question_type", "reasoning"),
        problem=changes.pop("problem", None),
        repairs=changes.pop("repairs", ()),
    )
    fields: dict[str, Any] = {
        "question": question,
        "score": Score(correct=correct, value=float(bool(correct)), how="letter"),
        "trajectory_id": f"t{number}",
        "answer": "B" if correct else "A",
        "duration_bucket": ("short", "long", "under 2 min")[number % 3],
        "rounds": 2,
        "tokens": 1_000 + number,
        "frames": 8,
        "stop_reason": "answered",
        "seconds": 3.0,
        "policy_seconds": 1.5,
        "look_seconds": 0.5,
    }
    return EpisodeRow(**(fields | changes))


def unasked(number: int) -> EpisodeRow:
    return EpisodeRow(
        question=row(number).question, score=Score(correct=None, value=0.0, how="not asked")
    )


def rows(count: int, right: int) -> list[EpisodeRow]:
    return [row(number, number < right) for number in range(count)]


def shown(renderable: RenderableType) -> str:
    console = Console(file=StringIO(), width=200, force_terminal=False)
    console.print(renderable)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert isinstance(text, str)
    return text


def test_accuracy_by_bucket_and_type() -> None:
    made = [*rows(60, 45), row(60, True, question_type="reasoning, counting")]
    made_report = report(made)
    assert made_report.accuracy.value == pytest.approx(46 / 61)
    assert list(made_report.by_duration) == ["short", "long", "under 2 min"]
    assert made_report.by_type["counting"].questions == 1
    assert made_report.by_type["reasoning"].questions == 61
    assert made_report.accuracy.videos == 10


def test_costs_are_means_and_quantiles() -> None:
    measures = report(rows(101, 50)).measures
    tokens = measures["tokens"]
    assert (tokens.mean, tokens.p50, tokens.p95) == (1_050, 1_050, 1_095)
    assert measures["other_seconds"].mean == pytest.approx(1.0)
    assert measures["time_iou"].count == 0
    nobody = report([row(1, tokens=None, seconds=None)]).measures
    assert (nobody["tokens"].mean, nobody["other_seconds"].count) == (None, 0)


def test_time_references() -> None:
    made = report([row(1, time_iou=0.5, saw_reference=True), row(2, time_iou=0.1), row(3)])
    assert made.measures["time_iou"].mean == pytest.approx(0.3)
    assert (made.saw_reference.value, made.saw_reference.questions) == (1.0, 1)


def test_nothing_is_dropped() -> None:
    unscored = row(2, None, score=Score(correct=None, value=0, how="not scored: no answer"))
    faulty = row(3, False, problem="the answer names none of the options", repairs=("breaks",))
    measured = row(4, None, score=Score(correct=None, value=0.4, how="rouge"))
    made = report([row(1), unscored, faulty, measured, unasked(5)])
    assert (made.questions, made.accuracy.questions) == (5, 2)
    assert made.unscored == {"not scored: no answer": 1, "not asked": 1}
    assert made.problems == {"the answer names none of the options": 1}
    assert made.repairs == {"breaks": 1}
    assert (made.open_answers.count, made.open_answers.mean) == (1, 0.4)
    assert made.stop_reasons == {"answered": 4}


@pytest.mark.parametrize(
    ("failing", "counted"),
    [
        ({"error": "down", "answer": None}, "errors"),
        ({"stop_reason": "policy_error", "answer": None}, "errors"),
        ({"stop_reason": "tool_error", "answer": None}, "errors"),
        ({"answer": None}, "empty"),
        ({"answer": " "}, "empty"),
        ({"truncated": True}, "truncated"),
        ({"dropped_images": 3}, "dropped_images"),
    ],
)
def test_silent_failures_make_a_run_invalid(failing: dict[str, Any], counted: str) -> None:
    good = rows(98, 60)
    passed = report([*good, row(98, False, **failing), row(99)]).gate
    assert (passed.valid, getattr(passed, counted), passed.affected) == (True, 1, 1)
    failed = report([*good, *(row(98 + extra, False, **failing) for extra in range(3))]).gate
    assert (failed.valid, failed.affected) == (False, 3)
    assert failed.verdict.startswith("INVALID: 3.0 %")
    assert report([*good, row(98, False, **failing)], threshold=0.0).gate.valid is False


def test_questions_that_were_never_asked_make_a_run_invalid() -> None:
    gate = report([*rows(50, 50), unasked(50), unasked(51)]).gate
    assert (gate.valid, gate.unasked) == (False, 2)
    assert "2 never asked" in gate.verdict
    assert report([]).gate.valid is False


def test_a_question_with_two_failures_counts_once() -> None:
    gate = report([row(1, False, answer=None, truncated=True)]).gate
    assert (gate.empty, gate.truncated, gate.affected, gate.share) == (1, 1, 1, 1.0)


def test_the_report_as_json() -> None:
    made = report([*rows(20, 15), unasked(20)], asked_for={"benchmark": "lvbench"})
    data = json.loads(json.dumps(made.to_json(), allow_nan=False))
    assert data["accuracy"]["value"] == 0.75
    assert data["accuracy"]["low"] < 0.75 < data["accuracy"]["high"]
    assert data["gate"]["valid"] is False
    assert data["asked_for"] == {"benchmark": "lvbench"}
    json.dumps(report([]).to_json(), allow_nan=False)


def test_the_report_on_a_terminal() -> None:
    made = report([*rows(30, 20), unasked(30)], asked_for={"benchmark": "lvbench"})
    text = shown(render_report(made))
    assert "benchmark lvbench" in text
    assert re.search(
        r"accuracy 66\.7 % \(\d+\.\d to \d+\.\d\), 95 % interval clustered by video, 30", text
    )
    assert "INVALID: 3.2 % of the questions failed in silence" in text
    for part in (
        "under 2 min",
        "reasoning",
        "tokens of the last request",
        "stop reasons: answered",
    ):
        assert part in text
    assert "accuracy -" in shown(render_report(report([])))


class Page(HTMLParser):
    """The elements and texts of a page."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(markup)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def check_harmless(markup: str) -> Page:
    """Nothing runs, nothing is loaded."""
    page = Page(markup)
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"script", "img", "iframe", "link", "object", "embed", "a", "form"}
    names = {name for _, attributes in page.elements for name in attributes}
    assert not any(name.startswith("on") or name in ("src", "href") for name in names)
    policy = [values for _, values in page.elements if "http-equiv" in values]
    assert policy[0]["content"] == "default-src 'none'; style-src 'unsafe-inline'"
    assert "\x1b" not in markup
    return page


def test_the_report_as_a_page() -> None:
    odd = row(1, False, duration_bucket=HOSTILE, question_type=HOSTILE, stop_reason=HOSTILE)
    made = report([*rows(20, 10), odd], asked_for={"policy": HOSTILE})
    page = check_harmless(report_page(made))
    assert "window.ran" in page.text
    assert "47.6 %" in page.text
    assert "\x1b" not in shown(render_report(made))
    check_harmless(report_page(report([])))


def test_two_runs_on_the_same_questions() -> None:
    first = rows(40, 20)
    second = [row(number, number < 15 or number >= 30) for number in range(40)]
    found = compare([*first, row(98)], [unasked(98), *second, row(99)])
    assert (found.questions, found.only_first, found.only_second) == (40, 1, 1)
    assert (found.first.value, found.second.value) == (0.5, 0.625)
    assert found.difference.value == pytest.approx(0.125)
    assert found.difference.low < 0.125 < found.difference.high
    assert (found.test.gained, found.test.lost) == (10, 5)
    assert found.test.p_value == pytest.approx(0.30176, abs=1e-5)
    lost = [flip.question_id for flip in found.flips if not flip.gained]
    assert lost == [f"q{number}" for number in range(15, 20)]
    assert [flip.gained for flip in found.flips] == [False] * 5 + [True] * 10


def test_a_run_against_itself() -> None:
    found = compare(rows(30, 12), rows(30, 12))
    assert (found.difference.value, found.test.p_value, found.flips) == (0.0, 1.0, ())
    assert found.difference.low < 0 < found.difference.high
    assert found.valid
    assert "No question flipped" in check_harmless(comparison_page(found)).text


def test_open_answers_are_compared_by_value() -> None:
    def measured(number: int, value: float) -> EpisodeRow:
        return row(number, None, score=Score(correct=None, value=value, how="rouge"))

    first = [measured(number, 0.2) for number in range(10)]
    second = [measured(number, 0.5) for number in range(10)]
    found = compare(first, second)
    assert found.difference.value == pytest.approx(0.3)
    assert (found.first.value, found.test.p_value) == (None, 1.0)


def test_runs_that_cannot_be_compared() -> None:
    with pytest.raises(InvalidRequest, match="no question in common"):
        compare([row(1)], [row(2)])
    other = row(1)
    fields = {name: getattr(other.question, name) for name in EvalQuestion.__slots__}
    elsewhere = EvalQuestion(**{**fields, "answer": "A"})
    with pytest.raises(InvalidRequest, match="question q1 has another right answer in each run"):
        compare([row(1)], [row(1, question=elsewhere)])


def test_an_invalid_run_makes_the_comparison_invalid() -> None:
    found = compare(rows(10, 5), [*rows(9, 5), row(9, False, error="down")])
    assert not found.valid
    assert "INVALID: 10.0 %" in shown(render_comparison(found))
    data = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert (data["valid"], data["verdicts"][1][:7]) == (False, "INVALID")


def test_the_comparison_for_people() -> None:
    odd = row(0, False, answer=HOSTILE)
    found = compare(rows(40, 40), [odd, *(row(number, number > 29) for number in range(1, 40))])
    text = shown(render_comparison(found))
    assert "difference -75.0 points (" in text
    assert "0 gained, 30 lost, McNemar p < 0.001 (exact)" in text
    assert "10 more not shown" in text
    assert "\x1b" not in text
    page = check_harmless(comparison_page(found))
    assert page.text.count("lost") >= 30
    assert "window.ran" in page.text
