"""How hard a world video is: the ranges that its plot is drawn from.

Every range is (least, most), both included; times are whole seconds, sizes pixels of the source.
"""

from __future__ import annotations

from dataclasses import dataclass

Range = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dials:
    """The difficulty of a video; the defaults are what nano is trained on.

    Attributes:
        scene_seconds: how long a background stays.
        fade_share: of the scenes, how many fade in instead of being cut to.
        card_seconds: how long a card stays on the sign where no border is shown.
        event_seconds: how long a border is shown.
        short_event_seconds: how long a short one is shown.
        short_share: of the borders, how many are short.
        gap_seconds: between two borders.
        calm_share, calm_seconds: some of these gaps are much longer, and how long they are.
        burst_share: of the borders, how many come again soon in the same colour.
        burst_repeats: how often they come again.
        letter_pixels, small_letter_pixels: height of the letter on a card, large and small.
        small_share: of the cards, how many have a small letter.
        code_pixels: height of the digits below the sign.
        shapes: how many shapes move at the rim: they mean nothing.
        line_gap_seconds: between two subtitle lines.
        decoy_line_share: of the lines, how many tell nothing.
        sparse_share: of the videos, how many lack frames (a variable frame rate).
        subtitled_share: of the videos, how many have subtitles.
    """

    scene_seconds: Range = (8, 30)
    fade_share: float = 0.25
    card_seconds: Range = (3, 8)
    event_seconds: Range = (4, 10)
    short_event_seconds: Range = (1, 2)
    short_share: float = 0.2
    gap_seconds: Range = (4, 40)
    calm_share: float = 0.12
    calm_seconds: Range = (70, 110)
    burst_share: float = 0.3
    burst_repeats: Range = (1, 4)
    letter_pixels: Range = (50, 58)
    small_letter_pixels: Range = (26, 30)
    small_share: float = 0.3
    code_pixels: Range = (13, 15)
    shapes: Range = (0, 2)
    line_gap_seconds: Range = (4, 12)
    decoy_line_share: float = 0.3
    sparse_share: float = 0.2
    subtitled_share: float = 0.5


NORMAL = Dials()
HARD = Dials(
    scene_seconds=(8, 60),
    fade_share=0.5,
    card_seconds=(2, 6),
    event_seconds=(4, 6),
    short_event_seconds=(1, 1),
    gap_seconds=(4, 25),
    letter_pixels=(44, 50),
    small_letter_pixels=(22, 26),
    small_share=0.5,
    code_pixels=(11, 13),
    shapes=(2, 5),
    line_gap_seconds=(3, 8),
    decoy_line_share=0.6,
    sparse_share=0.5,
)
"""Outside of what nano is trained on: smaller, shorter, busier."""
