"""A plot is a function of its seed, and holds what the questions rely on."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eva_graph_training.world.dials import HARD, NORMAL, Dials
from eva_graph_training.world.plot import CODE_DIGITS, Plot, Span
from eva_graph_training.world.plotting import LONG_SECONDS, make_plot
from eva_graph_training.world.telling import fact_text

plots = st.builds(
    make_plot, st.integers(0, 2**31), st.integers(60, 900), st.sampled_from([NORMAL, HARD])
)


def test_equal_seeds_give_equal_plots_and_other_seeds_others() -> None:
    assert make_plot(7, 90, NORMAL) == make_plot(7, 90, NORMAL)
    assert make_plot(7, 90, NORMAL).cards != make_plot(8, 90, NORMAL).cards


def test_a_dial_leaves_the_other_parts_as_they_were() -> None:
    one, other = make_plot(7, 300, NORMAL), make_plot(7, 300, Dials(scene_seconds=(20, 60)))
    assert one.scenes != other.scenes
    assert (one.cards, one.events, one.lines) == (other.cards, other.events, other.lines)


@settings(max_examples=60, deadline=None)
@given(plots)
def test_scenes_and_cards_cover_the_video_without_gaps(plot: Plot) -> None:
    for spans in (plot.scenes, plot.cards):
        assert (spans[0].start_seconds, spans[-1].end_seconds) == (0, plot.duration_seconds)
        assert all(one.end_seconds == other.start_seconds for one, other in pairwise(spans))
        assert all(span.length_seconds > 0 for span in spans)
    assert all(one.letter != other.letter for one, other in pairwise(plot.cards))
    assert all(len(card.code) == CODE_DIGITS and card.code.isdigit() for card in plot.cards)
    low, high = plot.dials.scene_seconds
    assert all(low <= scene.length_seconds < high + low for scene in plot.scenes)


@settings(max_examples=60, deadline=None)
@given(plots)
def test_a_border_has_one_card_and_four_seconds_on_both_sides_without_a_border(plot: Plot) -> None:
    for event in plot.events:
        assert plot.card_at(event.start_seconds).within(event.start_seconds, event.end_seconds)
        dials = plot.dials
        low, high = dials.short_event_seconds if event.short else dials.event_seconds
        assert low <= event.length_seconds <= high
    for one, other in pairwise(plot.events):
        assert other.start_seconds - one.end_seconds >= 4


@settings(max_examples=60, deadline=None)
@given(plots)
def test_what_is_on_screen_follows_from_the_spans(plot: Plot) -> None:
    for second in range(plot.duration_seconds):
        shown = [event for event in plot.events if event.meets(second, second + 1)]
        assert plot.border_at(second + 0.9) == (shown[0].colour if shown else None)
        assert plot.card_at(second + 0.9).meets(second, second + 1)
        assert plot.scene_at(second + 0.9).meets(second, second + 1)


@settings(max_examples=60, deadline=None)
@given(plots)
def test_a_fact_is_told_once(plot: Plot) -> None:
    told = [line for line in plot.lines if line.noun is not None]
    assert len({line.noun for line in told}) == len(told)
    for line in told:
        assert line.text == fact_text(line.noun or "", line.letter or "")
    assert all(one.end_seconds < other.start_seconds for one, other in pairwise(plot.lines))


def test_long_videos_have_half_as_many_frames_a_second() -> None:
    assert make_plot(1, LONG_SECONDS, NORMAL).frames_per_second == 10
    assert make_plot(1, LONG_SECONDS + 1, NORMAL).frames_per_second == 5


@pytest.mark.parametrize("seconds", [59, 7201])
def test_videos_of_other_lengths_are_refused(seconds: int) -> None:
    with pytest.raises(ValueError, match="lasts 60 to 7200 seconds"):
        make_plot(1, seconds, NORMAL)


def test_spans_end_before_their_end() -> None:
    span = Span(start_seconds=3, end_seconds=5)
    assert span.meets(4, 5)
    assert not span.meets(5, 6)
    assert span.within(3, 5)
    assert not span.within(4, 9)
