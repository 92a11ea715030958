"""Finding scenes, by the cheapest look that tells.

"index" decodes nothing and "key" only key frames; both work where the encoder set key frames at
scene changes, and a file in which it did not is passed on to the next. "full" looks at the pictures
of the whole range, in blocks that do not depend on the range; blocks are kept, so that a call that
ran out of time is taken up where it stopped.
"""

from collections.abc import Iterator
from typing import Literal, get_args

import numpy as np

from eva_graph_tools.deadline import Deadline
from eva_graph_tools.errors import DecodeError, InvalidArguments
from eva_graph_tools.index import FrameIndex
from eva_graph_tools.reader import Reader
from eva_graph_tools.scenes import cache
from eva_graph_tools.scenes.content_score import Floats, content_scores, score_version
from eva_graph_tools.scenes.key_frames import boundaries_by_index, boundaries_by_keys, key_frames
from eva_graph_tools.scenes.measuring import REACH_SECONDS, Measures, joined, measure
from eva_graph_tools.scenes.pictures import read_pictures
from eva_graph_tools.scenes.rules import DEFAULT_THRESHOLD, boundaries
from eva_graph_tools.scenes.scene_list import Boundary, SceneList, Tier, scenes_between

AskedTier = Literal["auto", "index", "key", "full"]

SHORT_RANGE_SECONDS = 300.0
MOST_THRESHOLD = 255.0
_AT_THE_END_SECONDS = 1e-6  # a frame that appears where the range ends is not in it
_BLOCK_FRAMES = 1500
_MOST_BLOCK_FRAMES = 30_000
_KEYS_AT_ONCE = 1000


def find_scenes(
    reader: Reader,
    start_seconds: float,
    end_seconds: float,
    *,
    threshold: float,
    tier: AskedTier,
    timeout_seconds: float | None,
) -> SceneList:
    """See `Video.scenes`; the times lie within the video, the end after the start."""
    if not 0 < threshold <= MOST_THRESHOLD:
        raise InvalidArguments(f"threshold must be above 0 and at most 255, not {threshold:g}")
    if tier not in get_args(AskedTier):
        raise InvalidArguments(
            f"there is no tier {tier!r:.80}, use {', '.join(get_args(AskedTier))}"
        )
    deadline = Deadline.after(timeout_seconds)
    if tier == "auto":
        tier = _automatic(end_seconds - start_seconds, threshold)
    index = reader.opened.index
    first = index.at(start_seconds)
    last = max(first, index.at(end_seconds - _AT_THE_END_SECONDS))
    found, used = _found(reader, first, last + 1, threshold, tier, deadline)
    inside = [boundary for boundary in found if first < boundary.index <= last]
    return SceneList(
        scenes=scenes_between(index, start_seconds, end_seconds, inside),
        tier=used,
        threshold=threshold,
    )


def _automatic(range_seconds: float, threshold: float) -> Tier:
    if range_seconds <= SHORT_RANGE_SECONDS:
        return "full"
    return "index" if threshold == DEFAULT_THRESHOLD else "key"


def _found(
    reader: Reader, first: int, end: int, threshold: float, tier: Tier, deadline: Deadline
) -> tuple[list[Boundary], Tier]:
    index = reader.opened.index
    if tier == "index":
        by_index = boundaries_by_index(index)
        if by_index is not None:
            return by_index, "index"
    score_version()  # without PySceneDetect nothing is decoded in vain
    if tier != "full" and key_frames(index) is not None:
        by_keys = boundaries_by_keys(index, _key_scores(reader, deadline), threshold)
        if by_keys is not None:
            return by_keys, "key"
    return boundaries(_measured(reader, first, end, deadline), threshold), "full"


def _key_scores(reader: Reader, deadline: Deadline) -> Floats:
    """Content scores of the key frames after the first, each against the one before."""
    name = f"keys {score_version()}"
    kept = cache.load(reader.opened, name)
    if kept is not None:
        return np.asarray(kept["content"], np.float32)
    keys = reader.opened.index.shown_keys
    content = np.zeros(len(keys), np.float32)
    for at in range(0, len(keys), _KEYS_AT_ONCE):
        part = keys[max(0, at - 1) : at + _KEYS_AT_ONCE]
        pictures = read_pictures(
            reader, int(part[0]), int(part[-1]) + 1, keys=True, deadline=deadline
        )
        content[np.searchsorted(keys, pictures.indices)] = content_scores(pictures)
    cache.keep(reader.opened, name, {"content": content[1:]})
    return content[1:]


def _measured(reader: Reader, first: int, end: int, deadline: Deadline) -> Measures:
    """What was measured on the blocks that a range lies in."""
    parts = []
    for start, stop in _blocks(reader.opened.index):
        if start < end and first < stop:
            parts.append(_block(reader, start, stop, deadline))
    measures = joined(parts)
    if not len(measures.indices):
        raise DecodeError(
            f"{reader.opened.path.name}: nothing can be decoded in this range, the file is damaged "
            "there; ask for another one"
        )
    return measures


def _blocks(index: FrameIndex) -> Iterator[tuple[int, int]]:
    """Display indices that part the video into blocks, at key frames if there are any.

    Elsewhere a block begins only where it would grow too large: it is decoded from a key frame.
    """
    keys, start = index.shown_keys, 0
    while start < index.frame_count:
        at = int(np.searchsorted(keys, start + _BLOCK_FRAMES))
        key = int(keys[at]) if at < len(keys) else index.frame_count
        stop = min(key, start + _MOST_BLOCK_FRAMES)
        yield start, stop
        start = stop


def _block(reader: Reader, start: int, stop: int, deadline: Deadline) -> Measures:
    name = f"full {start} {stop} {score_version()}"
    kept = cache.load(reader.opened, name)
    if kept is not None:
        return Measures.from_arrays(kept)
    index = reader.opened.index
    before = index.at(index.seconds(start) - REACH_SECONDS)
    after = index.at(index.seconds(stop - 1) + REACH_SECONDS)
    pictures = read_pictures(reader, before, after + 1, keys=False, deadline=deadline)
    found = measure(pictures).between(start, stop)
    cache.keep(reader.opened, name, found.to_arrays())
    return found
