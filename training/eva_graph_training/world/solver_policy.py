"""The solver as a `Policy`, so that it plays through the real graph and the real tools.

It reads the transcript as any policy does. Of the plots it asks only what is visible at the true
times of frames that it was shown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

from langchain_core.messages import AnyMessage, HumanMessage, ToolMessage

from eva_graph.blocks import Block, blocks_of, frame_of, text_of
from eva_graph.errors import PolicyError
from eva_graph.policy.protocol import Completion, PolicyInfo, PolicyRequest
from eva_graph_tools import FrameRef
from eva_graph_training.world.plot import Plot
from eva_graph_training.world.solving import Seen, Sighting, Task, next_turn

TOOLS = ("frame_select", "zoom", "scene_detect", "transcript")
"""What the solver calls."""
Turns = Callable[[Task, Sequence[Seen]], str]
"""Writes the assistant message that follows some looks."""
Manner = Callable[[Task, int | None], Turns]
_LABEL = re.compile(r"Frame \d+ at \[([\d:.]+)\]: $")
_OPENING = re.compile(
    r"Video Length: (\d+) seconds\. Original video resolution: \d+p\. ([^\n]+)((?:\n.+)*)"
)
_OPTION = re.compile(r"^[A-Z]\. (.+)$", re.MULTILINE)


class SolverPolicy:
    """Answers questions on videos of known plots.

    Args:
        plots: the plot behind each video, by its `video_id`.
        manner: what writes an episode's turns, from its task and its seed.
    """

    def __init__(self, plots: Mapping[str, Plot], manner: Manner = lambda task, seed: next_turn):
        self.info = PolicyInfo(name="world-solver", backend="scripted")
        self._plots = plots
        self._manner = manner

    def generate(self, request: PolicyRequest) -> Completion:
        """The solver's next turn.

        Raises:
            PolicyError: the question is not one of the world's, or what it asks for was missed.
        """
        messages = request.messages
        opening = next(message for message in messages if isinstance(message, HumanMessage))
        looks = [self._seen(message) for message in messages if isinstance(message, ToolMessage)]
        try:
            task = read_task(text_of(opening))
            return Completion(text=self._manner(task, request.seed)(task, looks))
        except ValueError as error:
            raise PolicyError(f"the solver cannot go on: {error}") from error

    async def agenerate(self, request: PolicyRequest) -> Completion:
        """Like `generate`; there is nothing to wait for."""
        return self.generate(request)

    def _seen(self, message: AnyMessage) -> Seen:
        frames = [
            self._sighting(label.group(1), frame)
            for before, block in pairwise(blocks_of(message))
            if (frame := frame_of(block)) is not None and (label := _label_of(before)) is not None
        ]
        return Seen(frames=tuple(frames), text=text_of(message))

    def _sighting(self, label: str, frame: FrameRef) -> Sighting:
        plot = self._plots[frame.video_id]
        card = plot.card_at(frame.pts_seconds)
        return Sighting(
            label=label,
            width_pixels=frame.width,
            box=frame.box,
            letter=card.letter,
            code=card.code,
            small=card.small,
            border=plot.border_at(frame.pts_seconds),
        )


def read_task(opening: str) -> Task:
    """Question, options and length as the eva dialect's first message gives them.

    Raises:
        ValueError: the text has another form.
    """
    found = _OPENING.fullmatch(opening)
    if found is None:
        raise ValueError(f"not an opening of the eva dialect: {opening!r}")
    return Task(
        question=found.group(2),
        options=tuple(_OPTION.findall(found.group(3))),
        length_seconds=int(found.group(1)),
    )


def _label_of(block: Block) -> re.Match[str] | None:
    return _LABEL.search(block.get("text", ""))
