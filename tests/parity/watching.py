"""Situations of videos: which frames come out of what kind of file."""

from __future__ import annotations

from parity.situations import Situation, look, situation


def watched(clip: str, seconds: float, *more: str) -> Situation:
    """Three looks at a clip of so many seconds: all of it, one frame, the middle closely."""
    return situation(
        f"watch_{clip}",
        clip,
        look(0, seconds, 9),
        look(seconds / 4, seconds / 2, 1),
        look(seconds / 3, seconds / 2, 5, 0.5),
        *more,
    )


WATCHING = (
    watched("short", 2.4),
    watched("ntsc", 5),
    watched("film", 5),
    watched("sixty", 4),
    watched("portrait", 3),
    watched("turned", 2.4),
    watched("turned_back", 2.4),
    watched("odd", 2.4),
    watched("wide_pixels", 2.4),
    watched("ten_bit", 2.4),
    watched("hevc", 2.4),
    watched("mpeg4", 2.4),
    watched("mjpeg", 2.4),
    watched("vp9", 2.4),
    watched("av1", 2.4),
    watched("av1_variable", 6),
    watched("one_frame", 0.04, look(5, 9, 3)),
    watched("two_frames", 0.08),
    watched("variable", 3.8, look(0, 3, 7), look(2.4, 2.7, 4)),
    watched("freezes", 19, look(1.3, 3.4, 12), look(5, 9, 16)),
    watched("late", 2.4, look(5, 7.4, 6), look(6, 7, 3), look(0, 5.5, 4), look(0, 2, 3)),
    watched("sound_first", 2.4, look(2, 4.4, 6), look(3, 4, 3)),
    watched("fragments", 2.4),
    watched("no_b", 2.4),
    watched("quicktime", 2.4),
    watched("matroska", 2.4),
    watched("webm", 2.4),
    watched("transport", 2.4),
    watched("avi", 2.4),
)
