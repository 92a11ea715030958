"""Every code block of the README and the docs runs as it stands, in order, in one folder a page.

Blocks whose first line says `not run here` are exempt; the two set-up commands, marked with
`<!-- run: … -->`, are what `.ci/run` itself runs.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(
    r"(<!-- run: (\w+) -->\n)?```(python|bash)\n(.*?)^```$", re.DOTALL | re.MULTILINE
)


def blocks(page: Path) -> list[tuple[str, str]]:
    """Language and text of every block that has to run here."""
    return [
        (match.group(3), match.group(4))
        for match in BLOCK.finditer(page.read_text(encoding="utf-8"))
        if match.group(1) is None and not match.group(4).startswith("# not run here")
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_blocks_run(page: Path, tmp_path: Path) -> None:
    scripts = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{scripts}:{os.environ['PATH']}"}
    for language, text in blocks(page):
        program = [sys.executable, "-W", "error", "-c"] if language == "python" else ["bash", "-ec"]
        done = subprocess.run(
            [*program, text], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"


def test_ci_runs_the_two_commands() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    marked = {match.group(2) for match in BLOCK.finditer(text) if match.group(1)}
    assert marked == {"demo", "test"}
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert all(f"readme_command {name}" in script for name in marked)


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            assert "://" in target or (page.parent / target).exists(), f"{page.name}: {target}"
