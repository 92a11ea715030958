"""The rules behind scenes: what key frames tell, and what holds of any measures."""

import subprocess
import sys
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from eva_graph_tools.index import FrameIndex
from eva_graph_tools.scenes.key_frames import boundaries_by_index, boundaries_by_keys, key_frames
from eva_graph_tools.scenes.measuring import Measures, joined, measure
from eva_graph_tools.scenes.pictures import HEIGHT, WIDTH, Pictures
from eva_graph_tools.scenes.rules import LEAST_SCENE_SECONDS, boundaries

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "scenes.py"
SPACINGS = st.lists(st.integers(30, 240), min_size=6, max_size=40)


def index_of(keys: list[int], frames: int, fps: int = 25) -> FrameIndex:
    ticks = np.arange(frames, dtype=np.int64)
    key = np.zeros(frames, np.bool_)
    key[keys] = True
    return FrameIndex(
        time_base=Fraction(1, fps),
        pts=ticks,
        dts=ticks,
        key=key,
        order=ticks,
        shown_pts=ticks,
        last_duration=1,
        counted=False,
        stamped=True,
    )


def keys_after(spacings: list[int]) -> list[int]:
    return np.cumsum([0, *spacings]).tolist()


def found(index: FrameIndex) -> list[int] | None:
    by_index = boundaries_by_index(index)
    return None if by_index is None else [boundary.index for boundary in by_index]


@given(spacing=st.integers(1, 300), count=st.integers(1, 60), tail=st.integers(1, 300))
def test_regular_key_frames_tell_nothing(spacing: int, count: int, tail: int) -> None:
    keys = keys_after([spacing] * count)
    assert found(index_of(keys, keys[-1] + min(tail, spacing))) is None


@given(spacings=st.lists(st.sampled_from([59, 60]), min_size=6, max_size=60))
def test_nearly_regular_key_frames_tell_nothing(spacings: list[int]) -> None:
    """Segments that follow a clock vary by a frame."""
    keys = keys_after(spacings)
    assert found(index_of(keys, keys[-1] + 10)) is None


def test_key_frames_at_changes_are_scenes_and_those_by_count_are_not() -> None:
    keys = keys_after([80, 250, 250, 31, 120, 250, 64, 97, 45])
    assert found(index_of(keys, keys[-1] + 30)) == [80, 611, 731, 1045, 1142, 1187]


def test_scene_changes_beside_a_fixed_grid_are_told_apart() -> None:
    changes = [75, 130, 333, 510, 642, 701]
    keys = sorted({*range(0, 900, 50), *changes})
    assert found(index_of(keys, 900)) in (None, changes)
    content = np.where(np.isin(keys[1:], changes), 60, 5).astype(np.float32)
    by_keys = boundaries_by_keys(index_of(keys, 900), content, 27.0)
    assert by_keys is not None
    assert [boundary.index for boundary in by_keys] == changes


def test_too_few_or_too_many_key_frames_tell_nothing() -> None:
    assert key_frames(index_of([0, 40, 97], 200)) is None
    assert key_frames(index_of(list(range(0, 200, 3)), 200)) is None


def test_changes_between_regular_key_frames_are_noticed() -> None:
    """A fixed group of pictures: what was looked at differs, and no key frame marks it."""
    index = index_of(list(range(0, 1000, 50)), 1000)
    still = np.full(19, 3, np.float32)
    assert boundaries_by_keys(index, still, 27.0) == []
    still[[2, 7, 11]] = 60
    assert boundaries_by_keys(index, still, 27.0) is None


@given(spacings=SPACINGS)
def test_scenes_by_key_frames_keep_their_distance(spacings: list[int]) -> None:
    keys = keys_after(spacings)
    index = index_of(keys, keys[-1] + 1, fps=100)
    starts = found(index) or []
    assert set(starts) <= set(keys[1:])
    assert all(b - a >= LEAST_SCENE_SECONDS * 100 for a, b in pairwise(starts))


@st.composite
def pictures(draw: st.DrawFn) -> Pictures:
    count = draw(st.integers(0, 40))
    steps = draw(st.lists(st.integers(1, 9), min_size=count, max_size=count))
    indices = np.cumsum(np.array(steps, np.int64))
    levels = draw(arrays.arrays(np.uint8, (count, 2, 2, 3)))
    values = levels.repeat(14, axis=1)[:, :HEIGHT].repeat(24, axis=2)[:, :, :WIDTH]
    return Pictures(indices=indices, seconds=indices / 25, values=values)


@settings(max_examples=40)
@given(sample=pictures(), threshold=st.floats(1, 255))
def test_any_pictures_have_boundaries_in_order(sample: Pictures, threshold: float) -> None:
    measures = measure(sample)
    starts = boundaries(measures, threshold)
    indices = [start.index for start in starts]
    assert indices == sorted(set(indices))
    assert set(indices) <= set(sample.indices.tolist())
    assert all(0 <= start.sure <= 1 for start in starts)
    cuts = [start.index / 25 for start in starts if start.kind == "cut"]
    assert all(b - a >= LEAST_SCENE_SECONDS - 1e-9 for a, b in pairwise(cuts))


@given(sample=pictures(), at=st.integers(0, 400))
def test_measures_can_be_parted_and_joined(sample: Pictures, at: int) -> None:
    whole = measure(sample)
    parts = joined([whole.between(0, at), whole.between(at, 10_000)])
    for name, array in whole.to_arrays().items():
        np.testing.assert_array_equal(parts.to_arrays()[name], array)
    again = Measures.from_arrays(whole.to_arrays())
    np.testing.assert_array_equal(again.content, whole.content)


@pytest.mark.slow
def test_the_benchmark_runs() -> None:
    done = subprocess.run(
        [sys.executable, str(BENCHMARK), "--quick"], capture_output=True, text=True, check=True
    )
    rows = [line for line in done.stdout.splitlines() if line.startswith(("scene cuts", "fixed"))]
    assert len(rows) == 8
    assert sum("looked at full" in row for row in rows) == 2
