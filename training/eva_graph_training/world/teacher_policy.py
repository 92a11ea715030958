"""The teacher as a `Policy`, so that it plays through the real graph and the real tools.

It reads the transcript as any policy does. Of the worlds it asks only what is visible at the true
times of frames that it was shown.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise

from langchain_core.messages import AnyMessage, HumanMessage, ToolMessage

from eva_graph.blocks import blocks_of, frame_of, text_of
from eva_graph.errors import PolicyError
from eva_graph.policy.protocol import Completion, PolicyInfo, PolicyRequest
from eva_graph_training.world.schedule import World
from eva_graph_training.world.teacher import Sighting, Task, next_turn

_LABEL = re.compile(r"Frame \d+ at \[([\d:.]+)\]: $")
_OPENING = re.compile(
    r"Video Length: (\d+) seconds\. Original video resolution: \d+p\. (.+)", re.DOTALL
)


class TeacherPolicy:
    """Plays the teacher on videos of known worlds.

    Args:
        worlds: the schedule behind each video, by its `video_id`.
    """

    def __init__(self, worlds: Mapping[str, World]) -> None:
        self.info = PolicyInfo(name="world-teacher", backend="scripted")
        self._worlds = worlds

    def generate(self, request: PolicyRequest) -> Completion:
        """The teacher's next turn.

        Raises:
            PolicyError: the question is not one of the world's, or the teacher found no event.
        """
        messages = request.messages
        opening = next(message for message in messages if isinstance(message, HumanMessage))
        looks = [self._seen(message) for message in messages if isinstance(message, ToolMessage)]
        try:
            return Completion(text=next_turn(read_task(text_of(opening)), looks))
        except ValueError as error:
            raise PolicyError(f"the teacher cannot go on: {error}") from error

    async def agenerate(self, request: PolicyRequest) -> Completion:
        """Like `generate`; there is nothing to wait for."""
        return self.generate(request)

    def _seen(self, message: AnyMessage) -> Sequence[Sighting]:
        sightings: list[Sighting] = []
        for before, block in pairwise(blocks_of(message)):
            frame = frame_of(block)
            label = _LABEL.search(before.get("text", ""))
            if frame is None or label is None:
                continue
            moment = self._worlds[frame.video_id].moment_at(frame.pts_seconds)
            sightings.append(
                Sighting(label=label.group(1), width_pixels=frame.width, moment=moment)
            )
        return sightings


def read_task(opening: str) -> Task:
    """Question and length as the eva dialect's first message gives them.

    Raises:
        ValueError: the text has another form.
    """
    found = _OPENING.fullmatch(opening)
    if found is None:
        raise ValueError(f"not an opening of the eva dialect: {opening!r}")
    return Task(question=found.group(2), length_seconds=int(found.group(1)))
