"""Options that stand in the text of a question: found, taken out, and written the way a set does.

The released harness asks every benchmark's question with its options in the text, in a form of
that benchmark (`FORMS`). The corrected profile takes them out again, so that the dialect writes
them and its own instruction; the reference profile writes them where a file has them apart.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_OPTION = re.compile(r"\s*(?:\(([A-Z])\)|([A-Z])[.):])(?:\s+(.*)|)", re.DOTALL)
_HEADINGS: Final = ("options:", "choices:")


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptForm:
    """How the released harness's annotations write a question.

    Attributes:
        before: what stands before the question.
        option: of each option, with `letter` and `text`.
        heading: the line above the options.
        after: the last line, an instruction.
        line_break: what separates the lines.
    """

    before: str = ""
    option: str = "{letter}. {text}"
    heading: str = ""
    after: str = ""
    line_break: str = "\n"

    def write(self, question: str, options: Mapping[str, str]) -> str:
        """The question with its options."""
        lines = [self.before + question]
        if options:
            lines += [self.heading] * bool(self.heading)
            lines += [self.option.format(letter=key, text=options[key]) for key in options]
        return self.line_break.join(lines + [self.after] * bool(self.after))


FORMS: Final[dict[str, PromptForm]] = {
    "videomme": PromptForm(),
    "longvideobench": PromptForm(
        after="Answer with the option's letter from the given choices directly."
    ),
    "mlvu": PromptForm(
        before=(
            "Carefully watch this video and pay attention to every detail. Based on your "
            "observations, select the best option that accurately addresses the question."
            "Question: "
        ),
        option="({letter}) {text}",
        heading="Options:",
        after="Only give the best option.",
    ),
    "lsdbench": PromptForm(option="{letter}: {text}", line_break="\\n"),
    "videoholmes": PromptForm(),
    "lvbench": PromptForm(option="({letter}) {text}", line_break="\\n"),
}
"""By benchmark; source: data/*.jsonl of the released harness at 758ad8d."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """A question apart from its options.

    Attributes:
        question: without options, heading and instruction.
        options: texts by letter; empty where fewer than two follow each other from A.
        instructed: an instruction of the set was left out.
    """

    question: str
    options: dict[str, str]
    instructed: bool


def split_options(text: str) -> Split:
    """Take the options out of a question's text.

    The longest run of lines that begin with A, B, C, … counts, the last of several. Other lines
    within the run belong to the option above them.
    """
    body, instructed = _without_instructions(text)
    lines = body.split("\n")
    run = _longest_run(lines)
    if len(run) < 2:
        return Split(question=body.strip(), options={}, instructed=instructed)
    options = {}
    for place, (line, letter) in enumerate(run):
        end = run[place + 1][0] if place + 1 < len(run) else len(lines)
        match = _OPTION.fullmatch(lines[line])
        first = (match.group(3) or "") if match else ""
        options[letter] = "\n".join([first, *lines[line + 1 : end]]).strip()
    stem = lines[: run[0][0]]
    while stem and stem[-1].strip().casefold() in ("", *_HEADINGS):
        stem.pop()
    return Split(question="\n".join(stem).strip(), options=options, instructed=instructed)


def _without_instructions(text: str) -> tuple[str, bool]:
    body = text.strip()
    for form in FORMS.values():
        body = body.removeprefix(form.before).strip() if form.before else body
        body = body.removesuffix(form.after).strip() if form.after else body
    return body, body != text.strip()


def _longest_run(lines: list[str]) -> list[tuple[int, str]]:
    """(line, letter) of the longest run from A on; lines between are passed over."""
    best: list[tuple[int, str]] = []
    run: list[tuple[int, str]] = []
    for number, line in enumerate(lines):
        match = _OPTION.fullmatch(line)
        if match is None:
            continue
        letter = match.group(1) or match.group(2)
        if letter == "A":
            run = []
        if letter == chr(ord("A") + len(run)):
            run = [*run, (number, letter)]
            best = run if len(run) >= len(best) else best
    return best
