"""`VideoMemory`: what is known of a video across questions, in a LangGraph `Store`.

    memory = VideoMemory(InMemoryStore())                    # or SqliteStore, PostgresStore, …
    agent = VideoAgent(policy, memory=memory)
    graph = build_graph(policy, memory=VideoMemory())        # the store of the parent's compile()

Notes lie under `("eva_graph", "videos", digest)`, where the digest is the video's content: a file
that is moved keeps them, a file that is changed has none. Before an episode they are read and end
the first message of the policy; after a look at scenes or subtitles, and after an answer that
rests on frames, they are written. Without a memory nothing is read, written or told.
"""

from __future__ import annotations

import hashlib
import json
import logging
import threading
from collections.abc import Sequence

from langgraph.store.base import BaseStore, Item
from pydantic import ValidationError

from eva_graph.errors import InvalidRequest
from eva_graph.notes import NOTES, AnswerNote, LookNote, look_note, told
from eva_graph_tools import TOOLS, Video, VisualGrid, offered_tools, prepare
from eva_graph_tools.tool import LookSettings

_LOG = logging.getLogger(__name__)
_PAGE = 100


class VideoMemory:
    """Notes of videos in a store. Safe for threads; use it with any number of agents.

    Args:
        store: where they lie; None for the store that the running graph was compiled with.
        namespace: what comes before the digest; put a user's name here to keep users apart.
        max_notes: how many are kept of one video; the oldest go first.
        max_characters: how much of them a policy is told.

    Raises:
        InvalidRequest: what is no store, a namespace that no store takes, or a number below 1.
    """

    def __init__(
        self,
        store: BaseStore | None = None,
        *,
        namespace: Sequence[str] = ("eva_graph", "videos"),
        max_notes: int = 64,
        max_characters: int = 4000,
    ) -> None:
        labels = tuple(namespace)
        if isinstance(namespace, str) or not all(
            isinstance(label, str) and label and "." not in label for label in labels
        ):
            raise InvalidRequest(
                f"namespace must be names without a dot, such as ('ada', 'videos'): {namespace!r}"
            )
        if not isinstance(store, BaseStore | None):
            raise InvalidRequest(f"store must be a LangGraph store, not {store!r:.80}")
        for name, value in (("max_notes", max_notes), ("max_characters", max_characters)):
            if value < 1:
                raise InvalidRequest(f"{name} must be at least 1, not {value!r}")
        self.store = store
        self._namespace = labels
        self._max_notes = max_notes
        self._max_characters = max_characters
        self._lock = threading.Lock()  # stores in memory are not safe for threads

    def notes(
        self, video_id: str, *, store: BaseStore | None = None
    ) -> list[LookNote | AnswerNote]:
        """What is known of a video, the newest first.

        Args:
            video_id: `Video.video_id`, or that of a trajectory's video.
            store: the running graph's, used where the memory has none of its own.

        Raises:
            InvalidRequest: there is no store.
        """
        with self._lock:
            items = self._items(self._store(store), video_id)
        return [note for note in map(_read, items) if note is not None]

    def told(self, video_id: str, *, store: BaseStore | None = None) -> str:
        """The notes as a policy reads them; empty where there are none."""
        return told(self.notes(video_id, store=store), self._max_characters)

    def add(
        self, video_id: str, note: LookNote | AnswerNote, *, store: BaseStore | None = None
    ) -> None:
        """Keep a note; one on the same question, or with the same lines, is replaced.

        Raises:
            InvalidRequest: there is no store.
        """
        kept = self._store(store)
        with self._lock:
            namespace = self._namespace_of(video_id)
            kept.put(namespace, _key(note), note.model_dump(mode="json"), index=False)
            for item in self._items(kept, video_id)[self._max_notes :]:
                kept.delete(namespace, item.key)

    def forget(self, video_id: str, *, store: BaseStore | None = None) -> None:
        """Drop everything known of a video. Raises `InvalidRequest` where there is no store."""
        kept = self._store(store)
        with self._lock:
            for item in self._items(kept, video_id):
                kept.delete(item.namespace, item.key)

    def study(self, video: Video, *, store: BaseStore | None = None) -> list[LookNote]:
        """Note a video's scenes and the beginning of its transcript without asking any policy.

        Scenes need the extra `scenes`, a transcript subtitles: what is not there is left out.

        Raises:
            ToolError: the video cannot be read.
            InvalidRequest: there is no store.
        """
        grid, info = VisualGrid(), video.info
        wanted = {name: TOOLS[name] for name in ("scene_detect", "transcript")}
        learned: list[LookNote] = []
        for name in offered_tools(wanted, info):
            arguments = {"start_time": 0.0, "end_time": info.duration_seconds}
            budget = grid.estimate(info.width, info.height, 1.0, 1)
            look = prepare(name, arguments, info=info, grid=grid, look_budget=budget)
            output = look.tool.run(video, look.arguments, LookSettings(grid=grid))
            note = look_note(name, look.applied, output.text)
            if note is not None:
                self.add(video.video_id, note, store=store)
                learned.append(note)
        return learned

    def _store(self, running: BaseStore | None) -> BaseStore:
        store = self.store if self.store is not None else running
        if store is None:
            raise InvalidRequest(
                "the memory has no store: give VideoMemory one, such as InMemoryStore(), or "
                "compile the graph around it with store=…"
            )
        return store

    def _namespace_of(self, video_id: str) -> tuple[str, ...]:
        return (*self._namespace, video_id.rpartition(":")[2])

    def _items(self, store: BaseStore, video_id: str) -> list[Item]:
        """The newest first; those that are no notes last."""
        items: list[Item] = []
        namespace = self._namespace_of(video_id)
        while page := store.search(namespace, limit=_PAGE, offset=len(items)):
            items += page
        return sorted(items, key=lambda item: str(item.value.get("noted", "")), reverse=True)


def _key(note: LookNote | AnswerNote) -> str:
    same = note.question if isinstance(note, AnswerNote) else [note.tool, note.text]
    digest = hashlib.sha256(json.dumps(same).encode()).hexdigest()[:24]
    return f"{note.kind}:{digest}"


def _read(item: Item) -> LookNote | AnswerNote | None:
    try:
        return NOTES.validate_python(item.value)
    except ValidationError as error:
        place = "/".join((*item.namespace, item.key))
        _LOG.warning("%s holds no note of a video: %s", place, error.errors()[0]["msg"])
        return None
