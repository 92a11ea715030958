"""The order in which KTO reads rows: labels alternate in proportion, equal videos stand apart.

KTOTrainer takes rows as they come and, within a batch, sets completions beside the prompts of other
rows. A batch of one label, or of one video, would teach it little.
"""

from __future__ import annotations

import heapq
import random
from collections import Counter, deque
from collections.abc import Sequence


def interleave(labels: Sequence[bool], videos: Sequence[str], *, seed: int) -> list[int]:
    """A permutation of the rows; equal seeds give equal ones.

    Each step takes a row of the label that is furthest behind its share; its videos take turns, in
    shuffled order, and the one just before is passed over. A video that holds more than half of
    what is left goes first, so neighbours differ unless one video holds more than half of all.

    Args:
        labels: of each row.
        videos: of each row, by name.
        seed: of the shuffling.
    """
    left = _Left(labels, videos, seed)
    order: list[int] = []
    before: str | None = None
    for _ in labels:
        row = left.take(before)
        order.append(row)
        before = videos[row]
    return order


class _Left:
    """The rows that are not taken yet."""

    def __init__(self, labels: Sequence[bool], videos: Sequence[str], seed: int) -> None:
        shuffled = list(range(len(labels)))
        random.Random(seed).shuffle(shuffled)
        self._labels, self._videos = labels, videos
        self._queues: dict[bool, dict[str, deque[int]]] = {True: {}, False: {}}
        for row in shuffled:
            self._queues[labels[row]].setdefault(videos[row], deque()).append(row)
        self._sizes = Counter(labels)
        self._taken: Counter[bool] = Counter()
        self._rows = len(shuffled)
        self._of_video = Counter(videos)
        self._largest = [(-number, video) for video, number in self._of_video.items()]
        heapq.heapify(self._largest)

    def take(self, before: str | None) -> int:
        """The next row, after one of the video `before`."""
        wanted = self._crowded(before)
        behind = sorted(
            (label for label, queue in self._queues.items() if queue),
            key=lambda label: (self._taken[label] + 0.5) / self._sizes[label],
        )
        for label in behind:
            for video in self._queues[label]:
                if video == wanted or (wanted is None and video != before):
                    return self._pop(label, video)
        return self._pop(behind[0], next(iter(self._queues[behind[0]])))

    def _crowded(self, before: str | None) -> str | None:
        """The video that holds more than half of what is left, unless it came just before."""
        while self._largest:
            number, video = self._largest[0]
            if -number == self._of_video[video]:
                return video if -number * 2 > self._rows and video != before else None
            heapq.heappop(self._largest)
            if self._of_video[video]:
                heapq.heappush(self._largest, (-self._of_video[video], video))
        return None

    def _pop(self, label: bool, video: str) -> int:
        """Take the video's next row; the video goes behind all others of its label."""
        queue = self._queues[label].pop(video)
        row = queue.popleft()
        if queue:
            self._queues[label][video] = queue
        self._taken[label] += 1
        self._of_video[video] -= 1
        self._rows -= 1
        return row
