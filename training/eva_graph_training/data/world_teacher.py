"""The synthetic world's teacher for data builds: it plays, sums up, and writes questions.

It is `--policy world`: no server, no model, and everything it says follows from what the frames in
its request show. Videos are those of `eva-graph data world`, whose schedules their names tell.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Final

from langchain_core.messages import AnyMessage

from eva_graph.blocks import blocks_of, frame_of, text_of
from eva_graph.policy.protocol import Completion, PolicyInfo, PolicyRequest
from eva_graph.videos import OpenVideos
from eva_graph_tools import ToolError, Video
from eva_graph_training.data.blind import BLIND_SYSTEM
from eva_graph_training.data.experience import SUMMARY_SYSTEM
from eva_graph_training.data.writing import WRITE_SYSTEM
from eva_graph_training.world.questions import event_text, time_text
from eva_graph_training.world.render import WORLD_COMMENT
from eva_graph_training.world.schedule import World, make_world
from eva_graph_training.world.teacher_policy import TeacherPolicy

WORLD: Final = "world"
"""The name that `--policy` takes for it."""
_FILE = re.compile(r"world-(\d+)-(\d+)s\.mp4")
_LABEL = re.compile(r"Frame \d+ at \[(\d\d:\d\d)(?:\.\d+)?\]: $")
_WANTED = re.compile(r"Write (\d+) questions")
_SUMMARY = "A coarse scan found the moment; one closer look at it showed the sign."


class WorldTeacher:
    """Plays, sums up and writes; blind, it has nothing to say.

    Args:
        worlds: the schedule behind each video, by its `video_id`.
    """

    def __init__(self, worlds: Mapping[str, World]) -> None:
        self._player = TeacherPolicy(worlds)
        self._worlds = worlds
        self.info: PolicyInfo = self._player.info

    def generate(self, request: PolicyRequest) -> Completion:
        """Whatever the system text asks for.

        Raises:
            PolicyError: an episode's question is not one of the world's, or its event was missed.
        """
        system = text_of(request.messages[0])
        if system == BLIND_SYSTEM:
            return Completion(text="It cannot be known without the video.")
        if system == SUMMARY_SYSTEM:
            return Completion(text=_SUMMARY)
        if system == WRITE_SYSTEM:
            return Completion(text=self._questions(request.messages))
        return self._player.generate(request)

    async def agenerate(self, request: PolicyRequest) -> Completion:
        """Like `generate`; there is nothing to wait for."""
        return self.generate(request)

    def _questions(self, messages: Sequence[AnyMessage]) -> str:
        """On borders that the frames show, then on times of frames, as many as are asked for."""
        request = messages[-1]
        count = int(_WANTED.findall(text_of(request))[-1])
        events: dict[str, str] = {}
        times: dict[str, str] = {}
        for before, block in pairwise(blocks_of(request)):
            frame, label = frame_of(block), _LABEL.search(before.get("text", ""))
            if frame is None or label is None:
                continue
            moment = self._worlds[frame.video_id].moment_at(frame.pts_seconds)
            if moment.border is not None:
                events[event_text(moment.border)] = moment.letter
            times[time_text(label.group(1))] = moment.letter
        found = list((events | times).items())[:count]
        return "\n".join(json.dumps({"question": text, "answer": is_}) for text, is_ in found)


def world_teacher(videos: Iterable[str], opened: OpenVideos) -> WorldTeacher:
    """The teacher for these files; those that are no world videos are unknown to it."""
    worlds = {}
    for path in videos:
        with suppress(ToolError), opened.use(path) as video:
            world = _world_of(Path(path), video)
            if world is not None:
                worlds[video.video_id] = world
    return WorldTeacher(worlds)


def _world_of(path: Path, video: Video) -> World | None:
    named = _FILE.fullmatch(path.name)
    if named is None or not video.info.comment.startswith(WORLD_COMMENT):
        return None
    seed, seconds = int(named.group(1)), int(named.group(2))
    if abs(video.info.duration_seconds - seconds) > 1 or seconds < 60:
        return None
    return make_world(seed, seconds)
