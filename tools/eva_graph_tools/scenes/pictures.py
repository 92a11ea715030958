"""The operation `scene_pictures`: a range as tiny pictures, for scenes to be found in.

Pictures that no other refers to are left out, and the loop filter is not run: at this size neither
can be seen. Where the picture jumps from one sample to the next, those left out between the two are
decoded after all, so that a cut is found at its very frame.
"""

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import av
import numpy as np
import numpy.typing as npt
from av.video.reformatter import Interpolation, VideoReformatter

from eva_graph_tools.deadline import Deadline
from eva_graph_tools.decode import Decoder, Skip
from eva_graph_tools.errors import DecodeError
from eva_graph_tools.index import FrameIndex
from eva_graph_tools.media import Source
from eva_graph_tools.reader import Opened, Reader, Reply
from eva_graph_tools.scenes.peaks import level_beside

if TYPE_CHECKING:
    from eva_graph_tools.operations import Media  # which registers this module's operation

Bytes = npt.NDArray[np.uint8]
Positions = npt.NDArray[np.int64]

WIDTH, HEIGHT = 48, 27
_SHAPE = (HEIGHT, WIDTH, 3)
_LEAST_JUMP = 5.0
_JUMP_OVER_NEIGHBOURS = 1.7
# Filling gaps may cost this part of what the range itself costs, in packets.
_FILLING_SHARE = 0.5
# More missing pictures in a row than encoders leave without reference are damage.
_MOST_LEFT_OUT = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Pictures:
    """Sampled pictures of a range.

    Attributes:
        indices: display indices, ascending.
        seconds: presentation times.
        values: n x 27 x 48 x 3, uint8 BGR, whatever the video's aspect.
    """

    indices: Positions
    seconds: npt.NDArray[np.float64]
    values: Bytes


def read_pictures(
    reader: Reader, start_index: int, end_index: int, *, keys: bool, deadline: Deadline
) -> Pictures:
    """The sampled pictures shown from one display index up to another (excluded).

    Args:
        reader: the video.
        start_index, end_index: display indices.
        keys: only key frames.
        deadline: until when.

    Raises:
        DecodeTimeout: it took longer.
        DecodeError: the video is closed, or its worker answered nonsense.
    """
    reply = reader.perform(
        "scene_pictures",
        {"start": start_index, "end": end_index, "keys": keys},
        timeout_seconds=deadline.left(),
    )
    indices, values = _checked(reader.opened, reply, start_index, end_index)
    return Pictures(
        indices=indices, seconds=reader.opened.index.all_seconds()[indices], values=values
    )


def scene_pictures(media: "Media", arguments: Mapping[str, Any], deadline: Deadline) -> Reply:
    """Decode a range into tiny pictures.

    Arguments: `start` and `end` (excluded) display indices, `keys` true for key frames only.
    Arrays: the display indices (int64) and the pictures (n x 27 x 48 x 3, uint8 BGR).
    """
    start, end = int(arguments["start"]), int(arguments["end"])
    shrink = _Shrinker()
    # The place in the pool bounds how many callers decode one video at a time.
    with media.decoder(deadline), _rough_decoder(media, deadline) as decoder:
        skip: Skip = "nonkey" if arguments["keys"] else "nonref"
        with closing(decoder.sweep(start, end, skip=skip)) as sweep:
            found = {index: shrink(frame) for index, frame in sweep}
        if not arguments["keys"]:
            gaps = _gaps_at_jumps(media.opened.index, found)
            filled = decoder.decode(gaps, shrink)
            found |= {index: value for wanted, (index, value) in filled.items() if wanted == index}
    order = sorted(found)
    values = np.stack([found[i] for i in order]) if order else np.zeros((0, *_SHAPE), np.uint8)
    return Reply(arrays=(np.array(order, np.int64), values))


class _Shrinker:
    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def __call__(self, frame: av.VideoFrame) -> Bytes:
        small = self._reformatter.reformat(
            frame,
            width=WIDTH,
            height=HEIGHT,
            format="bgr24",
            interpolation=Interpolation.AREA,
            threads=1,
        )
        return np.asarray(small.to_ndarray(), np.uint8)


@contextmanager
def _rough_decoder(media: "Media", deadline: Deadline) -> Iterator[Decoder]:
    """A decoder of its own, for pictures that are only good at a small size."""
    source = partial(_open_rough, media, deadline)
    decoder = Decoder(source, source(), media.opened.index)
    decoder.deadline = deadline
    try:
        yield decoder
    finally:
        decoder.close()


def _open_rough(media: "Media", deadline: Deadline) -> Source:
    container, stream = media.reopen(deadline)
    stream.codec_context.options = {"skip_loop_filter": "all"}
    return container, stream


def _gaps_at_jumps(index: FrameIndex, found: Mapping[int, Bytes]) -> list[int]:
    """Display indices that are missing before a jump, as many as filling them may cost."""
    order = np.array(sorted(found), np.int64)
    if len(order) < 2:
        return []
    jumps = [
        range(int(order[at - 1]) + 1, int(order[at]))
        for at in _jumps(np.stack([found[int(i)] for i in order]))
        if 1 < order[at] - order[at - 1] <= _MOST_LEFT_OUT
    ]
    return _affordable(index, jumps, _FILLING_SHARE * float(order[-1] - order[0]))


def _affordable(index: FrameIndex, gaps: list[range], packets: float) -> list[int]:
    """The gaps that can be filled by decoding so many packets, from the cheapest groups on."""
    groups: dict[int, list[tuple[int, range]]] = {}
    for gap in gaps:
        number = int(index.order[gap[-1]])
        key = index.key_before(number)
        groups.setdefault(key, []).append((number - key + 1, gap))
    chosen: list[int] = []
    for group in sorted(groups.values(), key=lambda group: group[-1][0]):
        # A group is decoded once, up to the last gap in it that is filled.
        within = [(cost, gap) for cost, gap in group if cost <= packets]
        packets -= max((cost for cost, _ in within), default=0)
        chosen += [at for _, gap in within for at in gap]
    return chosen


def _jumps(values: Bytes) -> Positions:
    """Positions of pictures that differ far more from the one before than their neighbours do."""
    coarse = values[:, 1::3, 1::3].reshape(len(values), -1).astype(np.int16)
    step = np.zeros(len(values))
    step[1:] = np.abs(np.diff(coarse, axis=0)).mean(axis=1)
    jumps = (step >= _LEAST_JUMP) & (step >= _JUMP_OVER_NEIGHBOURS * level_beside(step))
    return np.flatnonzero(jumps)


def _checked(opened: Opened, reply: Reply, start: int, end: int) -> tuple[Positions, Bytes]:
    match reply.arrays:
        case (indices, values) if (
            indices.dtype == np.int64
            and indices.ndim == 1
            and values.dtype == np.uint8
            and values.shape == (len(indices), *_SHAPE)
            and bool(np.all(np.diff(indices) > 0))
            and (not len(indices) or start <= int(indices[0]) <= int(indices[-1]) < end)
        ):
            return indices, values
        case _:
            raise DecodeError(f"{opened.path.name}: the pictures read do not fit the range")
