"""The code blocks of the README and the docs, and the commands in them.

A page's blocks run in order in one folder. `<!-- fresh folder -->` begins a part with a folder of
its own, which may run at the same time as the others; `<!-- fresh folder, slow -->` also leaves it
to the slow tests. Blocks that begin with `# not run here` and say why are not run, but read.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_BLOCK = re.compile(
    r"(?:<!-- (?P<note>[^>]*) -->\n+)?^```(?P<language>python|bash)\n(?P<text>.*?)^```$"
    r"|^<!-- (?P<part>fresh folder(?:, slow)?) -->$",
    re.DOTALL | re.MULTILINE,
)
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=.*", re.DOTALL)
_HERE_DOCUMENT = re.compile(r"<<-?'?(\w+)'?(.*?)^\1$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A fenced block of Python or shell."""

    language: str
    text: str
    setup: str | None
    """The name of a set-up command, which `.ci/run` runs itself."""

    @property
    def runs_here(self) -> bool:
        """False where its first line says why not."""
        return self.setup is None and not self.text.startswith("# not run here")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Blocks of a page that share a folder."""

    page: Path
    number: int
    slow: bool
    blocks: tuple[Block, ...]

    @property
    def name(self) -> str:
        """For test reports."""
        return f"{self.page.name}-{self.number}" if self.number else self.page.name


def parts(page: Path) -> list[Part]:
    """The parts of a page in order; each has at least one block."""
    found: list[tuple[bool, list[Block]]] = [(False, [])]
    for match in _BLOCK.finditer(page.read_text(encoding="utf-8")):
        note = match["note"] or match["part"] or ""
        if note.startswith("fresh folder"):
            found.append((note.endswith("slow"), []))
        if match["language"] is not None:
            setup = note.removeprefix("run: ") if note.startswith("run: ") else None
            block = Block(language=match["language"], text=match["text"], setup=setup)
            found[-1][1].append(block)
    return [
        Part(page=page, number=number, slow=slow, blocks=tuple(blocks))
        for number, (slow, blocks) in enumerate(item for item in found if item[1])
    ]


def commands(script: str) -> Iterator[list[str]]:
    """The simple commands of a shell block, as words; substitutions are left as they stand."""
    text = _HERE_DOCUMENT.sub("", script).replace("\\\n", " ")
    for line in _lines(text):
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        lexer.wordchars += "…:@%+$[]{},^!"
        words: list[str] = []
        for word in [*lexer, ";"]:
            if set(word) <= set(";&|()<>"):
                if not word.startswith(("<", ">")):
                    yield from _without_assignments(words)
                    words = []
                continue
            words.append(word)


def _lines(text: str) -> Iterator[str]:
    """Lines; a quotation that goes on in the next line is one line."""
    held = ""
    for line in text.splitlines():
        held = f"{held}\n{line}" if held else line
        try:
            shlex.split(held, comments=True)
        except ValueError:
            continue
        yield held
        held = ""
    assert not held, f"a quotation without an end: {held}"


def _without_assignments(words: list[str]) -> Iterator[list[str]]:
    while words and _ASSIGNMENT.fullmatch(words[0]):
        words = words[1:]
    if words:
        yield words
