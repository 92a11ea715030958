"""The GRPO environment: TRL's tool loop plays the graph's episode.

Its single tool `turn` is the graph's own look executor (parse → budget → execute → render), so a
rollout in TRL's loop and an episode of the graph write the same text and show the same frames.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from langchain_core.messages import AnyMessage
from PIL import Image

from eva_graph.blocks import blocks_of, frame_of
from eva_graph.dialects import Calls, Dialect, EvaDialect, Malformed, Question
from eva_graph.errors import InvalidRequest
from eva_graph.graph import chosen_tools
from eva_graph.known import Reference
from eva_graph.limits import Limits
from eva_graph.look import LookExecutor, LookReply
from eva_graph.state import Context, Spent
from eva_graph.videos import OpenVideos
from eva_graph_tools import FrameStore, UnsupportedMedia, Video, VisualGrid, offered_tools
from eva_graph_training.rewards.attempt import Account


class VideoEnvironment:
    """One rollout at a time on one video. Public methods are TRL's: `reset` and the tool `turn`.

    TRL turns whatever a tool raises into text for the policy. Here that can only be a fault of the
    machine or a bug, since look errors are text already: it is kept as `failure`, for the trainer
    to raise.

    Args:
        store: where frames go; the policy sees the stored bytes decoded.
        videos: open videos, shared by all environments of a run.
        limits: the episode's budgets.
        dialect: how turns are written; `eva`.
        tools: names of the tools offered; None for the dialect's default.
        look_timeout_seconds: how long one call may take.
        artifacts: folder for files that tools make; None is the system's temporary folder.

    Raises:
        InvalidRequest: a tool of that name does not exist.
    """

    def __init__(
        self,
        *,
        store: FrameStore,
        videos: OpenVideos,
        limits: Limits,
        dialect: Dialect | None = None,
        tools: Sequence[str] | None = None,
        look_timeout_seconds: float = Context.look_timeout_seconds,
        artifacts: Path | None = None,
    ) -> None:
        self._store = store
        self._videos = videos
        self._limits = limits
        self._dialect = dialect or EvaDialect()
        self._tools = chosen_tools(tools, self._dialect)
        self._timeout_seconds = look_timeout_seconds
        self._artifacts = artifacts
        self.failure: Exception | None = None

    def reset(
        self,
        video: str,
        question: str,
        options: Mapping[str, str] | None = None,
        answer: str | None = None,
        time_reference: Sequence[tuple[float, float]] | None = None,
        question_id: str | None = None,
        video_id: str | None = None,
        subtitles: str | None = None,
        **_: Any,
    ) -> None:
        """Start a rollout on a dataset row; the prompt already holds the opening messages.

        What is known of the right answer goes into the account alone.
        """
        self._path, self._subtitles, self._video_id = video, subtitles, video_id
        self._question = Question(text=question, options=options or {})
        self._reference = Reference(
            expected=answer, question_id=question_id, time_reference=tuple(time_reference or ())
        )
        self._spent = Spent(turns=0, frames=0, visual_tokens=0, context_tokens=0)
        self._replies: dict[int, LookReply] = {}
        self.failure = None

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

    def turn(self, text: str, context_tokens: int) -> list[dict[str, Any]]:
        """Execute what the policy wrote and show what it asked for.

        Args:
            text: The raw text of the assistant turn.
            context_tokens: Tokens of the transcript, this turn included.
        """
        number = self._spent["turns"] + 1
        self._spent = {**self._spent, "turns": number, "context_tokens": context_tokens}
        try:
            with self._executor() as executor:
                reply = self._reply(executor, text, f"turn:{number}")
            return [
                part for message in reply.messages for part in pixel_parts(message, self._store)
            ]
        except Exception as error:
            self.failure = error
            raise

    def _reply(self, executor: LookExecutor, text: str, message_id: str) -> LookReply:
        outcome = executor.read(text, message_id=message_id)
        if not isinstance(outcome, Calls | Malformed):
            raise TypeError(f"{type(outcome).__name__} ends an episode: it is no turn to reply to")
        reply = executor.respond(outcome, spent=self._spent, message_id=message_id)
        self._spent = reply.spent
        self._replies[reply.spent["turns"]] = reply
        return reply

    @contextmanager
    def _executor(self) -> Iterator[LookExecutor]:
        with self._videos.use(self._path, self._subtitles) as video:
            self._require_same(video)
            yield LookExecutor(
                video=video,
                dialect=self._dialect,
                question=self._question,
                store=self._store,
                tools=offered_tools(self._tools, video.info),
                limits=self._limits,
                timeout_seconds=self._timeout_seconds,
                artifacts=self._artifacts,
            )

    def _require_same(self, video: Video) -> None:
        if self._video_id not in (None, video.video_id):
            raise UnsupportedMedia(
                f"{video.path.name} is not the video that its row was made for: put that one back"
            )


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
    with videos.use(video) as opened:
        return opening_of(
            opened,
            question,
            grid=grid,
            look_budget=look_budget,
            dialect=dialect or EvaDialect(),
            tools=tools,
        )


def opening_of(
    video: Video,
    question: Question,
    *,
    grid: VisualGrid,
    look_budget: int,
    dialect: Dialect,
    tools: Sequence[str] | None,
) -> list[dict[str, Any]]:
    """`opening_messages` of an open video.

    Raises:
        InvalidRequest: a tool of that name does not exist, or none can look at this video.
    """
    offered = offered_tools(chosen_tools(tools, dialect), video.info)
    if not offered:
        raise InvalidRequest(f"{video.path.name} cannot be looked at with {', '.join(tools or ())}")
    system = dialect.system_text(list(offered.values()), grid, look_budget)
    user = dialect.user_text(question, video.info)
    return [{"role": "system", "content": system}, {"role": "user", "content": user}]


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
