"""`eva-graph`: the command line. `python -m eva_graph.cli` is the same.

Output for machines (`--json`) is on stdout and nothing else there; news and errors go to stderr.
What a user can cause ends in one line and exit code 1, a wrong command line in 2, Ctrl-C in 130.
Packages add commands through the entry point group `eva_graph.commands`; the training package
adds its own that way, so that the agent never imports it.
"""

from __future__ import annotations

import json
import os
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from eva_graph.commands.agent_options import (
    Calls,
    CallsName,
    EpisodeVisualBudget,
    Instructions,
    Json,
    LookBudget,
    MaxTurns,
    ModelName,
    PolicySpec,
    Profile,
    ProfileName,
    ToolNames,
)
from eva_graph.commands.app import page
from eva_graph.commands.compare import compare
from eva_graph.commands.evaluate import evaluate
from eva_graph.commands.exit_codes import ExitCode, exit_code_of
from eva_graph.commands.mcp import mcp
from eva_graph.commands.optional_value import RayOnItsOwn
from eva_graph.commands.runs import runs
from eva_graph.commands.serve import serve
from eva_graph.commands.stopping import if_stopped, stoppable
from eva_graph.commands.view import view
from eva_graph.errors import EvaGraphError, InvalidRequest

app = typer.Typer(
    name="eva-graph",
    help="Ask videos questions: an agent that plans before it perceives.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.command()
def ask(
    video: Annotated[Path, typer.Argument(help="Video file.")],
    question: Annotated[str, typer.Argument(help="What to find out, in plain words.")],
    policy: PolicySpec = None,
    model: ModelName = None,
    option: Annotated[
        list[str] | None, typer.Option(help="A choice, as A=text; give it once for each.")
    ] = None,
    subtitles: Annotated[
        Path | None, typer.Option(help="Subtitle file; those beside the video are found anyway.")
    ] = None,
    isolated: Annotated[
        bool, typer.Option(help="Read the file in a worker process: for one you do not trust.")
    ] = False,
    record: Annotated[Path | None, typer.Option(help="Run directory to record into.")] = None,
    expected: Annotated[
        str | None, typer.Option(help="The right answer, for the record; the policy never sees it.")
    ] = None,
    dialect: Annotated[str, typer.Option(help="eva, native, or auto: ask the server.")] = "eva",
    profile: Profile = ProfileName.CORRECTED,
    instructions: Instructions = False,
    tool: ToolNames = None,
    calls: Calls = CallsName.TURN,
    max_turns: MaxTurns = 6,
    look_budget: LookBudget = 12_000,
    episode_visual_budget: EpisodeVisualBudget = None,
    as_json: Json = False,
) -> None:
    """Ask a video a question and watch the agent look.

    eva-graph ask talk.mp4 "What colour is the tie at 12:30?" --policy http://localhost:8000/v1
    """
    if_stopped("ask again")
    from eva_graph.agent import VideoAgent
    from eva_graph.asking import report
    from eva_graph.known import Reference
    from eva_graph.state import Context
    from eva_graph.videos import OpenVideos

    agent = VideoAgent(
        policy,
        model=model,
        dialect=dialect,
        profile=profile.value,
        instructions=instructions,
        tools=tool,
        context=Context(
            max_turns=max_turns,
            look_budget=look_budget,
            episode_visual_budget=episode_visual_budget,
            calls=calls.value,
            record=None if record is None else str(record),
            reference=Reference(expected=expected),
        ),
        videos=OpenVideos(isolated=isolated),
    )
    result = report(
        agent, video, question, options=_options(option), subtitles=subtitles, as_json=as_json
    )
    if result.answer is None:
        raise typer.Exit(1)


@app.command()
def doctor(policy: PolicySpec = None, model: ModelName = None, as_json: Json = False) -> None:
    """Check what is installed and what works, and say what mends the rest.

    eva-graph doctor --policy http://localhost:8000/v1
    """
    from eva_graph.doctor import examine

    findings = []
    console = Console(highlight=False)
    colours = {"ok": "green", "missing": "yellow", "broken": "red"}
    for finding in examine(policy, model):
        findings.append(finding)
        if not as_json:
            mend = f"  → {finding.mend}" if finding.mend else ""
            status = f"[{colours[finding.status]}]{finding.status:8}[/]"
            console.print(status, end="")
            console.print(f"{finding.name}: {finding.detail}{mend}", markup=False)
    if as_json:
        print(json.dumps([finding.to_json() for finding in findings]))
    if any(finding.status == "broken" for finding in findings):
        raise typer.Exit(1)


app.command("app")(page)
app.command("eval", cls=RayOnItsOwn)(evaluate)
app.command("compare")(compare)
app.command("mcp")(mcp)
app.command("runs")(runs)
app.command("serve")(serve)
app.command("view")(view)


def add_entry_points() -> typer.Typer:
    """The app, with the commands that installed packages add to it. Call it once."""
    for entry in sorted(entry_points(group="eva_graph.commands"), key=lambda item: item.name):
        command = entry.load()
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=entry.name)
        else:
            app.command(entry.name)(command)
    return app


def main() -> None:
    """Entry point of `eva-graph`."""
    add_entry_points()
    with stoppable():
        try:
            app()
        except EvaGraphError as error:
            print(f"eva-graph: {error}", file=sys.stderr)
            sys.exit(exit_code_of(error))
        except BrokenPipeError:  # the reader of our output went away
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(ExitCode.FAILED)


def _options(given: list[str] | None) -> dict[str, str] | None:
    if not given:
        return None
    options: dict[str, str] = {}
    for item in given:
        letter, equals, text = item.partition("=")
        if not equals or not letter.strip() or not text.strip():
            raise InvalidRequest(f"--option must look like A=text, not {item!r}")
        options[letter.strip()] = text.strip()
    return options


if __name__ == "__main__":
    main()
