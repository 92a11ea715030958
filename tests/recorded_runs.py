"""Recorded runs of every kind that an export meets, played through the real graph on tiny clips."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from episodes import TWO_LOOKS, answer, call, in_parts, look, span
from langgraph.checkpoint.memory import InMemorySaver
from scripted_model import make_it_write

from eva_graph import Context, VideoAgent, build_graph
from eva_graph.policy.in_process import TransformersPolicy
from eva_graph.policy.processor import load_processor
from eva_graph.policy.protocol import Completion, NativeCall
from eva_graph.testing import Line, ScriptedPolicy, make_clip
from eva_graph.trajectory import RunStore, Trajectory

CLIPS = 3
COLOUR = "Which colour is shown at 3 seconds?"
OPTIONS = {"A": "red", "B": "yellow"}
THREAD: Any = {"configurable": {"thread_id": "1"}}
SELECT = NativeCall(
    id="c1", name="frame_select", arguments='{"start_time": 0, "end_time": 4, "nframes": 2}'
)
MENDED = ["<tool_call>{", look(span(3, 3, 1)), answer("yellow")]
GUESS = [answer("red", reflection="")]


def make_clips(folder: Path) -> list[Path]:
    """Videos that differ in content."""
    return [
        make_clip(folder / f"clip{n}.mp4", seconds=5 + n, size=(112, 84), fps=2)
        for n in range(CLIPS)
    ]


def amend(run: Path, change: Callable[[Trajectory], dict[str, Any]]) -> None:
    """Write into every record what a grader or a person adds to it."""
    store = RunStore(run)
    store.amend([record.model_copy(update=change(record)) for record in store.records()])


def scripted_run(clips: Sequence[Path], run: Path) -> Path:
    """Three answers on every clip, one of them wrong and blind; then one of each odd kind."""
    for clip in clips:
        for script in (TWO_LOOKS, MENDED, GUESS):
            VideoAgent(ScriptedPolicy(script)).run(clip, COLOUR, record=run)
    unanswered(clips[0], run)
    amend(run, lambda record: {"expected": "yellow", "desirable": record.answer == "yellow"})
    return run


def unanswered(clip: Path, run: Path) -> None:
    """An episode whose policy looks where it has to answer."""
    script = [look(span(0, 2, 1)), look(span(2, 4, 1))]
    VideoAgent(ScriptedPolicy(script)).run(clip, COLOUR, record=run, context=Context(max_turns=2))


def edited_run(clip: Path, run: Path) -> Path:
    """An episode whose first call a person changed."""
    policy = ScriptedPolicy([look(span(0, 4, 2)), look(span(1, 2, 2)), answer("yellow")])
    builder = build_graph(policy, context=Context(record=str(run))).builder
    graph = builder.compile(checkpointer=InMemorySaver(), interrupt_before=["action"])
    graph.invoke({"video": str(clip), "question": COLOUR}, THREAD)
    edit = {"tool": "frame_select", "arguments": span(3, 3, 1)}
    graph.update_state(THREAD, {"calls": [edit]})
    graph.invoke(None, THREAD)
    graph.invoke(None, THREAD)
    amend(run, lambda record: {"expected": "yellow", "desirable": True})
    return run


def phase_run(clip: Path, run: Path) -> Path:
    """An episode whose parts were written by calls of their own."""
    policy = ScriptedPolicy(in_parts(TWO_LOOKS), continuation=True)
    VideoAgent(policy).run(clip, COLOUR, record=run, context=Context(calls="phase"))
    amend(run, lambda record: {"expected": "yellow", "desirable": True})
    return run


def native_run(clip: Path, run: Path) -> Path:
    """An episode with native tool calls."""
    script: Sequence[Line] = [
        Completion(text="I look.", tool_calls=(SELECT,), finish_reason="tool_calls"),
        answer("yellow"),
    ]
    VideoAgent(ScriptedPolicy(script), dialect="native").run(clip, COLOUR, record=run)
    return run


def token_run(clips: Sequence[Path], run: Path, folder: Path) -> Path:
    """Episodes of a model in this process, two on every clip: one that looks twice, one blind."""
    policy = TransformersPolicy(folder)
    tokenizer = load_processor(folder).tokenizer
    twice = [
        f"Summary: nothing.\n{call(span(0, 4, 2), span(3, 3, 1))}",
        f"Reflection: ünïcode.\n{call(span(3, 3, 1))}",
        "Reflection: enough.\n<answer>B</answer>",
    ]
    for clip in clips:
        for script in (twice, ["<answer>A</answer>"]):
            make_it_write(policy, tokenizer, script)
            VideoAgent(policy).run(clip, COLOUR, options=OPTIONS, record=run)
    amend(
        run,
        lambda record: {
            "expected": "B",
            "desirable": record.answer == "B",
            "reward": float(record.answer == "B"),
        },
    )
    return run
