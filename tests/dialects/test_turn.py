"""Parts of a message and plans: what is marked is split, what is not is never guessed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eva_graph.dialects import EvaDialect, Look, Plan, TurnParts
from eva_graph.dialects.turn import parse_plan, split_parts, write_call, write_plan

CALL = '<tool_call>{"tool": "seek", "arguments": {"time": 3}}</tool_call>'
SEEK = Look(tool="seek", arguments={"time": 3}, estimated_visual_tokens=16, reason="the tie")
SCAN = Look(
    tool="frame_select",
    arguments={"start_time": 0, "end_time": "02:23", "nframes": 12, "resize": 0.25},
    estimated_visual_tokens=48,
)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (
            f"Reflection: Not yet.\nSummary: A red car.\nIt turns.\nPlan:\n1. x\nChoice: 1\n{CALL}",
            TurnParts(
                reflection="Not yet.",
                summary="A red car.\nIt turns.",
                plan="1. x\nChoice: 1",
            ),
        ),
        ("Reflection: Enough.\n<answer>B</answer>", TurnParts(reflection="Enough.")),
        (f"I look there. {CALL}", TurnParts(unmarked="I look there.")),
        (f"Well.\nSummary: s {CALL} Plan: p", TurnParts(unmarked="Well.", summary="s")),
        ("Summary:\nPlan:", TurnParts()),
        ("Plan: a\nSummary: b\nPlan: c", TurnParts(plan="a\nc", summary="b")),
        ("The Summary: x\n summary: y", TurnParts(unmarked="The Summary: x\n summary: y")),
        ("<answer>B</answer>\nSummary: x", TurnParts()),
        ("", TurnParts()),
    ],
)
def test_parts(text: str, parts: TurnParts) -> None:
    assert split_parts(text) == parts
    assert EvaDialect().parts(text) == parts


def test_the_plan_that_we_write() -> None:
    text = write_plan((SCAN, SEEK), (1, 0))
    assert text == (
        '1. {"tool": "frame_select", "arguments": {"start_time": 0, "end_time": "02:23", '
        '"nframes": 12, "resize": 0.25}} = 48 visual tokens\n'
        '2. {"tool": "seek", "arguments": {"time": 3}} = 16 visual tokens; the tie\n'
        "Choice: 2, 1"
    )
    assert parse_plan(text) == Plan(text=text, candidates=(SCAN, SEEK), chosen=(1, 0))


@pytest.mark.parametrize(
    ("text", "candidates", "chosen"),
    [
        (f" 7)  {write_call('seek', {'time': 3})}  =  16 visual tokens;the tie", (SEEK,), ()),
        (write_plan((SEEK,), (0,)).replace("Choice", "choice"), (SEEK,), ()),
        (write_plan((SEEK,), (0,)).replace("Choice: 1", "Choice: 0, 2, 1,3"), (SEEK,), (0,)),
        (write_plan((SEEK,), (0,)).replace("Choice: 1", "Choice: " + "9" * 5000), (SEEK,), ()),
        (f"I think.\n{write_plan((SEEK,), (0,))}\nGood.", (SEEK,), (0,)),
    ],
)
def test_plans_that_others_write(
    text: str, candidates: tuple[Look, ...], chosen: tuple[int, ...]
) -> None:
    assert parse_plan(text) == Plan(text=text, candidates=candidates, chosen=chosen)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "First I scan, then I look closely.\nChoice: 1",
        '1. {"tool": "seek", "arguments": {"time": 3}}',
        '1. {"tool": "seek", "arguments": {"time": 3}} = many visual tokens',
        f'1. {{"tool": "seek", "arguments": {{"time": 3}}}} = {"9" * 13} visual tokens',
        '1. {"tool": "seek", "arguments": [3]} = 16 visual tokens',
        '1. {"tool": 3, "arguments": {}} = 16 visual tokens',
        '1. {"name": "seek", "arguments": {}} = 16 visual tokens',
        '1. {"tool": "seek", "arguments": {"time": NaN}} = 16 visual tokens',
        '1. {"tool": "seek", "arguments": {"time": "\\ud800"}} = 16 visual tokens',
        f'1. {{"tool": "seek", "arguments": {{"time": {10**20}}}}} = 16 visual tokens',
        "1. " + '{"a":' * 3000 + " = 16 visual tokens",
        write_plan((SEEK, SCAN), (0,)).replace("2. {", "2. {{"),
    ],
)
def test_a_plan_that_cannot_be_parsed_is_kept_whole(text: str) -> None:
    assert parse_plan(text) == Plan(text=text)


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc"), inner, max_size=3),
    max_leaves=6,
)
REASONS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\r")).map(
    str.strip
)
LOOKS = st.builds(
    Look,
    tool=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    arguments=st.dictionaries(st.text("abcdef_"), JSON_VALUES, max_size=4),
    estimated_visual_tokens=st.integers(0, 10**12 - 1),
    reason=REASONS,
)


@given(st.lists(LOOKS, min_size=1, max_size=4), st.data())
def test_what_is_written_is_read_back(looks: list[Look], data: st.DataObject) -> None:
    chosen = data.draw(st.lists(st.integers(0, len(looks) - 1), max_size=4))
    text = write_plan(tuple(looks), tuple(chosen))
    assert parse_plan(text) == Plan(text=text, candidates=tuple(looks), chosen=tuple(chosen))
