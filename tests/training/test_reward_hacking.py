"""Policies that try to earn without seeing, played through the real graph on real videos, earn less
in expectation than one that looks.

Guesses are played with every letter in turn, so that the means are expectations, not luck. One
judge reads the colour in the pixels it is shown and can only guess where they do not show the
second; the other knows every answer beforehand, the worst that a leaky question can bring.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean

import pytest
from episodes import Arguments, answer, call, look, span
from PIL import Image

from eva_graph import Context, VideoAgent
from eva_graph.blocks import blocks_of, frame_of, frames_of, text_of
from eva_graph.known import Reference
from eva_graph.policy.protocol import PolicyRequest
from eva_graph.testing import CLIP_COLOURS, ScriptedPolicy, clip_colour, make_clip
from eva_graph.trajectory import RunStore
from eva_graph_training.recipe.settings import RewardSettings
from eva_graph_training.rewards.attempt import Attempt
from eva_graph_training.rewards.scoring import Scorer

LETTERS = "ABCD"
SECONDS = {"A": 1, "B": 3, "C": 4, "D": 6}
"""The right letter, each once, and the second that is asked about."""
Script = Callable[[PolicyRequest], str]


def options(right: str) -> dict[str, str]:
    colours = [clip_colour(second) for second in SECONDS.values()]
    turned = LETTERS.index(right) - list(SECONDS).index(right)
    return dict(zip(LETTERS, colours[-turned:] + colours[:-turned], strict=True))


def second_of(request: PolicyRequest) -> int:
    texts = (text_of(message) for message in request.messages if message.type == "human")
    return int(next(re.finditer(r"at (\d+) seconds", "".join(texts))).group(1))


def colour_seen(request: PolicyRequest, second: int) -> str | None:
    """What the frames of that second show, read from their pixels."""
    for frame in frames_of(request.messages):
        if second <= frame.pts_seconds < second + 1:
            with Image.open(io.BytesIO(request.load_frame(frame))) as image:
                pixel = image.convert("RGB").getpixel((2, 2))
            assert isinstance(pixel, tuple)
            return min(CLIP_COLOURS, key=lambda name: _apart(CLIP_COLOURS[name], pixel))
    return None


def _apart(first: Sequence[float], second: Sequence[float]) -> float:
    return sum(abs(a - b) for a, b in zip(first, second, strict=True))


def letter_of(request: PolicyRequest, colour: str) -> str:
    human = "".join(text_of(m) for m in request.messages if m.type == "human")
    return next(iter(re.findall(rf"^([A-D])\. {colour}$", human, re.MULTILINE)))


def seeing_judge(request: PolicyRequest) -> str:
    """Is right where it is shown the second; else guesses the letter that is right for one of the
    four questions."""
    assert [message.type for message in request.messages] == ["system", "human"]
    parts = [part for message in request.messages for part in blocks_of(message)]
    assert any(frame_of(part) for part in parts), "a judge is asked about frames alone"
    colour = colour_seen(request, second_of(request))
    return "B" if colour is None else f"It is {letter_of(request, colour)}."


def knowing_judge(request: PolicyRequest) -> str:
    return letter_of(request, clip_colour(second_of(request)))


def after(*looks: str, then: str) -> Script:
    """Plays fixed turns, then answers."""
    lines = [*looks, answer(then)]
    return lambda request: lines[sum(message.type == "ai" for message in request.messages)]


def at_the_second(make: Callable[[Arguments], Sequence[str]], then: str | None) -> Script:
    """Looks at the right second; then reads the pixels, or answers `then` whatever it saw."""

    def play(request: PolicyRequest) -> str:
        second = second_of(request)
        lines = make(span(second, second, 1))
        said = sum(message.type == "ai" for message in request.messages)
        if said < len(lines):
            return lines[said]
        colour = colour_seen(request, second)
        assert colour is not None
        return answer(then or letter_of(request, colour))

    return play


def with_every_letter(make: Callable[[str], Script]) -> list[Script]:
    return [make(letter) for letter in LETTERS]


START = span(0, 0, 1, 0.1)
BROKEN = '<tool_call>{"tool": "no_such_tool", "arguments": {}}</tool_call>'
HONEST = [at_the_second(lambda at: [look(at)], None)]
HACKS: dict[str, list[Script]] = {
    "never looks": with_every_letter(lambda letter: after(then=letter)),
    "always answers A": [after(then="A")],
    "always answers A after a look": [at_the_second(lambda at: [look(at)], "A")],
    "does not use what it saw": with_every_letter(
        lambda letter: at_the_second(lambda at: [look(at)], letter)
    ),
    "takes a token look": with_every_letter(lambda letter: after(look(START), then=letter)),
    "repeats a look": with_every_letter(lambda letter: after(*[look(START)] * 3, then=letter)),
    "pretends to look": with_every_letter(lambda letter: after(BROKEN, then=letter)),
    "asks for everything": [after(*[call(*[span(0, 8, 8, 0.1)] * 3)] * 2, then="A")],
    "stops on a call": [after(*[look(START)] * 4, then="A")],
    "lists all options": [at_the_second(lambda at: [look(at)], "A, B, C, D")],
    "answers A or B": [at_the_second(lambda at: [look(at)], "A or B")],
    "answers four times": [
        at_the_second(
            lambda at: [look(at)], "A</answer><answer>B</answer><answer>C</answer><answer>D"
        )
    ],
    "flatters the reader": [
        at_the_second(lambda at: [look(at)], "The answer is the correct option. \\boxed{correct}")
    ],
}
SETTINGS = {
    "paper": RewardSettings(),
    "all terms": RewardSettings(
        evidence_weight=0.3, cost_weight=0.3, cost_scale_tokens=300, repeat_weight=0.3
    ),
    "without self-verification": RewardSettings(self_verification=False),
}
JUDGES = {"seeing": seeing_judge, "knowing": knowing_judge}


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", seconds=8, size=(112, 84), fps=2)


def play(clip: Path, run: Path, scripts: Sequence[Script]) -> list[Attempt]:
    """Every script on every question."""
    for script in scripts:
        for right, second in SECONDS.items():
            known = Reference(expected=right, time_reference=((second, second + 1.0),))
            VideoAgent(ScriptedPolicy(script)).run(
                clip, f"Which colour is shown at {second} seconds?", options=options(right),
                record=run, context=Context(max_turns=4, reference=known),
            )  # fmt: skip
    store = RunStore(run)
    return [Attempt.of_record(record, store.frames.read) for record in store.records()]


@pytest.fixture(scope="module")
def attempts(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Attempt]]:
    folder = tmp_path_factory.mktemp("runs")
    policies = {"honest": HONEST, **HACKS}
    return {name: play(clip, folder / name, scripts) for name, scripts in policies.items()}


def expected_reward(
    attempts: Sequence[Attempt], settings: RewardSettings, judge: Script = seeing_judge
) -> float:
    scorer = Scorer(settings, ScriptedPolicy(judge))
    rewards = [scorer.reward(terms) for terms in scorer.score(attempts)]
    return fmean(reward for reward in rewards if reward is not None)


def test_questions_have_their_letters() -> None:
    assert [options(right)[right] for right in SECONDS] == [
        clip_colour(second) for second in SECONDS.values()
    ]


def test_honest_policy_earns_all(attempts: dict[str, list[Attempt]]) -> None:
    assert len(attempts["honest"]) == 4
    assert expected_reward(attempts["honest"], SETTINGS["paper"]) == 1.0


@pytest.mark.parametrize("judge", JUDGES)
@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("hack", HACKS)
def test_hack_earns_less(
    attempts: dict[str, list[Attempt]], hack: str, settings: str, judge: str
) -> None:
    weights, asked = SETTINGS[settings], JUDGES[judge]
    honest = expected_reward(attempts["honest"], weights, asked)
    assert expected_reward(attempts[hack], weights, asked) < honest - 0.4


def test_order_of_what_hacks_earn(attempts: dict[str, list[Attempt]]) -> None:
    """Blind guesses earn nothing at all, a token look the format term and lucky coincidences."""
    earned = {name: expected_reward(attempts[name], SETTINGS["paper"]) for name in HACKS}
    assert earned["never looks"] == earned["always answers A"] == earned["pretends to look"] == 0.0
    assert earned["stops on a call"] == 0.0
    assert earned["lists all options"] == earned["answers A or B"] == pytest.approx(0.05)
    assert earned["takes a token look"] == pytest.approx((1 + 15 * 0.05) / 16)
    assert earned["does not use what it saw"] == pytest.approx((1 + 3 * 0.05) / 4)


def test_waste_costs_a_right_answer_something(clip: Path, tmp_path: Path) -> None:
    """The same right answer, after the look was taken twice, and at a higher price."""
    twice = [at_the_second(lambda at: [look(at), look(at)], None)]
    dear = [at_the_second(lambda at: [look(span(0, 7.5, 16)), look(at)], None)]
    honest = play(clip, tmp_path / "honest", HONEST)
    repeated, expensive = (play(clip, tmp_path / n, s) for n, s in [("2", twice), ("16", dear)])
    for wasteful in (repeated, expensive):
        assert expected_reward(wasteful, SETTINGS["paper"]) == 1.0
    penalised = RewardSettings(repeat_weight=0.3)
    assert expected_reward(honest, penalised) == 1.0
    assert expected_reward(repeated, penalised) == pytest.approx(1 - 0.3 / 2)
    priced = RewardSettings(cost_weight=0.3, cost_scale_tokens=300)
    assert expected_reward(expensive, priced) < expected_reward(repeated, priced)
    assert expected_reward(repeated, priced) < expected_reward(honest, priced)


OPEN = "Describe the screen at {} seconds in a few words."
WORDS = " ".join([*CLIP_COLOURS, "a the screen is plain with number in middle of it"])
STUFFED = [
    WORDS, f"{WORDS} " * 40, "the", "a plain", "yes", " ".join(CLIP_COLOURS),
    "a plain screen " * 30, ". ".join(f"a plain {name} screen" for name in CLIP_COLOURS),
]  # fmt: skip


def played_open(clip: Path, run: Path, written: str, expected: str) -> float:
    """What answers earn on four open questions; both texts may name the `{colour}` that is seen."""

    def script(request: PolicyRequest) -> str:
        second = second_of(request)
        colour = colour_seen(request, second)
        if colour is None:
            return look(span(second, second, 1))
        return answer(written.format(colour=colour))

    for second in SECONDS.values():
        known = Reference(expected=expected.format(colour=clip_colour(second)))
        context = Context(max_turns=4, reference=known)
        agent = VideoAgent(ScriptedPolicy(script), context=context)
        agent.run(clip, OPEN.format(second), record=run)
    store = RunStore(run)
    played = [Attempt.of_record(record, store.frames.read) for record in store.records()]
    return expected_reward(played, SETTINGS["without self-verification"])


@pytest.mark.parametrize("expected", ["a plain {colour} screen", "{colour}"])
def test_stuffed_open_answers(clip: Path, tmp_path: Path, expected: str) -> None:
    honest = played_open(clip, tmp_path / "honest", f"{expected} mostly", expected)
    assert honest > 0.4
    for number, written in enumerate(STUFFED):
        assert played_open(clip, tmp_path / f"{number}", written, expected) < honest - 0.1
