"""Grid rows and image pads of logged prompts against the image places that they stand for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from eva_graph.trajectory.image_places import TurnPlaces
from eva_graph.trajectory.schema import TokenRecord, Trajectory
from eva_graph_tools import FrameRef, VisualGrid

_MERGED_SIDE = 2
"""All supported processors (Qwen2-VL to Qwen3-VL) merge 2 x 2 patches into one visual token."""


def grid_faults(record: Trajectory, turns: list[TurnPlaces]) -> Iterator[tuple[int, str]]:
    """Turns whose prompt does not fit the images before it, and how; none without token data."""
    rows = 0
    grid = VisualGrid(
        patch_pixels=record.policy.patch_pixels,
        min_pixels=record.policy.min_pixels,
        max_pixels=record.policy.max_pixels,
    )
    for turn in record.turns:
        if turn.tokens is None or turn.tokens.image_grids is None:
            continue
        shown = [place.ref for each in turns[: turn.turn] for place in each.places]
        known = rows if turn.tokens.prefix_ok else 0
        rows = known + len(turn.tokens.image_grids)
        if rows != len(shown):
            yield turn.turn, f"its prompt has {rows} grid rows for {len(shown)} image places"
        else:
            for fault in _pad_faults(turn.tokens, shown[known:], grid):
                yield turn.turn, fault


def _pad_faults(tokens: TokenRecord, refs: list[FrameRef], grid: VisualGrid) -> Iterator[str]:
    rows = tokens.image_grids or []
    for (_, height, width), ref in zip(rows, refs, strict=True):
        patch = grid.patch_pixels // _MERGED_SIDE
        # The reference profile shows sizes that the processor has yet to change.
        final = grid.final_size(ref.width, ref.height, 1.0) == (ref.width, ref.height)
        if final and (height * patch, width * patch) != (ref.height, ref.width):
            size = f"{ref.width}x{ref.height}"
            yield f"a grid of {height}x{width} patches is not that of {ref.uri} ({size})"
    pads = sum(time * height * width for time, height, width in rows) // _MERGED_SIDE**2
    if pads and pads not in Counter(tokens.prompt_delta_ids).values():
        yield f"no token fills the {pads} places that its {len(rows)} grid rows take in the prompt"
