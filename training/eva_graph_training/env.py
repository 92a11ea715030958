"""The GRPO environment: TRL's tool loop plays the graph's episode.

Its single tool `turn` is the graph's own look executor (parse → budget → execute → render), so a
rollout in TRL's loop and an episode of the graph write the same text and show the same frames.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import AnyMessage
from PIL import Image

from eva_graph.blocks import blocks_of, frame_of
from eva_graph.dialects import Calls, Dialect, EvaDialect, Malformed, Question
from eva_graph.known import Reference
from eva_graph.limits import Limits
from eva_graph.look import LookExecutor, LookReply
from eva_graph.state import Spent
from eva_graph.videos import OpenVideos
from eva_graph_tools import TOOLS, FrameStore, Tool, VisualGrid, offered_tools
from eva_graph_training.rewards.attempt import Account


class VideoEnvironment:
    """One rollout at a time on one video. Public methods are TRL's: `reset` and the tool `turn`.

    Args:
        store: where frames go; the policy sees the stored bytes decoded.
        videos: open videos, shared by all environments of a run.
        limits: the episode's budgets.
        dialect: how turns are written; `eva`.
        tools: names of the tools offered; None for the dialect's default.
    """

    def __init__(
        self,
        *,
        store: FrameStore,
        videos: OpenVideos,
        limits: Limits,
        dialect: Dialect | None = None,
        tools: Sequence[str] | None = None,
    ) -> None:
        self._store = store
        self._videos = videos
        self._limits = limits
        self._dialect = dialect or EvaDialect()
        self._tools = _chosen(tools, self._dialect)

    def reset(
        self,
        video: str,
        question: str,
        options: Mapping[str, str] | None = None,
        answer: str | None = None,
        time_reference: Sequence[tuple[float, float]] | None = None,
        question_id: str | None = None,
        **_: Any,
    ) -> None:
        """Start a rollout on a dataset row; the prompt already holds the opening messages.

        What is known of the right answer goes into the account alone.
        """
        self._path = video
        self._question = Question(text=question, options=options or {})
        self._reference = Reference(
            expected=answer, question_id=question_id, time_reference=tuple(time_reference or ())
        )
        self._spent = Spent(turns=0, frames=0, visual_tokens=0, context_tokens=0)
        self._replies: dict[int, LookReply] = {}

    @property
    def account(self) -> Account:
        """What happened since `reset`, for rewards; a property, or TRL would offer it as a tool."""
        return Account(
            question=self._question,
            reference=self._reference,
            dialect=self._dialect,
            replies=dict(self._replies),
            load_frame=self._store.read,
        )

    def turn(self, text: str) -> list[dict[str, Any]]:
        """Execute what the policy wrote and show what it asked for.

        Args:
            text: The raw text of the assistant turn.
        """
        self._spent = {**self._spent, "turns": self._spent["turns"] + 1}
        message_id = f"turn:{self._spent['turns']}"
        with self._videos.use(self._path) as video:
            executor = LookExecutor(
                video=video,
                dialect=self._dialect,
                question=self._question,
                store=self._store,
                tools=offered_tools(self._tools, video.info),
                limits=self._limits,
            )
            outcome = executor.read(text, message_id=message_id)
            if not isinstance(outcome, Calls | Malformed):
                return []
            reply = executor.respond(outcome, spent=self._spent, message_id=message_id)
        self._spent = reply.spent
        self._replies[reply.spent["turns"]] = reply
        return [part for message in reply.messages for part in pixel_parts(message, self._store)]


def opening_messages(
    video: str,
    question: Question,
    *,
    videos: OpenVideos,
    grid: VisualGrid,
    look_budget: int = 12_000,
    dialect: Dialect | None = None,
    tools: Sequence[str] | None = None,
) -> list[dict[str, Any]]:
    """The prompt of a GRPO row: the graph's own system and user message."""
    chosen = dialect or EvaDialect()
    with videos.use(video) as opened:
        offered = offered_tools(_chosen(tools, chosen), opened.info)
        system = chosen.system_text(list(offered.values()), grid, look_budget)
        user = chosen.user_text(question, opened.info)
    return [{"role": "system", "content": system}, {"role": "user", "content": user}]


def _chosen(tools: Sequence[str] | None, dialect: Dialect) -> dict[str, Tool]:
    names = tools or dialect.default_tools or tuple(TOOLS)
    return {name: TOOLS[name] for name in names}


def pixel_parts(message: AnyMessage, store: FrameStore) -> list[dict[str, Any]]:
    """A message's parts with stored bytes decoded to PIL images, as processors take them."""
    parts: list[dict[str, Any]] = []
    for block in blocks_of(message):
        frame = frame_of(block)
        if frame is None:
            parts.append({"type": "text", "text": block["text"]})
        else:
            image = Image.open(io.BytesIO(store.read(frame))).convert("RGB")
            parts.append({"type": "image", "image": image})
    return parts
