"""How an episode begins: the messages before the first turn, and everything fixed for its record.

No frame is ever shown before the first plan. What a memory knows of the video, where one is used,
ends the user message; without a memory the messages are the dialect's alone.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from langchain_core.messages import AnyMessage, HumanMessage, SystemMessage

from eva_graph.episode import Episode
from eva_graph.known import Reference
from eva_graph.state import Context
from eva_graph.trajectory.messages import message_to_json
from eva_graph.trajectory.versions import installed_versions
from eva_graph_tools import Video

_LOG = logging.getLogger(__name__)


def opening_messages(episode: Episode, video: Video, recalled: str = "") -> list[AnyMessage]:
    """System and user message; `recalled` is what earlier episodes found out about the video."""
    dialect, tools = episode.wiring.dialect, list(episode.tools.values())
    system = dialect.system_text(tools, episode.policy.grid, episode.context.look_budget)
    user = dialect.user_text(episode.question, video.info)
    return [
        SystemMessage(content=system, id=episode.message_id(0, "system")),
        HumanMessage(
            content=f"{user}\n\n{recalled}" if recalled else user,
            id=episode.message_id(0, "user"),
        ),
    ]


def journal_start(
    episode: Episode,
    video: Video,
    opening: Sequence[AnyMessage],
    *,
    recalled: str = "",
    opening_looks: Sequence[dict[str, Any]] = (),
) -> None:
    """Write down everything that is fixed for the episode.

    `opening_looks`: looks that the opening shows, where it shows any (`CallRecord`s as JSON).
    """
    policy = episode.policy
    notice = _notice(episode, video)
    if notice is not None:
        _LOG.warning("%s", notice)
    episode.journal(
        0,
        "start",
        {
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "video": _video(episode, video),
            "question": episode.question.text,
            "options": dict(episode.question.options),
            **asdict(episode.context.reference or Reference()),
            "dialect": episode.wiring.dialect.name,
            "tools": list(episode.tools),
            "policy": {
                "name": policy.name,
                "backend": policy.backend,
                "patch_pixels": policy.grid.patch_pixels,
                "min_pixels": policy.grid.min_pixels,
                "max_pixels": policy.grid.max_pixels,
                "context_tokens": policy.context_tokens,
                "probe": policy.probe,
            },
            "context": context_to_json(episode.context),
            "versions": installed_versions(),
            "tool_schemas": episode.tool_schemas(),
            "notice": notice,
            "messages": [message_to_json(message) for message in opening],
            "recalled": recalled,
            "opening_looks": list(opening_looks),
        },
    )


def context_to_json(context: Context) -> dict[str, Any]:
    """The knobs as plain JSON; what is known of the answer has a place of its own."""
    names = [name for name in context.__dataclass_fields__ if name != "reference"]
    return {name: getattr(context, name) for name in names}


def _video(episode: Episode, video: Video) -> dict[str, Any]:
    info = video.info
    return {
        "video_id": video.video_id,
        "path": episode.video_path.encode("utf-8", "backslashreplace").decode("utf-8"),
        "duration_seconds": info.duration_seconds,
        "width": info.width,
        "height": info.height,
        "average_fps": info.average_fps,
        "start_offset_seconds": info.start_offset_seconds,
        "subtitles": episode.subtitle_file,
    }


def _notice(episode: Episode, video: Video) -> str | None:
    knows = episode.policy.knows
    return None if knows and video.info.comment.startswith(knows) else episode.policy.notice
