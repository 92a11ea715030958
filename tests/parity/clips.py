"""The videos of the parity situations: what a benchmark's folder of files can hold.

Every clip comes from a recipe of `numbered_video`, so a picture that somebody was sent tells
which frame of the video it is; the recordings name the clip and those numbers.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import accumulate
from pathlib import Path

from clip_recipes import ALT_REF, VARIABLE, VPX, X265
from numbered_video import Recipe, render

FAST = {"preset": "ultrafast"}
MILLISECOND = Fraction(1, 1000)
NTSC = Fraction(1001, 30_000)
FREEZES = tuple(accumulate([0, *([33] * 40 + [2000]) * 6]))
"""Forty frames at 30 a second, then a freeze of two seconds; six times (milliseconds)."""
BURSTS = tuple(accumulate([0, *([4] * 20 + [90]) * 3]))
SLOWING = tuple(accumulate([0, *(20 + 10 * step for step in range(80))]))
SCREENCAST = tuple(accumulate([0, *[100] * 20, 30_000, *[40] * 50, 5_000]))
LATE = tuple(3000 + tick for tick in SLOWING)

CLIPS: dict[str, Recipe] = {
    "short": Recipe(suffix="mp4"),
    "minutes": Recipe(
        suffix="mp4", ticks=tuple(range(600)), time_base=Fraction(1), gop=30, options=FAST
    ),
    "half_hour": Recipe(
        suffix="mp4", ticks=tuple(range(900)), time_base=Fraction(2), gop=60, options=FAST
    ),
    "ntsc": Recipe(
        suffix="mp4", size=(640, 360), ticks=tuple(range(150)), time_base=NTSC, options=FAST
    ),
    "film": Recipe(
        suffix="mp4",
        size=(320, 240),
        ticks=tuple(range(120)),
        time_base=Fraction(1001, 24_000),
        b_frames=3,
        options={"preset": "veryfast"},
    ),
    "sixty": Recipe(suffix="mp4", ticks=tuple(range(240)), time_base=Fraction(1, 60), gop=60),
    "hd": Recipe(
        suffix="mp4",
        size=(1280, 720),
        ticks=tuple(range(60)),
        time_base=Fraction(1, 5),
        options=FAST,
    ),
    "full_hd": Recipe(
        suffix="mp4",
        size=(1920, 1080),
        ticks=tuple(range(20)),
        time_base=Fraction(1, 2),
        options=FAST,
    ),
    "ultra_hd": Recipe(
        suffix="mp4",
        size=(3840, 2160),
        ticks=tuple(range(4)),
        time_base=Fraction(1),
        options=FAST,
    ),
    "portrait": Recipe(
        suffix="mp4",
        size=(360, 640),
        ticks=tuple(range(30)),
        time_base=Fraction(1, 10),
        options=FAST,
    ),
    "turned": Recipe(suffix="mp4", rotate_degrees=-90, stored_turns=1),
    "turned_back": Recipe(suffix="mov", rotate_degrees=90, stored_turns=-1),
    "upside_down": Recipe(suffix="mp4", rotate_degrees=180, stored_turns=2),
    "odd": Recipe(suffix="mp4", size=(161, 97), pix_fmt="yuv444p"),
    "odd_patches": Recipe(suffix="mp4", size=(98, 42)),
    "wide_pixels": Recipe(suffix="mp4", sample_aspect_ratio=Fraction(4, 3)),
    "tall_pixels": Recipe(suffix="mp4", sample_aspect_ratio=Fraction(8, 9)),
    "ten_bit": Recipe(suffix="mp4", pix_fmt="yuv420p10le"),
    "hevc": Recipe(suffix="mp4", codec="libx265", options=X265),
    "hevc_ten_bit": Recipe(suffix="mp4", codec="libx265", pix_fmt="yuv420p10le", options=X265),
    "mpeg4": Recipe(suffix="mp4", codec="mpeg4", b_frames=0),
    "mjpeg": Recipe(suffix="avi", codec="mjpeg", pix_fmt="yuvj420p", b_frames=0),
    "vp9": Recipe(suffix="mp4", codec="libvpx-vp9", b_frames=0, options=VPX),
    "av1": Recipe(suffix="mp4", codec="libsvtav1", b_frames=0, options={"preset": "12"}),
    "av1_variable": Recipe(
        suffix="mp4",
        codec="libsvtav1",
        b_frames=0,
        options={"preset": "12"},
        ticks=BURSTS,
        time_base=Fraction(1, 100),
    ),
    "av1_late": Recipe(
        suffix="mp4",
        codec="libsvtav1",
        b_frames=0,
        options={"preset": "12"},
        ticks=tuple(range(50, 110)),
    ),
    "one_frame": Recipe(suffix="mp4", ticks=(0,)),
    "two_frames": Recipe(suffix="mp4", ticks=(0, 1), b_frames=0),
    "variable": Recipe(suffix="mp4", ticks=VARIABLE, time_base=Fraction(1, 90_000)),
    "freezes": Recipe(suffix="mp4", ticks=FREEZES, time_base=MILLISECOND),
    "slowing": Recipe(suffix="mp4", ticks=SLOWING, time_base=MILLISECOND),
    "screencast": Recipe(suffix="mp4", ticks=SCREENCAST, time_base=MILLISECOND),
    "late": Recipe(suffix="mp4", ticks=tuple(range(125, 185))),
    "late_variable": Recipe(suffix="mp4", ticks=LATE, time_base=MILLISECOND),
    "sound_first": Recipe(suffix="mp4", ticks=tuple(range(50, 110)), audio_seconds=5),
    "sound_longer": Recipe(suffix="mp4", audio_seconds=9),
    "one_group": Recipe(suffix="mp4", gop=1000, b_frames=3),
    "fragments": Recipe(suffix="mp4", container_options={"movflags": "frag_keyframe+empty_moov"}),
    "no_b": Recipe(suffix="mp4", b_frames=0),
    "quicktime": Recipe(suffix="mov"),
    "matroska": Recipe(suffix="mkv"),
    "webm": Recipe(suffix="webm", codec="libvpx", b_frames=0, options=ALT_REF),
    "transport": Recipe(suffix="ts", b_frames=0),
    "avi": Recipe(suffix="avi", b_frames=0),
}


def clip_file(name: str, folder: Path) -> Path:
    """The clip of that name in a folder, rendered when it is first wanted."""
    recipe = CLIPS[name]
    path = folder / f"{name}.{recipe.suffix}"
    if not path.exists():
        unfinished = folder / f"{name}.part.{recipe.suffix}"
        render(unfinished, recipe).path.rename(path)
    return path
