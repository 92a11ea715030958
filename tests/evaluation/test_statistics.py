from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eva_graph.evaluation.statistics import (
    EXACT_FLIPS,
    Observation,
    difference,
    mcnemar,
    proportion,
    quantile,
)
from eva_graph.evaluation.student_t import t_quantile

RUNS = 1_000


@pytest.mark.parametrize(
    ("confidence", "degrees", "value"),
    [
        (0.95, 1, 12.7062),
        (0.95, 2, 4.30265),
        (0.95, 3, 3.18245),
        (0.95, 4, 2.77645),
        (0.95, 10, 2.22814),
        (0.95, 30, 2.04227),
        (0.95, 899, 1.96262),
        (0.99, 5, 4.03214),
        (0.90, 20, 1.72472),
        (0.50, 3, 0.76489),
    ],
)
def test_students_t_against_tables(confidence: float, degrees: int, value: float) -> None:
    assert t_quantile(confidence, degrees) == pytest.approx(value, rel=1e-3)


def clustered(rng: random.Random, videos: int, share: float, spread: float) -> list[Observation]:
    """Questions whose videos are easy or hard (beta distributed); 1 to 12 of each video."""
    observations = []
    for video in range(videos):
        easy = rng.betavariate(share * spread, (1 - share) * spread)
        asked = rng.randint(1, 12)
        observations += [(str(video), float(rng.random() < easy)) for _ in range(asked)]
    return observations


@pytest.mark.parametrize(
    ("videos", "share", "spread"),
    [(8, 0.5, 2.0), (20, 0.6, 1.0), (20, 0.95, 1.0), (60, 0.3, 0.5), (100, 0.6, 50.0)],
)
def test_intervals_hold_the_truth_as_often_as_they_say(
    videos: int, share: float, spread: float
) -> None:
    rng = random.Random(7)
    estimates = [proportion(clustered(rng, videos, share, spread)) for _ in range(RUNS)]
    covered = sum(one.low <= share <= one.high for one in estimates) / RUNS
    assert 0.925 <= covered <= 0.995


def test_taking_questions_as_independent_would_hold_it_less_often() -> None:
    rng = random.Random(11)
    covered = {"clustered": 0, "independent": 0}
    for _ in range(RUNS):
        observations = clustered(rng, 40, 0.6, 0.5)
        alone = [(str(number), value) for number, (_, value) in enumerate(observations)]
        for name, given_ in (("clustered", observations), ("independent", alone)):
            estimate = proportion(given_)
            covered[name] += estimate.low <= 0.6 <= estimate.high
    assert covered["independent"] < 0.75 * RUNS < 0.93 * RUNS < covered["clustered"]


@pytest.mark.parametrize(("videos", "gain", "loss"), [(10, 0.2, 0.1), (40, 0.05, 0.05)])
def test_differences_hold_the_truth_as_often_as_they_say(
    videos: int, gain: float, loss: float
) -> None:
    rng = random.Random(13)
    covered = 0
    for _ in range(RUNS):
        observations = []
        for video in range(videos):
            shift = rng.uniform(-0.05, 0.05)
            for _ in range(rng.randint(1, 8)):
                draw = rng.random()
                value = 1.0 if draw < gain + shift else -1.0 if draw > 1 - loss + shift else 0.0
                observations.append((str(video), value))
        estimate = difference(observations)
        covered += estimate.low <= gain - loss <= estimate.high
    assert 0.925 <= covered / RUNS <= 0.999


def test_independent_questions_have_wilsons_interval() -> None:
    """1,000 videos with a question each: 0.5689 to 0.6299 by Wilson's formula for 600 of 1,000."""
    estimate = proportion([(str(number), float(number < 600)) for number in range(1_000)])
    assert estimate.value == 0.6
    assert (estimate.low, estimate.high) == pytest.approx((0.5693, 0.6299), abs=6e-4)
    assert estimate.design_effect == pytest.approx(1.0, abs=2e-3)


def test_repeating_each_question_tells_nothing_new() -> None:
    once = [(str(number), float(number % 3 == 0)) for number in range(60)]
    single, repeated = proportion(once), proportion(once * 5)
    assert repeated.design_effect == pytest.approx(5, rel=0.05)
    assert (repeated.low, repeated.high) == pytest.approx((single.low, single.high), abs=1e-3)


def test_videos_that_look_even_by_luck_narrow_nothing() -> None:
    even = [(str(number % 10), float(number // 10 % 2)) for number in range(200)]
    alone = [(str(number), value) for number, (_, value) in enumerate(even)]
    for estimate in (proportion, difference):
        low, high = estimate(even).low, estimate(even).high
        assert low < estimate(alone).low
        assert high > estimate(alone).high


def test_answers_that_all_agree_keep_a_width() -> None:
    estimate = proportion([(str(number % 10), 1.0) for number in range(1_000)])
    assert estimate.high == 1.0
    assert estimate.low < 0.8
    unchanged = difference([(str(number % 10), 0.0) for number in range(20)])
    assert unchanged.low < -0.05 < 0.05 < unchanged.high


@pytest.mark.parametrize("observations", [[], [("v", 1.0)], [("v", 1.0), ("v", 0.0)]])
def test_one_video_tells_nothing_of_others(observations: list[Observation]) -> None:
    share, gap = proportion(observations), difference(observations)
    assert (share.low, share.high) == (0.0, 1.0)
    assert (gap.low, gap.high) == (-1.0, 1.0)
    assert (share.value is None) == (not observations)


@given(
    st.lists(
        st.tuples(st.sampled_from("abcde"), st.sampled_from([0.0, 1.0])), min_size=1, max_size=60
    )
)
def test_an_interval_holds_its_value(observations: list[Observation]) -> None:
    share, gap = proportion(observations), difference(observations)
    assert share.value is not None
    assert 0 <= share.low <= share.value <= share.high <= 1
    assert -1 <= gap.low <= gap.high <= 1


@pytest.mark.parametrize(
    ("gained", "lost", "p_value"),
    [(0, 0, 1.0), (5, 0, 0.0625), (10, 2, 0.038574), (6, 6, 1.0), (25, 10, 0.016674)],
)
def test_exact_mcnemar_against_the_binomial(gained: int, lost: int, p_value: float) -> None:
    pairs = [(False, True)] * gained + [(True, False)] * lost + [(True, True), (False, False)] * 9
    test = mcnemar(pairs)
    assert (test.gained, test.lost, test.exact) == (gained, lost, True)
    assert test.p_value == pytest.approx(p_value, abs=1e-6)


def test_many_flips_are_tested_by_chi_squared() -> None:
    flips = [(False, True)] * 560 + [(True, False)] * 480
    test = mcnemar(flips)
    assert len(flips) > EXACT_FLIPS
    assert not test.exact
    few = mcnemar(flips[:520] + flips[-480:])
    assert few.exact
    assert test.p_value == pytest.approx(math.erfc(math.sqrt(79**2 / 1_040 / 2)))


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=40))
def test_mcnemar_does_not_mind_which_run_is_first(pairs: list[tuple[bool, bool]]) -> None:
    there, back = mcnemar(pairs), mcnemar([(second, first) for first, second in pairs])
    assert there.p_value == back.p_value
    assert (there.gained, there.lost) == (back.lost, back.gained)
    assert 0 < there.p_value <= 1


def test_quantiles() -> None:
    assert quantile([], 0.5) is None
    assert quantile([3.0], 0.95) == 3.0
    assert quantile([4.0, 1.0, 3.0, 2.0], 0.5) == 2.5
    assert quantile([float(number) for number in range(101)], 0.95) == 95.0
