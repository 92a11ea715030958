"""Situations that the reference profile was not developed against: they check it afterwards."""

from __future__ import annotations

from openai_server import Fault, Reply
from parity.situations import ANSWER, Situation, block, call, look, looks, situation
from parity.watching import watched

HELD_OUT = (
    watched("slowing", 33, look(20, 30, 6)),
    watched("screencast", 39, look(1, 33, 10), look(31, 35, 8)),
    watched("late_variable", 33, look(3, 36, 8), look(10, 12, 5)),
    watched("av1_late", 2.4, look(2, 4.4, 6), look(3, 4, 3)),
    watched("hevc_ten_bit", 2.4),
    watched("tall_pixels", 2.4),
    watched("upside_down", 2.4),
    watched("sound_longer", 2.4, look(2, 9, 4)),
    watched("one_group", 2.4),
    watched("odd_patches", 2.4),
    situation("scan_then_closer", "half_hour", look(0, 1800, 60, 0.3), look(611.5, 640, 12)),
    situation("three_ranges_over_budget", "ntsc", looks((0, 2, 70), (4, 2, 3), (4, 9, 80, 2.0))),
    situation("turned_over_budget", "turned", look(0, 2.4, 300, 1.5), look_budget=2_000),
    situation(
        "answer_tag_in_a_call",
        "short",
        block(call('{"start_time": 0, "end_time": 2, "nframes": 2, "why": "<answer></answer>"}')),
    ),
    situation(
        "exponents_and_long_fractions",
        "minutes",
        look(1e2, 2.5e2, 4, 3e-1),
        look(33.333333333333336, 66.66666666666667, 7),
    ),
    Situation(
        name="capital_tags", script=(look(0, 2, 2).replace("tool_call", "TOOL_CALL"), ANSWER)
    ),
    Situation(
        name="stated_after_empty_block", script=("<tool_call> </tool_call>\nanswer.\n\nB\n",)
    ),
    Situation(
        name="looks_until_cut",
        script=(look(0, 1, 2), Reply(text="I have seen that", finish_reason="length")),
    ),
    Situation(name="busy_then_failing_call", script=(Fault.BUSY_429, look(0, 2, "3.5"), ANSWER)),
    Situation(name="string_after_good_look", script=(look(0, 2, 2), look(0, "2", 2), ANSWER)),
)
