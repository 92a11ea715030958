"""Questions on a plot: one function a kind, each with the answer and where it is to be seen.

On a video longer than `SEARCHED_SECONDS` a question on a border says roughly when, as a person
would know. What is asked for is unique in the range that the question leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from string import ascii_uppercase

import numpy as np

from eva_graph_training.world import wording
from eva_graph_training.world.plot import CODE_DIGITS, COLOURS, LETTERS, Event, Plot, Span
from eva_graph_training.world.wording import Kind, Window

SEARCHED_SECONDS = 180
"""A whole video up to this length is searched for a border."""
EVENT_WINDOW_SECONDS, SHORT_WINDOW_SECONDS, COUNT_WINDOW_SECONDS = 120, 30, 60
SCENES_WINDOW_SECONDS = (10, 90)
MOST_COUNTED = 5
_CLEAR_SECONDS = 2
_TRIES = 24
_OPTIONS = 4

Stretches = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question with its answer.

    Attributes:
        options: texts in the order of their letters; empty for an open question.
        answer: the letter of the right option, or the answer itself.
        stretches: from and to in seconds, where the answer is to be seen.
    """

    kind: Kind
    text: str
    options: tuple[str, ...] = ()
    answer: str
    stretches: Stretches = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """A question before it has options."""

    text: str
    answer: str
    others: Sequence[str]
    spans: Sequence[Span] = ()


def ask(plot: Plot, kind: Kind, rng: np.random.Generator, *, choice: bool) -> Question | None:
    """A question of that kind; None where the video has nothing to ask for.

    Args:
        plot: the video's plot.
        kind: which kind.
        rng: what is asked for, and the order of the options.
        choice: multiple choice, else open.
    """
    found = _MAKERS[kind](plot, rng)
    if found is None:
        return None
    stretches = tuple((span.start_seconds, span.end_seconds) for span in found.spans)
    if not choice:
        return Question(kind=kind, text=found.text, answer=found.answer, stretches=stretches)
    wrong = [str(other) for other in rng.permutation(list(found.others))[: _OPTIONS - 1]]
    options = tuple(str(option) for option in rng.permutation([found.answer, *wrong]))
    return Question(
        kind=kind,
        text=found.text,
        options=options,
        answer=ascii_uppercase[options.index(found.answer)],
        stretches=stretches,
    )


def _time(plot: Plot, rng: np.random.Generator) -> _Found:
    second = int(rng.integers(plot.duration_seconds))
    letter = plot.card_at(second).letter
    return _letter(wording.letter_at(second), letter, _instant(second))


def _small_print(plot: Plot, rng: np.random.Generator) -> _Found:
    second = int(rng.integers(plot.duration_seconds))
    return _code(wording.code_at(second), plot.card_at(second).code, _instant(second), rng)


def _event(plot: Plot, rng: np.random.Generator) -> _Found | None:
    sought = _sought(plot, rng, EVENT_WINDOW_SECONDS, short=False)
    if sought is None:
        return None
    event, window = sought
    letter = plot.card_at(event.start_seconds).letter
    return _letter(wording.letter_while(event.colour, window), letter, event)


def _event_print(plot: Plot, rng: np.random.Generator) -> _Found | None:
    sought = _sought(plot, rng, EVENT_WINDOW_SECONDS, short=False)
    if sought is None:
        return None
    event, window = sought
    code = plot.card_at(event.start_seconds).code
    return _code(wording.code_while(event.colour, window), code, event, rng)


def _short_event(plot: Plot, rng: np.random.Generator) -> _Found | None:
    sought = _sought(plot, rng, SHORT_WINDOW_SECONDS, short=True)
    if sought is None:
        return None
    event, window = sought
    letter = plot.card_at(event.start_seconds).letter
    return _letter(wording.letter_while(event.colour, window, briefly=True), letter, event)


def _order(plot: Plot, rng: np.random.Generator) -> _Found | None:
    for _ in range(_TRIES):
        searched = plot.duration_seconds <= SEARCHED_SECONDS
        seconds = plot.duration_seconds if searched else EVENT_WINDOW_SECONDS
        window = _window(plot, rng, seconds)
        alone = [event for event in plot.events if not event.short and _alone(plot, event, window)]
        if len(alone) < 2:
            continue
        pair = [alone[place] for place in sorted(rng.permutation(len(alone))[:2])]
        one, other = (str(colour) for colour in rng.permutation([at.colour for at in pair]))
        text = wording.first_of((one, other), None if searched else window)
        return _Found(text=text, answer=pair[0].colour, others=[pair[1].colour], spans=pair)
    return None


def _count(plot: Plot, rng: np.random.Generator) -> _Found | None:
    """Borders of normal length, all of them whole; every number equally likely where it can be."""
    windows = (_window(plot, rng, COUNT_WINDOW_SECONDS) for _ in range(_TRIES))
    found: dict[int, _Found] = {}
    for window, colour in product(windows, COLOURS):
        shown = plot.events_in(*window, colour)
        whole = all(event.within(*window) and not event.short for event in shown)
        if whole and 0 < len(shown) <= MOST_COUNTED:
            found[len(shown)] = _number(wording.times_of(colour, window), len(shown), shown)
    return _any(found, rng)


def _scenes(plot: Plot, rng: np.random.Generator) -> _Found | None:
    """In a range without a change of borders, which looks like a cut."""
    edges = [second for event in plot.events for second in (event.start_seconds, event.end_seconds)]
    changes = [scene.start_seconds for scene in plot.scenes[1:]]
    found: dict[int, _Found] = {}
    for _ in range(4 * _TRIES):
        low, high = SCENES_WINDOW_SECONDS
        seconds = int(rng.integers(low, min(high, plot.duration_seconds) + 1))
        start, end = window = _window(plot, rng, seconds)
        calm = not any(start - _CLEAR_SECONDS <= edge <= end + _CLEAR_SECONDS for edge in edges)
        clear = all(abs(at - edge) > _CLEAR_SECONDS for at in changes for edge in window)
        count = 1 + sum(start < at < end for at in changes)
        if calm and clear and count <= MOST_COUNTED:
            span = Span(start_seconds=start, end_seconds=end)
            found[count] = _number(wording.scenes_in(window), count, [span])
    return _any(found, rng)


def _number(text: str, count: int, spans: Sequence[Span]) -> _Found:
    others = [str(number) for number in range(1, MOST_COUNTED + 1) if number != count]
    return _Found(text=text, answer=str(count), others=others, spans=spans)


def _any(found: dict[int, _Found], rng: np.random.Generator) -> _Found | None:
    """One of the numbers that a video offers; the rarer ones, which are large, more often."""
    if not found:
        return None
    numbers = sorted(found)
    weights = np.array([float(number**2) for number in numbers])
    return found[int(rng.choice(numbers, p=weights / weights.sum()))]


def _transcript(plot: Plot, rng: np.random.Generator) -> _Found | None:
    told = [line for line in plot.lines if line.noun is not None]
    if not told:
        return None
    line = told[int(rng.integers(len(told)))]
    return _letter(wording.word_for(line.noun or ""), line.letter or "", line)


def _no_look(plot: Plot, rng: np.random.Generator) -> _Found:
    length = plot.duration_seconds
    others = [str(length + step) for step in (-30, -20, -10, 10, 20, 30)]
    return _Found(text=wording.length(), answer=str(length), others=others)


_MAKERS: dict[Kind, Callable[[Plot, np.random.Generator], _Found | None]] = {
    "time": _time,
    "small_print": _small_print,
    "event": _event,
    "event_print": _event_print,
    "short_event": _short_event,
    "order": _order,
    "count": _count,
    "scenes": _scenes,
    "transcript": _transcript,
    "no_look": _no_look,
}
KINDS: tuple[Kind, ...] = tuple(_MAKERS)


def _letter(text: str, letter: str, span: Span) -> _Found:
    others = [other for other in LETTERS if other != letter]
    return _Found(text=text, answer=letter, others=others, spans=[span])


def _code(text: str, code: str, span: Span, rng: np.random.Generator) -> _Found:
    """Options are a chain, each one digit away from the next: none of them stands out."""
    places, at = rng.permutation(CODE_DIGITS), int(rng.integers(CODE_DIGITS + 1))
    others = []
    for steps in (places[at:], places[:at][::-1]):
        option = code
        for place in steps:
            option = _altered(option, int(place), rng)
            others.append(option)
    return _Found(text=text, answer=code, others=others, spans=[span])


def _altered(code: str, place: int, rng: np.random.Generator) -> str:
    digit = (int(code[place]) + int(rng.integers(1, 10))) % 10
    return f"{code[:place]}{digit}{code[place + 1 :]}"


def _sought(
    plot: Plot, rng: np.random.Generator, window_seconds: int, *, short: bool
) -> tuple[Event, Window | None] | None:
    """A border, and the range that the question gives: in it the colour is shown only once."""
    events = [event for event in plot.events if event.short == short]
    whole = not short and plot.duration_seconds <= SEARCHED_SECONDS
    for place in rng.permutation(len(events))[:_TRIES]:
        event = events[place]
        window = (0, plot.duration_seconds) if whole else _around(plot, rng, event, window_seconds)
        if _alone(plot, event, window):
            return event, None if whole else window
    return None


def _alone(plot: Plot, event: Event, window: Window) -> bool:
    return event.within(*window) and plot.events_in(*window, event.colour) == [event]


def _around(plot: Plot, rng: np.random.Generator, event: Event, seconds: int) -> Window:
    low = max(0, event.end_seconds - seconds)
    high = min(event.start_seconds, plot.duration_seconds - seconds)
    start = int(rng.integers(low, high + 1))
    return start, start + seconds


def _window(plot: Plot, rng: np.random.Generator, seconds: int) -> Window:
    seconds = min(seconds, plot.duration_seconds)
    start = int(rng.integers(plot.duration_seconds - seconds + 1))
    return start, start + seconds


def _instant(second: int) -> Span:
    return Span(start_seconds=second, end_seconds=second + 1)
