"""Accuracy and differences with intervals that respect that questions share videos.

Questions about one video are not independent: whoever misreads it misses several. Treating them
as independent makes intervals too narrow, so everything here is clustered by video.

* A proportion: Wilson's interval on the effective sample size (Korn and Graubard 1998): the number
  of answers over the design effect of the cluster-robust (linearised, CR1) variance, scaled by
  (z / t)² with the degrees of freedom of the videos. The design effect is taken with two
  pseudo-videos of half the mean size, one all right and one all wrong: near 0 and 1 few videos
  tell it too low, and none where all answers agree.
* A paired difference: the mean of the questions' differences, with the same variance and t, after
  one pseudo-pair in favour of each side (Bonett and Price 2012), so that no interval has no width.
* Neither interval is narrower than that of independent questions: few videos may look more even
  than chance by luck.
* McNemar's test of the questions that flipped: exact (binomial) up to `EXACT_FLIPS`, beyond that
  chi-squared with continuity correction. It takes flips as independent; the interval does not.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final, TypeAlias

from eva_graph.evaluation.student_t import t_quantile

CONFIDENCE: Final = 0.95
EXACT_FLIPS: Final = 1_000

Observation: TypeAlias = tuple[str, float]
"""(video, value): value is 0 or 1 of a proportion, between -1 and 1 of a difference."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A mean with its interval.

    Attributes:
        value: the plain mean over questions; None without any.
        low: lower end of the interval.
        high: upper end.
        questions: how many values there are.
        videos: how many videos they are about.
        design_effect: how many times that of independent questions the variance is; None where
            there is no telling, and of a difference.
    """

    value: float | None
    low: float
    high: float
    questions: int
    videos: int
    design_effect: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class McNemar:
    """The paired test of two runs on the same questions.

    Attributes:
        gained: questions that only the second run has right.
        lost: questions that only the first run has right.
        p_value: two-sided.
        exact: whether it is the binomial probability.
    """

    gained: int
    lost: int
    p_value: float
    exact: bool


def proportion(observations: Sequence[Observation], *, confidence: float = CONFIDENCE) -> Estimate:
    """The share of ones with its interval; (0, 1) from fewer than two videos."""
    values = [value for _, value in observations]
    videos = len({video for video, _ in observations})
    if not values:
        return Estimate(value=None, low=0.0, high=1.0, questions=0, videos=0)
    share = sum(values) / len(values)
    if videos < 2:
        return Estimate(value=share, low=0.0, high=1.0, questions=len(values), videos=videos)
    effect = _design_effect(observations, videos)
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    size = len(values) / max(effect, 1.0)
    size *= (z / t_quantile(confidence, videos - 1)) ** 2
    low, high = _wilson(share, size, z)
    return Estimate(
        value=share,
        low=low,
        high=high,
        questions=len(values),
        videos=videos,
        design_effect=effect,
    )


def difference(observations: Sequence[Observation], *, confidence: float = CONFIDENCE) -> Estimate:
    """The mean of paired differences with its interval; (-1, 1) from fewer than two videos."""
    values = [value for _, value in observations]
    videos = len({video for video, _ in observations})
    if not values:
        return Estimate(value=None, low=-1.0, high=1.0, questions=0, videos=0)
    mean = sum(values) / len(values)
    if videos < 2:
        return Estimate(value=mean, low=-1.0, high=1.0, questions=len(values), videos=videos)
    padded = [*observations, ("\0gained", 1.0), ("\0lost", -1.0)]
    centre = sum(value for _, value in padded) / len(padded)
    alone = [(str(number), value) for number, (_, value) in enumerate(padded)]
    variance = max(_variance_of_mean(padded), _variance_of_mean(alone))
    reach = t_quantile(confidence, videos - 1) * math.sqrt(variance)
    return Estimate(
        value=mean,
        low=max(-1.0, centre - reach),
        high=min(1.0, centre + reach),
        questions=len(values),
        videos=videos,
    )


def mcnemar(pairs: Iterable[tuple[bool, bool]]) -> McNemar:
    """The test of (first run right, second run right) pairs."""
    flips = [second for first, second in pairs if first != second]
    gained, lost = flips.count(True), flips.count(False)
    count, fewer = gained + lost, min(gained, lost)
    exact = count <= EXACT_FLIPS
    if exact:
        ways = sum(math.comb(count, number) for number in range(fewer + 1))
        p_value = min(1.0, 2 * ways / 2**count)
    else:
        statistic = max(0, abs(gained - lost) - 1) ** 2 / count
        p_value = math.erfc(math.sqrt(statistic / 2))
    return McNemar(gained=gained, lost=lost, p_value=p_value, exact=exact)


def quantile(values: Sequence[float], share: float) -> float | None:
    """The value below which this share lies, linear between neighbours; None without values."""
    if not values:
        return None
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def _design_effect(observations: Sequence[Observation], videos: int) -> float:
    """The clustered variance over that of independent answers, with the pseudo-videos."""
    half = max(1, round(len(observations) / videos / 2))
    # A video's name cannot hold a null character, so these are clusters of their own.
    padded = [*observations, *[("\0right", 1.0)] * half, *[("\0wrong", 0.0)] * half]
    share = sum(value for _, value in padded) / len(padded)
    return _variance_of_mean(padded) * len(padded) / (share * (1 - share))


def _variance_of_mean(observations: Sequence[Observation]) -> float:
    """Cluster-robust variance (CR1) of the mean over questions."""
    mean = sum(value for _, value in observations) / len(observations)
    residuals: defaultdict[str, float] = defaultdict(float)
    for video, value in observations:
        residuals[video] += value - mean
    clusters = len(residuals)
    total = sum(residual**2 for residual in residuals.values())
    return clusters / (clusters - 1) * total / len(observations) ** 2


def _wilson(share: float, size: float, z: float) -> tuple[float, float]:
    centre = (share + z**2 / (2 * size)) / (1 + z**2 / size)
    reach = z / (1 + z**2 / size) * math.sqrt(share * (1 - share) / size + z**2 / (4 * size**2))
    return max(0.0, min(centre - reach, share)), min(1.0, max(centre + reach, share))
