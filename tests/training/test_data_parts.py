"""Parts of the data builds: ledgers, folders, likeness, guidance, acceptance, a failing server."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from data_sets import SEED, colour_rows, teacher, write_questions
from episodes import TWO_LOOKS, answer, look, span
from hypothesis import given, settings
from hypothesis import strategies as st
from openai_server import Fault, OpenAIServer
from typer.testing import CliRunner

from eva_graph import Trajectory, VideoAgent
from eva_graph.errors import PolicyError
from eva_graph.testing import ScriptedPolicy, make_clip
from eva_graph.trajectory import RunStore
from eva_graph_training.data.acceptance import judge_episode
from eva_graph_training.data.attempts import MAX_FAILURES_IN_A_ROW
from eva_graph_training.data.command import app
from eva_graph_training.data.experience import Experience, ExperienceBank, by_rule
from eva_graph_training.data.families import ROTATION, Family, family_of, family_text
from eva_graph_training.data.ledger import Ledger
from eva_graph_training.data.likeness import Rarity, shared_words
from eva_graph_training.data.resampling import question_of
from eva_graph_training.data.workplace import workplace
from eva_graph_training.errors import DataError

WORDS = st.frozensets(st.sampled_from(["who", "waves", "red", "door", "when", "opens"]))


@settings(max_examples=25)
@given(
    st.lists(st.dictionaries(st.text(max_size=3), st.integers()), max_size=6), st.integers(0, 200)
)
def test_a_ledger_cut_anywhere_keeps_its_whole_lines(
    tmp_path_factory: pytest.TempPathFactory, rows: Sequence[dict[str, int]], cut: int
) -> None:
    path = tmp_path_factory.mktemp("ledger") / "l.jsonl"
    for row in rows:
        Ledger(path).append(row)
    data = path.read_bytes() if rows else b""
    path.write_bytes(data[:cut])
    whole = data[:cut].count(b"\n")
    ledger = Ledger(path)
    assert list(ledger.rows()) == list(rows)[:whole]
    ledger.append({"after": 1})
    assert list(Ledger(path).rows()) == [*list(rows)[:whole], {"after": 1}]


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "l.jsonl"
    path.write_text('{"a": 1}\nnothing\n{"b": 2}\n')
    with pytest.raises(DataError, match="line 2 is damaged"):
        list(Ledger(path).rows())


def test_one_build_works_in_a_folder_and_goes_on_as_it_began(tmp_path: Path) -> None:
    out = tmp_path / "set"
    with (
        workplace(out, {"seed": 1}),
        pytest.raises(DataError, match="another process works"),
        workplace(out, {"seed": 1}),
    ):
        raise AssertionError("two at once")
    with workplace(out, {"seed": 1}):
        pass
    with pytest.raises(DataError, match="other settings \\(seed\\)"), workplace(out, {"seed": 2}):
        pass


@given(st.lists(WORDS), WORDS, WORDS)
def test_likeness_is_a_symmetric_share(texts: list[frozenset[str]], one: Any, other: Any) -> None:
    rarity = Rarity()
    for words in texts:
        rarity.add(words)
    likeness = rarity.likeness(one, other)
    assert likeness == rarity.likeness(other, one)
    assert 0 <= likeness <= 1 + 1e-9
    assert (likeness > 0) == bool(one & other)
    assert shared_words(" ".join(one), " ".join(other)) == (
        len(one & other) / len(one | other) if one | other else 1
    )


def test_the_rarer_word_decides_which_experience_is_told(tmp_path: Path) -> None:
    def experience(name: str, question: str, video: str = "other") -> Experience:
        return Experience(question_id=name, video_id=video, question=question, text=name, by="rule")

    bank = ExperienceBank(tmp_path / "bank.jsonl")
    for place in range(5):
        bank.add(experience(f"door{place}", "does the door open"))
    bank.add(experience("goalkeeper", "who is the goalkeeper"))
    bank.add(experience("mine", "does the goalkeeper fall", video="this"))
    bank.add(experience("goalkeeper", "a second one of that id"))
    asked = "does the goalkeeper fall"
    for read in (bank, ExperienceBank(tmp_path / "bank.jsonl")):
        found = [one.question_id for one in read.similar(asked, video_id="this", count=2)]
        assert found == ["goalkeeper", "door0"]
        assert read.similar("unheard", video_id="this", count=2) == []
        assert len(read) == 7


def test_families_take_turns_from_a_beginning_of_each_question() -> None:
    for key in ("a", "b", "c"):
        assert {family_of(key, number, ROTATION) for number in range(3)} == set(ROTATION)
    assert {family_of(f"q{n}", 0, ROTATION) for n in range(20)} == set(ROTATION)
    assert family_text(Family.PLAIN, name="a") is None
    told = {family_text(Family.WORKFLOW, name=f"q{n}") for n in range(60)}
    assert len(told) == 6
    assert family_text(Family.EXPERIENCE, name="a") in told


@pytest.fixture
def play(clip: Path, tmp_path: Path) -> Any:
    """The record of a script whose right answer is yellow."""

    def record(*script: str, expected: str = "yellow") -> Trajectory:
        agent = VideoAgent(ScriptedPolicy(script))
        result = agent.run(clip, "Which colour is at 3 seconds?", record=tmp_path / "run")
        return result.trajectory.model_copy(update={"expected": expected})

    return record


CLOSE = look(span(3, 3, 1), reflection="Closer.", summary="A scan.")


@pytest.mark.parametrize(
    ("script", "expected", "reason"),
    [
        (TWO_LOOKS, "yellow", None),
        ([*TWO_LOOKS[:2], answer("a yellow wall")], "the yellow wall", None),
        (TWO_LOOKS, "a wall of green bricks", "wrong answer"),
        ([answer("yellow")], "yellow", "right without a look"),
        ([look(span(0, 8, 4)), "<answer>yellow</answer>"], "yellow",
         "format: no Reflection on a look"),
        ([look(span(0, 8, 4), summary=""), answer("yellow")], "yellow",
         "format: no Summary before a call"),
        ([CLOSE, CLOSE, answer("yellow")], "yellow", "fault: redundant_look"),
        ([look(span(5, 7, 8)), answer("yellow")], "yellow", "audit: above_one_fps"),
        (["<tool_call>{", CLOSE, answer("yellow")], "yellow", "fault: wrong_format"),
        (["Summary: I look."] * 6, "yellow", "no answer: no_answer"),
    ],
)  # fmt: skip
def test_an_episode_is_accepted_or_the_first_reason_is_named(
    play: Any, script: Sequence[str], expected: str, reason: str | None
) -> None:
    record = play(*script, expected=expected)
    verdict = judge_episode(record, question_of(record), threshold=0.5)
    assert verdict.reason == reason
    assert ("accepted" in verdict.labels) == (reason is None)
    assert verdict.desirable is (True if reason is None else verdict.desirable)


def test_frames_too_small_for_any_detail_fail_the_audit(tmp_path: Path) -> None:
    large = make_clip(tmp_path / "large.mp4", seconds=8, size=(448, 448), fps=2)
    script = [look(span(0, 8, 8, 0.2)), answer("yellow")]
    record = VideoAgent(ScriptedPolicy(script)).run(large, "Which colour?").trajectory
    record = record.model_copy(update={"expected": "yellow"})
    verdict = judge_episode(record, question_of(record), threshold=0.5)
    assert "too_small_to_see" in verdict.labels


def test_the_rules_form_of_an_experience_tells_looks_and_cost(play: Any) -> None:
    text = by_rule(play(*TWO_LOOKS))
    assert "2 looks, 0-8 s with 2 frames of 56x56 pixels; then 3-3 s with 1 frames of" in text
    assert text.endswith("visual tokens in all.")
    assert len(by_rule(play(*TWO_LOOKS).model_copy(update={"question": "why " * 500}))) == 600


def build(*argv: str) -> dict[str, Any]:
    done = CliRunner().invoke(app, list(argv), catch_exceptions=False)
    counts: dict[str, Any] = json.loads(done.stdout)
    return counts


def test_a_server_that_fails_stops_the_build_which_then_goes_on(clip: Path, tmp_path: Path) -> None:
    asked = write_questions(tmp_path / "q.jsonl", colour_rows(clip, [1, 2, 5]))
    rest = ["sft", str(asked), "--videos", str(clip.parent), "--out", str(tmp_path / "set"),
            "--json", "--workers", "1", "--seed", str(SEED),
            "--set", "data.held_out_share=0.0"]  # fmt: skip
    with OpenAIServer(teacher, faults=Fault.HTML) as server, pytest.raises(PolicyError):
        build(*rest, "--policy", server.base_url)
    for second in (1, 2, 5):
        said = {"policy": "teacher", "question_id": f"clip-{second}", "answer": None}
        Ledger(tmp_path / "set/blind.jsonl").append(said)
    with (
        OpenAIServer(teacher, faults=Fault.HTML) as server,
        pytest.raises(DataError, match=f"failed {MAX_FAILURES_IN_A_ROW} times in a row"),
    ):
        build(*rest, "--policy", server.base_url)
    with OpenAIServer(teacher) as server:
        counts = build(*rest, "--policy", server.base_url)
    assert counts["fates"] == {"solved": 3}
    assert counts["attempts"] == {
        "the policy failed": MAX_FAILURES_IN_A_ROW,
        "accepted": 3,
        "wrong answer": 1,
        "right without a look": 1,
    }


def test_the_worlds_teacher_solves_what_the_world_asks(tmp_path: Path) -> None:
    world, out = tmp_path / "world", tmp_path / "set"
    done = CliRunner().invoke(
        app, ["world", "--out", str(world), "--videos", "1", "--events", "2", "--times", "0"]
    )
    assert done.exit_code == 0
    counts = build("sft", str(world / "questions.jsonl"), "--videos", str(world / "videos"),
                   "--policy", "world", "--out", str(out), "--json", "--recipe", "nano-cpu",
                   "--set", "data.held_out_share=0.0")  # fmt: skip
    assert counts["fates"] == {"solved": 2}
    assert counts["experiences"] == {"teacher": 2}
    records = list(RunStore(out / "run").records())
    assert all(record.policy.name == "world-teacher" for record in records)
    assert (out / "held_out.jsonl").read_text() == ""
    again = build("sft", str(world / "questions.jsonl"), "--videos", str(world / "videos"),
                 "--policy", "world", "--out", str(out), "--json", "--recipe", "nano-cpu",
                 "--set", "data.held_out_share=0.0")  # fmt: skip
    assert again == counts


@pytest.mark.slow
def test_the_loop_runs_on_nano_and_the_world(tmp_path: Path) -> None:
    for name, seed, per_video in (("seen", "20000000", "2"), ("new", "20000100", "0")):
        CliRunner().invoke(
            app,
            ["world", "--out", str(tmp_path / name), "--videos", "2", "--seed", seed,
             "--events", per_video, "--times", "0"],
        )  # fmt: skip
    counts = build(
        "rl", str(tmp_path / "seen/questions.jsonl"), "--videos", str(tmp_path / "seen/videos"),
        "--policy", "nano", "--teacher", "world", "--unseen", str(tmp_path / "new/videos"),
        "--out", str(tmp_path / "rl"), "--json", "--recipe", "nano-cpu", "--workers", "2",
        "--set", "data.held_out_share=0.0", "--set", "data.attempts=1",
        "--set", "data.rl_open_questions=8", "--set", "episode.max_turns=2",
    )  # fmt: skip
    assert [done["videos"] for done in counts["rounds"]] == [1, 1]
    assert counts["rounds"][0]["failures"] == 4  # two turns are too few for events
    assert counts["rows"] == {"open, failed": 4 + sum(r["questions"] for r in counts["rounds"])}
    assert sum(r["questions"] for r in counts["rounds"]) >= 2
