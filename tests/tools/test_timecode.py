import math
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eva_graph_tools import labels, parse_time

SECONDS = st.floats(0, 1e6)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        (0, 0.0),
        (90, 90.0),
        (12.5, 12.5),
        ("90", 90.0),
        (" 90.5 ", 90.5),
        (".5", 0.5),
        ("01:30", 90.0),
        ("1:30", 90.0),
        ("01:30.250", 90.25),
        ("110:30", 6630.0),
        ("01:50:30", 6630.0),
        ("1:02:03.004", 3723.004),
        ("00:00", 0.0),
    ],
)
def test_times_are_read(written: float | str, seconds: float) -> None:
    assert parse_time(written) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "written",
    [
        *(-1, -0.001, math.nan, math.inf, -math.inf, 10**400, True, None, [1], b"1"),
        *("", "abc", "-5", "-1:30", "1:60", "01:75", "1:60:00", "1:2:3:4", ":30", "1:", "1e3"),
        *("nan", "inf", "1:30s", "١٢", "1:-5", "0x10", "1_000", "9" * 400),
    ],
)
def test_everything_else_is_a_value_error(written: object) -> None:
    with pytest.raises(ValueError, match="is not a time: give seconds"):
        parse_time(written)  # type: ignore[arg-type]


@given(st.text(max_size=20))
def test_no_text_raises_anything_else(text: str) -> None:
    with suppress(ValueError):
        assert parse_time(text) >= 0


def test_labels_floor_and_never_wrap() -> None:
    assert labels([0.0, 59.999, 60.0, 6630.9]) == ["00:00", "00:59", "01:00", "110:30"]
    assert labels([]) == []


def test_labels_show_milliseconds_for_all_where_two_would_be_alike() -> None:
    assert labels([1.0, 1.5, 70.0339]) == ["00:01.000", "00:01.500", "01:10.033"]
    assert labels([2.0, 2.0]) == ["00:02.000", "00:02.000"]


def test_a_float_hair_does_not_cost_a_millisecond() -> None:
    assert labels([0.28999999999999998, 0.57]) == ["00:00.290", "00:00.570"]


@given(st.lists(SECONDS, max_size=6))
def test_every_label_parses_back_to_its_floor(times: list[float]) -> None:
    written = labels(times)
    assert len(written) == len(times)
    unit = 1e-3 if any("." in label for label in written) else 1.0
    for label, seconds in zip(written, times, strict=True):
        assert seconds - unit - 1e-6 <= parse_time(label) <= seconds + 1e-6


@given(st.lists(SECONDS, min_size=2, max_size=6))
def test_short_labels_are_distinct(times: list[float]) -> None:
    written = labels(times)
    assert all("." in label for label in written) or len(set(written)) == len(times)
