"""Seeded policy outputs from plausible to absurd: valid turns, and everything that can go wrong.

Most are near the format, because that is where a parser's mistakes lie; a few are huge.
"""

from __future__ import annotations

import json
import random
from typing import Any

from eva_graph.policy.protocol import NativeCall

TAGS = ("<tool_call>", "</tool_call>", "<answer>", "</answer>", "<tool_response>", "<|im_end|>")
NOISE = (
    *TAGS, "{", "}", "[", "]", '"', "\\", ":", ",", "\n", "\t", " ", "\0", "\ud800", "\udfff", "é",
    "\u2028", "🎬", "\\u0000", "\\ud800", "NaN", "-Infinity", "null", "1e999", "9" * 25, "0x1", "'",
    "Plan:", "Choice: ", "Summary:", "Reflection:", "Answer: ", "1. {", "\r\n", "\x1b[0m", "\ufeff",
)  # fmt: skip
NUMBERS: tuple[Any, ...] = (
    0, 1, 2, 8, 30, 59.9, 60, 61, 143, -1, -0.5, 0.0, 1e-9, -1e-9, 1e15, 1e300, -1e300, 2**53,
    10**30, 5e-324, 12.3456, True, False,
)  # fmt: skip
ODD: tuple[Any, ...] = (
    None, "", "00:03", "01:30.5", "1:2:3", "-1:00", "abc", "nan", "inf", "9" * 400, "٣", "\ud800",
    [], [1], {}, {"a": [1, {"b": None}]}, "x" * 300, float("nan"), float("inf"), -float("inf"),
    10**400,
)  # fmt: skip
PROSE = (
    "The frame at [00:03] shows a red card.", "Nothing is known yet.", "I will answer a question.",
    "The answer is B", "**Answer:** B", "Is it enough? No.", "Größe: 720p – 25 %", "映画の始まり",
    "", "Answer: B. the red one", "}} {{ %s {0} \\1", "- [x] 1) 2.",
)  # fmt: skip
DEEP = 3000
REPEATS = 2000


class TurnGenerator:
    """Policy outputs; the same seed gives the same sequence."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def turn(self) -> str:
        """One assistant text."""
        text = self._written()
        chance = self.random.random
        if chance() < 0.25:
            text = self._noisy(text)
        if chance() < 0.08:
            text = text[: self.random.randrange(len(text) + 1)]
        if chance() < 0.02:
            text = self._bytes_flipped(text)
        if chance() < 0.0005:
            start = self.random.randrange(len(text) + 1)
            text += text[start : start + 40] * REPEATS
        if chance() < 0.0005:
            text += self.random.choice(("[", '{"a":', "<tool_call>", "<answer> ", "( * ")) * DEEP
        return text

    def native_calls(self) -> list[NativeCall]:
        """Calls as a server might have parsed them."""
        return [
            NativeCall(
                id=self.random.choice(("", "a", "b", "call_0", "\ud800", "x" * 50)),
                name=self._tool(),
                arguments=self._json(self._arguments())
                if self.random.random() < 0.7
                else self._noisy(self._json(self._arguments())),
            )
            for _ in range(self.random.choice((0, 1, 1, 1, 2, 3)))
        ]

    def _written(self) -> str:
        pick = self.random.choice
        parts = [
            heading + (self._plan() if heading == "Plan:\n" else pick(PROSE))
            for heading in ("Reflection: ", "Summary: ", "Plan:\n")
            if self.random.random() < 0.6
        ]
        if self.random.random() < 0.8:
            parts += [self._block() for _ in range(pick((1, 1, 1, 1, 2)))]
        if self.random.random() < 0.2:
            parts.insert(
                self.random.randrange(len(parts) + 1),
                pick(("<answer>B</answer>", "<answer></answer>", "<answer>B", "B</answer>")),
            )
        return pick(("\n", "\n", " ", "")).join(parts)

    def _plan(self) -> str:
        lines = [
            f"{number}. {self._object()} = {self.random.choice((48, -1, 1e9, '9' * 20))} visual "
            f"tokens; {self.random.choice(PROSE)}"
            for number in range(1, self.random.choice((1, 2, 3)) + 1)
        ]
        return "\n".join([*lines, f"Choice: {self.random.choice(('1', '2, 1', '0', '9' * 5000))}"])

    def _block(self) -> str:
        pick = self.random.choice
        objects = [self._object() for _ in range(pick((0, 1, 1, 1, 1, 2, 3)))]
        inner = pick(("\n", " ", "", ", ")).join(objects)
        inner = f"[{inner}]" if self.random.random() < 0.1 else inner
        return f"<tool_call>{inner}{pick(('</tool_call>',) * 6 + ('', '</tool_call'))}"

    def _object(self) -> str:
        arguments: Any = self._arguments()
        if self.random.random() < 0.05:
            arguments = self._json(arguments)
        tool, key = "tool", "arguments"
        if self.random.random() < 0.1:
            tool, key = self.random.choice(
                (("name", "arguments"), ("tool", "parameters"), ("", ""))
            )
        pairs = [(tool, self._tool()), (key, arguments)]
        if self.random.random() < 0.1:
            pairs.reverse()
        return self._json(dict(pairs))

    def _arguments(self) -> dict[str, Any]:
        if self.random.random() < 0.6:
            start = self.random.choice((0, 3, "00:03", 6.5, 20))
            arguments: dict[str, Any] = {"start_time": start, "end_time": 8, "nframes": 4}
            return {**arguments, "resize": self.random.choice((0.1, 0.25, 1.0, 2))}
        names = ("start_time", "end_time", "nframes", "resize", "time", "box", "query", "é\n", "")
        count = self.random.randrange(6)
        return {self.random.choice(names): self._value() for _ in range(count)}

    def _value(self) -> Any:
        return self.random.choice(NUMBERS if self.random.random() < 0.8 else ODD)

    def _tool(self) -> str:
        return self.random.choice(
            ("frame_select",) * 20 + ("seek", "watch", "", "x\n" * 80, "\ud800")
        )

    def _json(self, value: Any) -> str:
        return json.dumps(value, ensure_ascii=self.random.random() < 0.5)

    def _noisy(self, text: str) -> str:
        for _ in range(self.random.choice((1, 1, 2, 5))):
            at = self.random.randrange(len(text) + 1)
            cut = at + self.random.choice((0, 0, 1, 3, 20))
            text = text[:at] + self.random.choice(NOISE) + text[cut:]
        return text

    def _bytes_flipped(self, text: str) -> str:
        data = bytearray(text.encode("utf-8", "replace"))
        for _ in range(min(len(data), 4)):
            data[self.random.randrange(len(data))] = self.random.randrange(256)
        return data.decode("utf-8", self.random.choice(("replace", "surrogateescape")))
