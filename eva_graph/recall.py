"""What an episode reads from the memory and leaves in it; nothing where it has none."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from eva_graph.dialects import CallResult
from eva_graph.episode import Episode
from eva_graph.notes import AnswerNote, SeenStretch, look_note
from eva_graph.result import chosen_option
from eva_graph.state import EvidenceDict
from eva_graph_tools import Video

_LOG = logging.getLogger(__name__)


def recalled(episode: Episode, video: Video) -> str:
    """What earlier episodes found out about the video, as the policy reads it.

    A policy that knows one kind of video only (`PolicyInfo.knows`) knows only the prompts of its
    training, and any other text derails it: it is told nothing, which is logged.
    """
    memory = episode.wiring.memory
    if memory is None:
        return ""
    notes = memory.told(video.video_id, store=episode.run.store)
    if notes and episode.policy.knows:
        _LOG.warning(
            "%s was not told what is remembered of %s: it reads only the prompts of its training",
            episode.policy.name,
            video.path.name,
        )
        return ""
    return notes


def keep_looks(episode: Episode, results: Sequence[CallResult]) -> None:
    """Remember what looks at scenes and subtitles gave."""
    memory = episode.wiring.memory
    if memory is None or episode.video_id is None:
        return
    for result in results:
        frames = [frame.to_json() for frame in result.frames]
        note = look_note(result.call["tool"], result.applied or {}, result.text, frames)
        if note is not None:
            memory.add(episode.video_id, note, store=episode.run.store)


def keep_answer(episode: Episode, answer: str | None, evidence: Sequence[EvidenceDict]) -> None:
    """Remember an answer that rests on frames; another would only repeat what was told."""
    memory = episode.wiring.memory
    if memory is None or episode.video_id is None or answer is None or not evidence:
        return
    options = episode.question.options
    letter = chosen_option(answer, options) if options else None
    note = AnswerNote(
        question=episode.question.text,
        answer=options[letter] if letter else answer,
        evidence=tuple(SeenStretch.model_validate(item) for item in evidence),
    )
    memory.add(episode.video_id, note, store=episode.run.store)
