"""Every code block of the README and the docs runs as it stands, in order, in one folder a part.

Blocks whose first line says `# not run here` and why are not run. Of those too, our commands'
options and recipe settings are parsed by the real command line, imports are resolved, and modules,
scripts and options of `vllm serve` are looked up; their number is told at the end of the tests. The
two set-up commands, marked with `<!-- run: … -->`, are what `.ci/run` itself runs.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from document_blocks import PAGES, ROOT, Part, commands, parts

from eva_graph.cli import add_entry_points
from eva_graph.serving.command import ServeOptions, serve_command
from eva_graph.serving.model import ModelToServe
from eva_graph_training.recipe import load_recipe, recipe_names

PARTS = [part for page in PAGES for part in parts(page)]
OTHERS_VLLM_OPTIONS = {"--enable-scale-out", "--max-logprobs", "--weight-transfer-config"}
"""Options of `vllm serve` that the docs show and `eva-graph serve` never writes."""
NOT_INSTALLED = {"sglang"}
"""Packages whose modules the docs start and that no environment of ours has."""
Parse = Callable[[list[str]], dict[str, Any]]


@pytest.fixture(scope="module")
def parse() -> Parse:
    """Parses words after `eva-graph` as the command line does, without running anything."""
    whole = typer.main.get_command(add_entry_points())

    def parsed(words: list[str]) -> dict[str, Any]:
        command, name, rest = whole, "eva-graph", words
        context = None
        while hasattr(command, "resolve_command"):
            context = command.context_class(command, parent=context, info_name=name)
            name, command, rest = command.resolve_command(context, rest)
        parameters: dict[str, Any] = command.make_context(name, list(rest), parent=context).params
        return parameters

    return parsed


def vllm_options() -> set[str]:
    """What `eva-graph serve` may write, with everything switched on."""
    model = ModelToServe(source="m", served_name="m", model_type=None, weight_bytes=None)
    options = ServeOptions(
        tool_parser="hermes",
        chat_template="project",
        max_model_len=1,
        media=ROOT,
        data_parallel=2,
        training=True,
        cpu=True,
    )
    words = serve_command(model, options).arguments
    return {word for word in words if word.startswith("--")} | OTHERS_VLLM_OPTIONS


def check_command(words: list[str], parse: Parse) -> None:
    """Ours is parsed; of others' what can be known here is looked up."""
    if "eva_graph.cli" in words:
        words = ["eva-graph", *words[words.index("eva_graph.cli") + 1 :]]
    program, *rest = words
    if program == "eva-graph":
        given = parse(rest)
        if rest[0] == "train" and given.get("config") in recipe_names():
            load_recipe(given["config"], given["settings"] or ())
    elif program == "vllm":
        used = {word.partition("=")[0] for word in rest if word.startswith("--")}
        assert used <= vllm_options()
    elif program in {"python", "python3"} and rest[0] == "-m":
        if rest[1].partition(".")[0] not in NOT_INSTALLED:
            assert importlib.util.find_spec(rest[1]), rest[1]
    elif program in {"python", "python3"} and rest[0] == "-c":
        check_imports(rest[1])
    elif program in {"python", "python3"}:
        assert (ROOT / rest[0]).is_file(), rest[0]


def check_imports(source: str) -> None:
    """Every name that a program imports exists."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                importlib.import_module(alias.name)
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None
            module = importlib.import_module(node.module)
            for alias in node.names:
                if not hasattr(module, alias.name):
                    importlib.import_module(f"{node.module}.{alias.name}")


@pytest.mark.parametrize(
    "part",
    [
        pytest.param(part, marks=[pytest.mark.slow] * part.slow, id=part.name)
        for part in PARTS
        if any(block.runs_here for block in part.blocks)
    ],
)
def test_blocks_run(part: Part, tmp_path: Path) -> None:
    scripts = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{scripts}:{os.environ['PATH']}"}
    for block in part.blocks:
        if not block.runs_here:
            continue
        python = block.language == "python"
        program = [sys.executable, "-W", "error", "-c"] if python else ["bash", "-ec"]
        done = subprocess.run(
            [*program, block.text], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{block.text}\n{done.stdout}\n{done.stderr}"


def test_what_is_not_run_is_checked(
    parse: Parse, record_property: Callable[[str, object], None]
) -> None:
    left_out = [
        (part.name, block) for part in PARTS for block in part.blocks if not block.runs_here
    ]
    for name, block in left_out:
        first = block.text.splitlines()[0]
        assert block.setup or re.fullmatch(r"# not run here( as it stands)?: .{8,}", first), name
        if block.language == "python":
            check_imports(block.text)
            continue
        for words in commands(block.text):
            check_command(words, parse)
    whole = sum(len(part.blocks) for part in PARTS)
    record_property("told at the end", f"{len(left_out)} of {whole} blocks of the docs are not run")


@pytest.mark.parametrize(
    "words",
    [
        ["ask", "talk.mp4", "Who?", "--polisy", "http://localhost:8000/v1"],
        ["data", "sift", "questions.jsonl"],
        ["train", "sft"],
    ],
)
def test_a_wrong_command_would_be_found(words: list[str], parse: Parse) -> None:
    with pytest.raises(Exception, match=r"(?i)no such|missing"):
        check_command(["eva-graph", *words], parse)


def test_commands_are_read_as_the_shell_reads_them() -> None:
    script = "A=1 one --x 'a b' && two -- # no\nthree \\\n  $(pwd) | four <<END > file\nfive\nEND\n"
    assert list(commands(script)) == [
        ["one", "--x", "a b"],
        ["two", "--"],
        ["three", "$"],
        ["pwd"],
        ["four"],
    ]


@pytest.mark.vllm
def test_vllm_knows_the_options() -> None:
    help_command = [os.environ["EVA_GRAPH_VLLM"], "serve", "--help=all"]
    done = subprocess.run(help_command, capture_output=True, text=True, check=True)
    assert {name for name in vllm_options() if name not in done.stdout} == set()


def test_ci_runs_the_two_commands() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    marked = {block.setup for part in PARTS for block in part.blocks if block.setup}
    assert marked == {"demo", "test"}
    assert set(re.findall(r"<!-- run: (\w+) -->", text)) == marked
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert all(f"readme_command {name}" in script for name in marked)


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            assert "://" in target or (page.parent / target).exists(), f"{page.name}: {target}"
