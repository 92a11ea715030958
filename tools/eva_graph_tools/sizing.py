"""The one rule for what a frame costs in visual tokens.

A frame is sent at a *final size*: both sides are multiples of the policy processor's patch unit and
the area lies within its pixel bounds, so that the processor's own resize (Qwen2-VL's
`smart_resize`) leaves it as it is and the estimate equals what is spent.
"""

import math
from dataclasses import dataclass

from eva_graph_tools.errors import InvalidArguments

_MAX_ASPECT = 200  # beyond it the processor refuses an image
_SHORT_SIDE_CAP_PIXELS = 720  # EVA: an over-budget look is first held to 720p
_RESIZE_STEP = 1e-4


@dataclass(frozen=True, slots=True, kw_only=True)
class VisualGrid:
    """Patches of a policy's image processor.

    Attributes:
        patch_pixels: side of one merged patch, which is one visual token (Qwen2.5-VL: 28).
        min_pixels: smallest area the processor leaves alone.
        max_pixels: largest area the processor leaves alone; at least four times `min_pixels`
            and four patches.
    """

    patch_pixels: int = 28
    min_pixels: int = 56 * 56
    max_pixels: int = 12_845_056

    def __post_init__(self) -> None:
        patch_area = self.patch_pixels**2
        if self.patch_pixels < 1 or self.min_pixels < 1:
            raise ValueError("patch_pixels and min_pixels must be positive")
        if self.max_pixels < 4 * max(self.min_pixels, patch_area):
            raise ValueError("max_pixels must be at least four times min_pixels and four patches")

    def final_size(self, width: int, height: int, resize: float) -> tuple[int, int]:
        """Width and height in pixels of the frame that the policy receives.

        Args:
            width, height: the source as displayed, in pixels.
            resize: factor on both sides. Above 1.0 it counts as 1.0: enlarging costs tokens
                and shows nothing more. Tiny results are still enlarged to `min_pixels`.

        Raises:
            ValueError: a side is not positive, or resize is not a positive finite number.
        """
        if width < 1 or height < 1:
            raise ValueError(f"a frame of {width}x{height} pixels has no area")
        if not (math.isfinite(resize) and resize > 0):
            raise ValueError(f"resize must be a positive number, not {resize}")
        factor = min(resize, 1.0) / self.patch_pixels
        columns, rows = self._within_bounds(width * factor, height * factor)
        return columns * self.patch_pixels, rows * self.patch_pixels

    def visual_tokens(self, width: int, height: int) -> int:
        """Merged patches of a final size in pixels."""
        return (width // self.patch_pixels) * (height // self.patch_pixels)

    def estimate(self, width: int, height: int, resize: float, nframes: int) -> int:
        """Visual tokens of `nframes` frames of a `width` x `height` source at `resize`."""
        return nframes * self.visual_tokens(*self.final_size(width, height, resize))

    def fit(
        self, width: int, height: int, nframes: int, resize: float, budget: int
    ) -> tuple[int, float]:
        """EVA's budget rule, corrected so that the result never exceeds the budget.

        Within the budget nothing changes. Else resize is first capped so that the short side
        has at most 720 pixels; if that is not enough, both nframes and resize shrink by the
        cube root of budget / estimate; then nframes drops until it fits; a single frame that
        still exceeds the budget is made smaller.

        Returns:
            nframes (at least 1) and resize, floored to four decimals where it was changed.

        Raises:
            InvalidArguments: the budget does not pay for the smallest frame.
        """
        resize = min(resize, 1.0)
        if self.estimate(width, height, resize, nframes) <= budget:
            return nframes, resize
        resize = min(resize, _floor_resize(_SHORT_SIDE_CAP_PIXELS / min(width, height)))
        estimate = self.estimate(width, height, resize, nframes)
        if estimate <= budget:
            return nframes, resize
        shrink = (max(budget, 0) / estimate) ** (1 / 3)
        resize = _floor_resize(resize * shrink)
        one_frame = self.estimate(width, height, resize, 1)
        nframes = max(1, min(int(nframes * shrink), budget // one_frame))
        if nframes == 1 and one_frame > budget:
            resize = self._largest_resize(width, height, resize, budget)
        return nframes, resize

    def _within_bounds(self, columns: float, rows: float) -> tuple[int, int]:
        area = self.patch_pixels**2
        least, most = -(-self.min_pixels // area), self.max_pixels // area
        short, long = sorted((columns, rows))
        long = min(long, short * _MAX_ASPECT)
        a, b = max(1, round(short)), max(1, round(long))
        if a * b > most:
            scale = math.sqrt(most / (short * long))
            a, b = max(1, math.floor(short * scale)), math.floor(long * scale)
        elif a * b < least:
            scale = math.sqrt(least / (short * long))
            a, b = math.ceil(short * scale), math.ceil(long * scale)
        b = max(a, min(b, most // a, a * _MAX_ASPECT))
        if a * b < least:
            a += 1
            b = max(a, -(-least // a))
        return (a, b) if columns <= rows else (b, a)

    def _largest_resize(self, width: int, height: int, resize: float, budget: int) -> float:
        low, high = 1, max(1, round(resize / _RESIZE_STEP))  # in steps; high is over budget
        if self.estimate(width, height, low * _RESIZE_STEP, 1) > budget:
            raise InvalidArguments(
                f"{budget} visual tokens do not pay for even the smallest frame: "
                "answer with what is known"
            )
        while high - low > 1:
            middle = (low + high) // 2
            if self.estimate(width, height, middle * _RESIZE_STEP, 1) <= budget:
                low = middle
            else:
                high = middle
        return round(low * _RESIZE_STEP, 4)


def _floor_resize(resize: float) -> float:
    return max(_RESIZE_STEP, math.floor(resize / _RESIZE_STEP + 1e-9) / round(1 / _RESIZE_STEP))
