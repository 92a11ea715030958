"""One large request over several decoders: groups of pictures are decoded side by side.

What comes out does not depend on how a request is divided: a group is never split.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import wait
from functools import partial
from itertools import groupby
from typing import TypeVar

import av

from eva_graph_tools.deadline import on_thread
from eva_graph_tools.decode import Decoder
from eva_graph_tools.index import FrameIndex

T = TypeVar("T")
# Below about a third of a second of decoding, opening a decoder costs more than it saves.
_WORTHWHILE_PIXELS = 200 * 1280 * 720


def shares(index: FrameIndex, wanted: Iterable[int], picture_pixels: int) -> list[list[int]]:
    """A request in parts that are worth a decoder each, whole groups of pictures in order.

    Args:
        index: the stream's frames.
        wanted: display indices.
        picture_pixels: of one picture as stored.
    """
    groups = sorted(index.groups(wanted).items())
    packets = [max(int(index.order[i]) for i in group) - start + 1 for start, group in groups]
    total = sum(packets)
    worth = math.ceil(_WORTHWHILE_PIXELS / max(1, picture_pixels))
    parts = max(1, min(len(groups), total // worth))
    before = [sum(packets[:k]) * parts // max(1, total) for k in range(len(groups))]
    together = groupby(zip(before, groups, strict=True), key=lambda entry: entry[0])
    return [[i for _, (_, group) in part for i in sorted(group)] for _, part in together]


def decode_side_by_side(
    decoders: Sequence[Decoder],
    parts: Sequence[Sequence[int]],
    converter: Callable[[], Callable[[av.VideoFrame], T]],
) -> dict[int, tuple[int, T]]:
    """`Decoder.decode` of all parts, each decoder taking the next one as soon as it is free.

    Args:
        decoders: at least one, for the caller's sole use.
        parts: display indices, as `shares` makes them.
        converter: makes a converter of pictures for one thread.
    """
    waiting = iter(parts)  # the threads take turns: `next` of a list's iterator is atomic

    def work(decoder: Decoder) -> dict[int, tuple[int, T]]:
        convert = converter()
        found: dict[int, tuple[int, T]] = {}
        for part in waiting:
            found |= decoder.decode(part, convert)
        return found

    others = [on_thread(partial(work, decoder)) for decoder in decoders[1:]]
    try:
        found = work(decoders[0])
    finally:
        wait(others)  # their decoders go back with this one
    for other in others:
        found |= other.result()
    return found
