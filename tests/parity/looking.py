"""Situations of looks: odd arguments, ranges that leave the video, the visual-token budget."""

from __future__ import annotations

from parity.situations import Situation, block, call, look, looks, situation


def lost(name: str, turn: str, clip: str = "short") -> Situation:
    """A look after which the answer would come, if it were asked for."""
    return situation(name, clip, turn)


def raw(arguments: str) -> str:
    """A look with arguments as JSON text."""
    return block(call(arguments))


RANGES = (
    situation("range_inside", "minutes", look(100, 200, 11)),
    situation("range_fractions", "minutes", look(12.25, 12.9, 3), look(0.1 + 0.2, 7.7, 5)),
    situation("range_one_frame", "minutes", look(100, 200, 1), look(3, 4, 1)),
    situation("range_two_frames", "minutes", look(100, 200, 2)),
    situation("range_beyond_the_end", "minutes", look(500, 900, 5)),
    situation("range_far_beyond", "minutes", look(0, 1e9, 4)),
    situation("range_outside", "minutes", look(1000, 2000, 4)),
    situation("range_before_zero", "minutes", look(-50, 50, 5)),
    situation("range_all_before_zero", "minutes", look(-50, -10, 3)),
    situation("range_reversed", "minutes", look(300, 100, 5)),
    situation("range_empty", "minutes", look(300, 300, 3), look(300, 300, 1)),
    situation("range_shorter_than_a_frame", "minutes", look(10.1, 10.2, 4)),
    situation("range_label_over_an_hour", "half_hour", look(0, 1799, 7, 0.5), look(5000, 6630, 3)),
    situation("range_infinite", "short", raw('{"start_time": 0, "end_time": 1e400, "nframes": 2}')),
    situation(
        "range_not_a_number", "short", raw('{"start_time": NaN, "end_time": 2, "nframes": 2}')
    ),
    situation("range_tiny_negative", "short", look(-1e-05, 2, 2)),
    situation("more_frames_than_there_are", "short", look(0, 2.4, 150, 0.4)),
    situation("same_look_twice", "short", look(0, 2, 3), look(0, 2, 3)),
)

ARGUMENTS = (
    lost("times_as_text", look("00:00", "00:02", 3)),
    lost("times_as_digits", look("0", "2", 3)),
    lost("times_as_words", look("start", "end", 3)),
    lost("times_null", look(None, 2, 3)),
    lost("times_boolean", look(False, True, 3)),
    lost("nframes_whole_float", look(0, 2, 4.0)),
    lost("nframes_fraction", look(0, 2, 4.5)),
    situation("nframes_as_digits", "short", look(0, 2, "4")),
    lost("nframes_as_words", look(0, 2, "four")),
    lost("nframes_zero", look(0, 2, 0)),
    lost("nframes_negative", look(0, 2, -4)),
    lost("nframes_null", look(0, 2, None)),
    situation("resize_absent", "short", raw('{"start_time": 0, "end_time": 2, "nframes": 3}')),
    situation("resize_null", "short", look(0, 2, 3, None)),
    situation("resize_whole_number", "short", look(0, 2, 3, 1)),
    lost("resize_zero", look(0, 2, 3, 0)),
    lost("resize_negative", look(0, 2, 3, -0.5)),
    situation("resize_tiny", "short", look(0, 2, 3, 0.01)),
    situation("resize_one_side_below_a_patch", "short", look(0, 2, 3, 0.1)),
    situation("resize_halves", "odd_patches", look(0, 2, 3), look(0, 2, 2, 0.5)),
    situation("resize_enlarges", "short", look(0, 2, 3, 2.5)),
    lost("resize_as_text", look(0, 2, 3, "0.5")),
    lost("resize_boolean", look(0, 2, 3, True)),
    lost("resize_list", look(0, 2, 3, [0.5])),
)

BUDGETS = (
    situation("budget_just_kept", "hd", look(0, 12, 40, 0.5)),
    situation("budget_cube_root", "hd", look(0, 12, 50)),
    situation("budget_overshoots", "hd", look(0, 12, 100, 0.4)),
    situation("budget_short_side_capped", "full_hd", look(0, 10, 8)),
    situation("budget_capped_and_reduced", "full_hd", look(0, 10, 20, 0.9)),
    situation("budget_one_huge_frame", "ultra_hd", look(1, 2, 1)),
    situation("budget_two_huge_frames", "ultra_hd", look(0, 4, 2)),
    situation("budget_enlargement_capped", "ntsc", look(0, 5, 40, 3.0)),
    situation("budget_every_call_has_its_own", "ntsc", looks((0, 2, 40, 0.9), (2, 5, 40, 0.9))),
    situation("budget_smaller", "ntsc", look(0, 5, 16, 0.5), look_budget=500),
    situation("budget_of_one_token", "short", look(0, 2, 4), look_budget=1),
    situation("budget_larger", "ntsc", look(0, 5, 45), look_budget=32_000),
    situation("budget_float_nframes_becomes_whole", "ntsc", look(0, 5, 60.0)),
    lost("budget_nframes_as_digits", look(0, 5, "60"), "ntsc"),
    situation("budget_boolean_resize", "ntsc", look(0, 5, 60, True)),
    situation("budget_resize_null", "ntsc", look(0, 5, 50, None)),
    lost("budget_resize_beyond_numbers", look(0, 5, 3, 1e308)),
    situation("budget_portrait", "portrait", look(0, 3, 60)),
    situation("budget_tiny_frames_undercounted", "ntsc", look(0, 5, 200, 0.05)),
)

LOOKING = (*RANGES, *ARGUMENTS, *BUDGETS)
