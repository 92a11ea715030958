"""The taxonomy on recorded episodes: each rule holds where it should and only there."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from episodes import TWO_LOOKS, answer, look, span
from openai_server import Fault, OpenAIServer

from eva_graph import Context, Trajectory, VideoAgent
from eva_graph.policy.openai_compatible import OpenAIPolicy
from eva_graph.policy.protocol import Completion
from eva_graph.testing import ScriptedPolicy, make_clip
from eva_graph.trajectory import RunStore, ViolationKind
from eva_graph_training.errors import DataError
from eva_graph_training.labels import (
    PolicyJudge,
    Rule,
    label_record,
    label_run,
    look_rules,
    register,
    rules,
)
from eva_graph_training.labels.labelling import UNSUPPORTED

QUESTION = "Which colour is shown at 3 seconds?"
Ask = Callable[..., Trajectory]
FAR, NEAR = span(0, 200, 3), span(20, 21, 4)


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """200 seconds, half a frame a second."""
    folder = tmp_path_factory.mktemp("long")
    return make_clip(folder / "long.mp4", seconds=200, size=(224, 224), fps=2)


@pytest.fixture
def ask(long_clip: Path, tmp_path: Path) -> Ask:
    """Plays a script on the long clip; the right answer is red."""

    def play(*script: Any, expected: str | None = "red", context: Context | None = None,
             **facts: Any) -> Trajectory:  # fmt: skip
        agent = VideoAgent(ScriptedPolicy(script), context=context)
        record = agent.run(long_clip, QUESTION, record=tmp_path / "run").trajectory
        return record.model_copy(update={"expected": expected, **facts})

    return play


def labels(record: Trajectory, **verdict: Any) -> set[str]:
    return set(label_record(record, **verdict).reasons)


GOOD = (look(FAR), look(NEAR), answer("red"))


def test_right_and_grounded(ask: Ask) -> None:
    labelled = label_record(ask(*GOOD))
    assert labelled.reasons == {"right_and_grounded": "right after 2 looks, and no fault was found"}
    assert labelled.desirable is True


@pytest.mark.parametrize(
    ("script", "expected_labels", "reason"),
    [
        ((answer("red"),), {"blind_guess"}, "answered after 0 visual tokens"),
        ((look(span(20, 20, 1, 0.5)), answer("red")), {"blind_guess"}, "16 visual tokens"),
        ((look(span(20, 20, 1)), answer("red")), {"right_and_grounded"}, ""),
        (("<tool_call>{", *GOOD), {"wrong_format"}, "turn 1 is malformed: the tool call"),
        (("Hm.", *GOOD), {"wrong_format"}, "turn 1 is malformed: there is no tool call"),
        ((*GOOD[:2], look(NEAR), answer("red")), {"redundant_look"}, "turn 3, frame_select of 20-"),
        ((look(NEAR), look(span(20, 21, 4, 0.5)), answer("red")), {"redundant_look"}, "2 of them"),
        ((look(span(20, 21, 4, 0.5)), look(NEAR), answer("red")), {"right_and_grounded"}, ""),
        ((look(span(0, 10, 40, 0.5)), answer("red")), {"right_and_grounded"}, ""),
        ((look(span(0, 190, 3)), answer("red")), {"sparse_long_window"}, "one in 63 s"),
        ((look(span(0, 190, 4)), answer("red")), {"right_and_grounded"}, ""),
        ((look(span(0, 100, 1)), answer("red")), {"right_and_grounded"}, ""),
        ((look(FAR), look(span(0, 195, 3)), answer("red")), {"sparse_long_window"}, "turn 1"),
        ((look(span(0, 200, 400)), answer("red")), {"over_budget"}, "reduced to"),
    ],
)
def test_each_rule(script: Sequence[str], expected_labels: set[str], reason: str, ask: Ask) -> None:
    labelled = label_record(ask(*script))
    assert set(labelled.reasons) == expected_labels
    assert reason in "; ".join(labelled.reasons.values())


def test_too_many_frames_in_a_short_window(clip: Path, tmp_path: Path) -> None:
    """The shared clip has five frames a second."""
    for nframes, seconds, faulty in ((36, 7.2, True), (31, 6.2, False), (16, 8, False)):
        script = [look(span(0, seconds, nframes, 1)), answer("red")]
        record = VideoAgent(ScriptedPolicy(script)).run(clip, QUESTION).trajectory
        assert ("dense_short_window" in labels(record)) is faulty
    assert "5.0 frames per second" not in label_record(record).reasons


@pytest.mark.parametrize(
    ("stretches", "wrong"),
    [([(20.2, 20.4)], False), ([(22.5, 30)], True), ([(150, 160), (19, 19.5)], False), ([], False),
     ([(21.4, 30)], False)],
)  # fmt: skip
def test_wrong_window(stretches: list[tuple[float, float]], wrong: bool, ask: Ask) -> None:
    record = ask(look(NEAR), answer("red"), time_reference=stretches)
    assert ("wrong_window" in labels(record)) is wrong
    blind = ask(answer("red"), time_reference=stretches)
    assert labels(blind) == {"blind_guess"}, "nothing was seen of any window"


def test_budgets(ask: Ask) -> None:
    spent = ask(look(FAR), answer("red"), context=Context(episode_visual_budget=192))
    assert spent.stop_reason == "budget"
    assert "over_budget" in labels(spent)


def test_the_reference_profile_tells_nothing_back(long_clip: Path, tmp_path: Path) -> None:
    script = [look(span(0, 200, 400)), answer("red")]
    agent = VideoAgent(ScriptedPolicy(script), profile="reference")
    record = agent.run(long_clip, QUESTION, record=tmp_path).trajectory
    assert record.turns[0].calls[0].notes == []
    (reason,) = label_record(record).reasons.values()
    assert reason == "turn 1, frame_select: 25600 visual tokens were asked for"


def test_no_answer(ask: Ask) -> None:
    silent = ask(look(FAR), look(NEAR), "Hm.", context=Context(max_turns=3))
    assert labels(silent) == {"no_answer", "wrong_format"}
    cut = ask(look(FAR), Completion(text="Summary: and so", finish_reason="length"))
    assert labels(cut) == {"sparse_long_window", "no_answer", "wrong_format"}


@pytest.mark.parametrize(
    ("script", "expected", "desirable"),
    [
        (GOOD, "red", True),
        (GOOD, "blue", None),
        (GOOD, None, None),
        ((answer("red"),), "red", False),
        ((answer("red"),), None, False),
        ((look(FAR), answer("red")), "blue", False),
        ((look(FAR), answer("red")), "red", None),
        ((look(FAR), answer("red")), None, None),
        ((look(FAR), "Hm.", "Hm.", "Hm.", "Hm.", "Hm."), "red", False),
    ],
)
def test_the_decision(
    script: Sequence[str], expected: str | None, desirable: bool | None, ask: Ask
) -> None:
    assert label_record(ask(*script, expected=expected)).desirable is desirable


def test_what_the_policy_is_not_to_be_judged_by(clip: Path, tmp_path: Path) -> None:
    with OpenAIServer(TWO_LOOKS) as server:
        agent = VideoAgent(server.base_url, context=Context(calls="phase"))
        phases = agent.run(clip, QUESTION, record=tmp_path / "a").trajectory
    with OpenAIServer(TWO_LOOKS, faults=[Fault.NONE, Fault.HTML]) as server:
        failed = VideoAgent(server.base_url).run(clip, QUESTION, record=tmp_path / "b").trajectory
    assert failed.stop_reason == "policy_error"
    assert "no_answer" not in labels(failed)
    for record in (phases, failed):
        for expected in ("yellow", "red"):
            update = {"expected": expected}
            assert label_record(record.model_copy(update=update)).desirable is None


def test_a_judge_is_asked_with_question_and_frames(clip: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    VideoAgent(ScriptedPolicy(TWO_LOOKS)).run(clip, QUESTION, record=run)
    VideoAgent(ScriptedPolicy([answer("red")])).run(clip, QUESTION, record=run)
    store = RunStore(run)
    with OpenAIServer(lambda body: "No, they are not.") as server:
        report = label_run(store, judge=PolicyJudge(OpenAIPolicy(server.base_url)))
    assert report.given[UNSUPPORTED] == 2
    (asked,) = server.requests
    content = asked["messages"][1]["content"]
    assert [part["type"] for part in content].count("image_url") == 1
    texts = [part["text"] for part in content if part["type"] == "text"]
    assert texts[0] == f"Question: {QUESTION}\n"
    assert texts[1] == "Frame at [00:03]: "
    assert "yellow" not in str(texts), "the judge does not see the answer"
    assert asked["temperature"] == 0.0
    assert label_run(store).given[UNSUPPORTED] == 2, "what a judge said stays said"
    with OpenAIServer(lambda body: "Yes.") as server:
        report = label_run(store, judge=PolicyJudge(OpenAIPolicy(server.base_url)))
    assert report.given[UNSUPPORTED] == 1, "the one that saw nothing"
    with OpenAIServer(lambda body: "Perhaps") as server:
        judge = PolicyJudge(OpenAIPolicy(server.base_url))
        assert judge.suffices(next(store.records()), store.frames) is None


@pytest.fixture
def store(clip: Path, tmp_path: Path) -> RunStore:
    """A right and grounded episode, a blind guess, and one without a reference."""
    agent_run = tmp_path / "run"
    scripts = ((TWO_LOOKS, "yellow"), ([answer("red")], "yellow"), (TWO_LOOKS, None))
    store = RunStore(agent_run)
    for script, expected in scripts:
        done = VideoAgent(ScriptedPolicy(script)).run(clip, QUESTION, record=agent_run)
        store.amend([done.trajectory.model_copy(update={"expected": expected})])
    return store


def test_labels_are_written_back_once(store: RunStore) -> None:
    first = next(store.records())
    store.amend([first.model_copy(update={"labels": ["checked_by_anna", "wrong_format"]})])
    assert label_run(store, write=False).desirable == 1
    assert [record.desirable for record in store.records()] == [None] * 3
    report = label_run(store)
    assert (report.desirable, report.undesirable, report.neither) == (1, 1, 1)
    right, guess, unknown = store.records()
    assert right.labels == ["checked_by_anna", "right_and_grounded"]
    assert (right.desirable, guess.desirable, unknown.desirable) == (True, False, None)
    assert (guess.labels, unknown.labels) == (["blind_guess"], [])
    written = sum(path.read_bytes().count(b"\n") for path in (store.run / "records").iterdir())
    label_run(store)
    again = sum(path.read_bytes().count(b"\n") for path in (store.run / "records").iterdir())
    assert again == written, "nothing changed, nothing is written"


@pytest.fixture
def own_rule() -> Iterator[Rule]:
    from eva_graph_training.labels.rule import _RULES

    yield register(
        Rule(
            name="never_below_a_second",
            kind="fault",
            meaning="No look was closer than one frame a second.",
            reason="A test.",
            find=lambda facts: "all of them" if len(facts.looks) > 1 else None,
        )
    )
    del _RULES["never_below_a_second"]


def test_a_rule_of_ones_own(own_rule: Rule, store: RunStore) -> None:
    report = label_run(store)
    assert report.given[own_rule.name] == 2
    assert report.given["right_and_grounded"] == 0, "merits come after all faults"
    assert [rule.kind for rule in rules()] == sorted(rule.kind for rule in rules())
    only = label_run(store, taxonomy=[own_rule], write=False)
    assert set(only.given) == {own_rule.name}


def test_what_cannot_be_registered() -> None:
    with pytest.raises(DataError, match="there is a rule 'blind_guess' already"):
        register(Rule(name="blind_guess", kind="fault", meaning="", reason="", find=str))
    with pytest.raises(DataError, match="is no label"):
        register(Rule(name="a b", kind="fault", meaning="", reason="", find=str))


def test_thresholds_of_ones_own(ask: Ask) -> None:
    record = ask(*GOOD)
    strict = [
        look_rules.sparse_long_window(max_spacing=0.1),
        look_rules.dense_short_window(max_frames_per_second=1, min_frames=2),
        look_rules.wrong_window(tolerance_seconds=0),
    ]
    assert labels(record, taxonomy=strict) == {"sparse_long_window", "dense_short_window"}
    kept = register(look_rules.redundant_look(), replace=True)
    assert kept in rules()


def test_every_rule_is_documented() -> None:
    assert len(rules()) == len({rule.name for rule in rules()}) >= 10
    for rule in rules():
        assert rule.meaning.endswith(".")
        assert len(rule.reason) > 40


def test_the_command(store: RunStore, tmp_path: Path) -> None:
    (tmp_path / "my_rules.py").write_text(
        "from eva_graph_training.labels import Rule, register\n"
        "register(Rule(name='short', kind='fault', meaning='.', reason='.',\n"
        "              find=lambda facts: '[b]\\x1b' if len(facts.record.turns) < 2 else None))\n"
    )

    def command(*arguments: str) -> subprocess.CompletedProcess[str]:
        program = [sys.executable, "-W", "error", "-m", "eva_graph.cli", "label", *arguments]
        return subprocess.run(program, cwd=tmp_path, capture_output=True, text=True)

    done = command("run", "--rules", "my_rules")
    assert done.returncode == 0, done.stderr
    assert (
        "3 episodes: 1 desirable, 1 undesirable, 1 for neither side, 50% desirable" in done.stdout
    )
    assert "answered after 0 visual tokens" in done.stdout
    assert "[b]" in done.stdout
    assert "\x1b" not in done.stdout
    (tmp_path / "my_rules.py").unlink()
    missing = command("run", "--rules", "my_rules")
    assert (missing.returncode, missing.stderr.count("\n")) == (1, 1)
    (shard, *_) = (store.run / "records").glob("*.jsonl")
    with shard.open("ab") as file:
        file.write(b"torn\n")
    done = command("run", "--dry-run", "--json")
    assert "has 5 bytes at" in done.stderr
    told = json.loads(done.stdout)
    assert told["labels"]["blind_guess"]["wrong"] == 1
    assert told["labels"]["right_and_grounded"]["right"] == 1
    assert next(store.records()).labels == ["right_and_grounded"]


def test_the_page_lists_every_rule() -> None:
    page = Path(__file__).parents[2] / "docs" / "trajectories.md"
    text = page.read_text(encoding="utf-8")
    for rule in rules():
        assert f"| `{rule.name}` | {rule.kind} | {rule.meaning} |" in text
    for kind in ViolationKind:
        assert f"| `{kind}` |" in text
