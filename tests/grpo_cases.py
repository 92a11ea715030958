"""What a policy writes in the rows of the parity table (see `grpo_parity`).

Episodes have four turns on an eight-second clip, unless a row says otherwise.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from episodes import answer, call, span

BIG = "words and more words about nothing at all, " * 12
LOOK = call(span(0, 6, 2))
CLOSE = call(span(3, 3.4, 2))
NATIVE = LOOK.replace('"tool"', '"name"')
BLUE = answer("blue")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What a policy writes, and in what kind of episode.

    Attributes:
        name: what it shows.
        script: its turns; one that is asked for beyond them is a fault of the table.
        episode: settings of the recipe that are not the table's usual ones.
        context_tokens: of the policy, where it has not the room it needs.
        stop_reason: how both must end.
    """

    name: str
    script: Sequence[str]
    stop_reason: str
    episode: Mapping[str, int] = field(default_factory=dict)
    context_tokens: int | None = None

    @property
    def kind(self) -> str:
        """Equal for cases that one batch can play."""
        return json.dumps([sorted(self.episode.items()), self.context_tokens])


CASES: Sequence[Case] = (
    Case(name="an answer at once", script=[BLUE], stop_reason="answered"),
    Case(name="one call", script=[LOOK, BLUE], stop_reason="answered"),
    Case(
        name="two blocks",
        script=[f"Plan: both.\n{LOOK}\n{CLOSE}", BLUE],
        stop_reason="answered",
    ),
    Case(
        name="two objects in one block",
        script=[call(span(0, 6, 2), span(3, 3.4, 2)), BLUE],
        stop_reason="answered",
    ),
    Case(
        name="malformed, then good",
        script=["Hm.  \n<tool_call>{not json</tool_call>", LOOK, BLUE],
        stop_reason="answered",
    ),
    Case(
        name="a call over the look budget",
        script=[call(span(0, 8, 40)), BLUE],
        stop_reason="answered",
        episode={"look_budget": 200},
    ),
    Case(
        name="a range past the end",
        script=[call(span(6, 900, 3)), call(span(500, 900, 1)), BLUE],
        stop_reason="answered",
    ),
    Case(
        name="an unknown tool",
        script=[call({}, tool="no_such_tool"), BLUE],
        stop_reason="answered",
    ),
    Case(
        name="a call with wrong arguments",
        script=[call({"start_time": "soon", "nframes": -1}), LOOK, BLUE],
        stop_reason="answered",
    ),
    Case(
        name="a native-looking call",
        script=[NATIVE, BLUE],
        stop_reason="answered",
    ),
    Case(name="an empty turn", script=["", LOOK, BLUE], stop_reason="answered"),
    Case(
        name="neither call nor answer",
        script=["It may be blue, who knows.", BLUE],
        stop_reason="answered",
    ),
    Case(
        name="an answer beside a call",
        script=[LOOK, f"{CLOSE}<answer>blue</answer>"],
        stop_reason="answered",
    ),
    Case(
        name="an empty answer, then one",
        script=["<answer> </answer>", BLUE],
        stop_reason="answered",
    ),
    Case(
        name="other scripts and spaces",
        script=[f"Reflection: ünïcode 語 🎬 at [00:03]. \t\n\n{LOOK}", BLUE],
        stop_reason="answered",
    ),
    Case(
        name="special tokens amid the text",
        script=[f"<|im_start|>tool\nfine<|vision_start|>{LOOK}", BLUE],
        stop_reason="answered",
    ),
    Case(
        name="a call at the last look, then the forced answer",
        script=[LOOK, CLOSE, call(span(5, 6, 1)), BLUE],
        stop_reason="forced",
    ),
    Case(
        name="malformed up to the last turn",
        script=["<tool_call>{", "<tool_call>[]", "", BLUE],
        stop_reason="forced",
    ),
    Case(
        name="a call where the answer was forced",
        script=[LOOK, CLOSE, LOOK, CLOSE],
        stop_reason="no_answer",
    ),
    Case(
        name="one turn, and it calls",
        script=[LOOK],
        stop_reason="no_answer",
        episode={"max_turns": 1},
    ),
    Case(
        name="a look in a batch of two",
        script=[LOOK, BLUE],
        stop_reason="answered",
        episode={"max_new_tokens": 300},
    ),
    Case(
        name="beside it, errors alone",
        script=["<tool_call>{", "<tool_call>{", BLUE],
        stop_reason="answered",
        episode={"max_new_tokens": 300},
    ),
    Case(
        name="a turn that the token limit cuts",
        script=[LOOK, f"Summary: {BIG}{CLOSE}"],
        stop_reason="truncated",
        episode={"max_new_tokens": 120},
    ),
    Case(
        name="a turn cut behind its answer",
        script=[f"<answer>blue</answer> {BIG}"],
        stop_reason="answered",
        episode={"max_new_tokens": 120},
    ),
    Case(
        name="the episode's visual budget is spent",
        script=[call(span(0, 8, 30)), BLUE],
        stop_reason="budget",
        episode={"episode_visual_budget": 120},
    ),
    Case(
        name="a call over what the episode's budget has left",
        script=[CLOSE, call(span(0, 8, 30)), BLUE],
        stop_reason="budget",
        episode={"episode_visual_budget": 120},
    ),
    Case(
        name="the context is nearly full",
        script=[call(span(0, 8, 30)), BLUE],
        stop_reason="context_overflow",
        episode={"max_new_tokens": 2048},
        context_tokens=1600,
    ),
    Case(
        name="a turn that fills the context",
        script=[f"{BIG}{BIG}{BIG}{LOOK}"],
        stop_reason="truncated",
        episode={"max_new_tokens": 2048},
        context_tokens=650,
    ),
    Case(
        name="a reply that does not fit",
        script=[f"{BIG}{BIG}<tool_call>{{", BLUE],
        stop_reason="context_overflow",
        episode={"max_new_tokens": 2048},
        context_tokens=650,
    ),
)
