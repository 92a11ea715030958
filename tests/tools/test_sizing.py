import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize

from eva_graph_tools import InvalidArguments, VisualGrid

SIDES = st.integers(1, 8192)
RESIZE = st.floats(1e-4, 4.0)


@st.composite
def grids(draw: st.DrawFn) -> VisualGrid:
    patch = draw(st.sampled_from([4, 14, 16, 28, 32]))
    least = draw(st.integers(1, 600)) * patch**2
    most = least * draw(st.integers(4, 400))
    return VisualGrid(patch_pixels=patch, min_pixels=least, max_pixels=most)


@given(SIDES, SIDES, RESIZE, st.one_of(st.just(VisualGrid()), grids()))
@example(8192, 1, 1.0, VisualGrid())
@example(1, 8192, 0.001, VisualGrid(patch_pixels=28, min_pixels=28 * 28 * 300))
def test_the_processor_leaves_a_final_size_alone(
    width: int, height: int, resize: float, grid: VisualGrid
) -> None:
    final = grid.final_size(width, height, resize)
    kept = smart_resize(
        final[1],
        final[0],
        factor=grid.patch_pixels,
        min_pixels=grid.min_pixels,
        max_pixels=grid.max_pixels,
    )
    assert kept == (final[1], final[0])
    patches = final[0] * final[1] // grid.patch_pixels**2
    assert grid.visual_tokens(*final) == patches
    assert grid.estimate(width, height, resize, 7) == 7 * patches


@given(st.integers(56, 4096), st.integers(56, 4096), st.floats(0.05, 1.0))
def test_within_the_bounds_sides_are_rounded_to_patches(
    width: int, height: int, resize: float
) -> None:
    final = VisualGrid(min_pixels=1).final_size(width, height, resize)
    for side, source in zip(final, (width, height), strict=True):
        assert side == max(1, round(source * resize / 28)) * 28 or width * height > 12_845_056


@pytest.mark.parametrize(
    ("resize", "tokens"), [(0.1, 15), (0.25, 66), (0.5, 299), (1.0, 1196), (2.0, 1196)]
)
def test_eva_costs_of_720p(resize: float, tokens: int) -> None:
    assert VisualGrid().estimate(1280, 720, resize, 1) == tokens


def test_tiny_frames_cost_what_the_processor_enlarges_them_to() -> None:
    assert VisualGrid().estimate(640, 360, 0.1, 1) == 6  # the harness counts 2


def test_eva_budget_rule_without_its_overshoot() -> None:
    grid = VisualGrid()
    assert grid.fit(1280, 720, 50, 1.0, 12_000) == (29, 0.5854)
    assert grid.estimate(1280, 720, 0.5854, 29) <= 12_000
    nframes, resize = grid.fit(1280, 720, 100, 0.4, 12_000)
    assert (nframes, resize) == (83, 0.3494)  # the harness keeps 87 and overshoots
    assert grid.fit(1920, 1080, 10, 1.0, 12_000) == (10, 0.6666)  # the cap at 720 is enough
    assert grid.fit(1280, 720, 8, 0.5, 12_000) == (8, 0.5)


@given(
    st.integers(1, 4096),
    st.integers(1, 4096),
    st.integers(1, 10**12),
    RESIZE,
    st.integers(-5, 40_000),
    st.one_of(st.just(VisualGrid()), grids()),
)
def test_a_fitted_look_never_exceeds_its_budget(
    width: int, height: int, nframes: int, resize: float, budget: int, grid: VisualGrid
) -> None:
    try:
        fewer, smaller = grid.fit(width, height, nframes, resize, budget)
    except InvalidArguments:
        assert grid.estimate(width, height, 1e-4, 1) > budget
        return
    assert 1 <= fewer <= nframes
    assert 0 < smaller <= min(resize, 1.0) or smaller == 1e-4
    assert grid.estimate(width, height, smaller, fewer) <= budget


@pytest.mark.parametrize("resize", [0.0, -1.0, float("nan"), float("inf")])
def test_senseless_sizes_are_refused(resize: float) -> None:
    with pytest.raises(ValueError, match="resize"):
        VisualGrid().final_size(640, 360, resize)
    with pytest.raises(ValueError, match="no area"):
        VisualGrid().final_size(0, 360, 1.0)
    with pytest.raises(ValueError, match="max_pixels"):
        VisualGrid(min_pixels=100, max_pixels=300)
