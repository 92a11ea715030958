"""The packets of an MP4 or QuickTime file from its sample tables; no media data is read.

The tables say of every sample when it is decoded (`stts`), how much later it is shown (`ctts`), how
many bytes it has (`stsz`) and which samples start decoding (`stss`); the edit list (`elst`) says
which part of that is shown from when (ISO/IEC 14496-12 §8.6, §8.7). Only the plain case is read:
one edit after any empty ones, no fragments, no negative composition offsets, no partial sync
samples, no sample beyond the end of the file. The result must agree with the demuxer's own table
wherever it is compared. In every other case the answer is None, and the packets are to be scanned.
"""

from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from eva_graph_tools.index import Ticks
from eva_graph_tools.indexing.boxes import Box, NotPlain, movie_box
from eva_graph_tools.indexing.columns import PacketColumns

# Codecs whose packets the demuxer passes on as the tables have them.
_CODECS = frozenset({"h264", "hevc", "av1", "vp9", "mpeg4", "mjpeg", "prores"})
# Sample groups and partial sync samples add key frames that `stss` does not list.
_OTHER_KEYS = (b"stps", b"sbgp", b"sgpd", b"csgp")
_COMPARED = 64


@dataclass(frozen=True, slots=True)
class _Samples:
    """One value per sample. `steps` are ticks to the next one's decoding."""

    dts: Ticks
    pts: Ticks
    steps: Ticks
    key: npt.NDArray[np.bool_]
    sizes: Ticks

    def window(self, first: int, count: int) -> "_Samples":
        """Some of the samples in a row."""
        part = slice(first, first + count)
        if first + count > len(self.dts):
            raise NotPlain
        return _Samples(
            self.dts[part], self.pts[part], self.steps[part], self.key[part], self.sizes[part]
        )


@dataclass(frozen=True, slots=True)
class _Edit:
    empty_ticks: int
    start: int
    end: int


def read_tables(
    path: Path, container: av.container.InputContainer, stream: av.VideoStream
) -> PacketColumns | None:
    """The columns of an MP4 file's stream, or None where its packets have to be scanned."""
    entries = stream.index_entries
    codec = stream.codec_context.codec.canonical_name
    if "mp4" not in container.format.name or codec not in _CODECS or not len(entries):
        return None
    last = entries[max(0, len(entries) - _COMPARED) :]
    if any(entry.pos + entry.size > container.size for entry in last):
        return None
    try:
        movie = movie_box(path)
        track = _track(movie, stream)
        samples, shown, shift = _edited(
            _samples(track, stream, len(entries)), _edit(movie, track), len(entries)
        )
    except (NotPlain, OSError):
        return None
    columns = PacketColumns(
        pts=samples.pts + shift,
        dts=samples.dts + shift,
        key=samples.key,
        shown=shown,
        duration=lambda number: int(samples.steps[number]),
    )
    return columns if _agrees(columns, samples.sizes, entries) else None


def _track(movie: Box, stream: av.VideoStream) -> Box:
    for box in movie.children():
        if box.kind == b"trak":
            header = box.only(b"tkhd")
            if header.number(20 if header.number(0, 1) == 1 else 12) == stream.id:
                return box
    raise NotPlain


def _samples(track: Box, stream: av.VideoStream, needed: int) -> _Samples:
    media = track.only(b"mdia")
    if stream.time_base is None or 1 / stream.time_base != _timescale(media.only(b"mdhd")):
        raise NotPlain
    table = media.only(b"minf", b"stbl")
    if any(table.maybe(kind) is not None for kind in _OTHER_KEYS):
        raise NotPlain
    sizes = _sizes(table.only(b"stsz"), needed)
    count = len(sizes)
    steps = _runs(table.only(b"stts"), ">u4,>u4", count)
    dts = np.concatenate(([0], np.cumsum(steps[:-1])))
    offsets = table.maybe(b"ctts")
    later = np.zeros(count, np.int64) if offsets is None else _runs(offsets, ">u4,>i4", count)
    if sizes.min() < 1 or later.min() < 0:
        raise NotPlain
    return _Samples(dts, dts + later, steps, _keys(table.maybe(b"stss"), count), sizes)


def _edited(
    samples: _Samples, edit: _Edit | None, count: int
) -> tuple[_Samples, npt.NDArray[np.bool_], int]:
    """The samples that are demuxed, which of them are shown, and what their times are shifted by.

    Decoding starts at the key frame that the edit's start needs; earlier samples are not demuxed.
    """
    if edit is None:
        return samples.window(0, count), np.ones(count, np.bool_), 0
    before = np.flatnonzero(samples.key & (samples.pts <= edit.start))
    first = int(before[-1]) if len(before) and len(samples.dts) > count else 0
    part = samples.window(first, count)
    shown = (part.pts >= edit.start) & (part.pts < edit.end)
    if not shown.any():
        raise NotPlain
    return part, shown, edit.empty_ticks - int(part.pts[shown].min())


def _timescale(header: Box) -> int:
    scale = header.number(20 if header.number(0, 1) == 1 else 12)
    if scale == 0:
        raise NotPlain
    return scale


def _sizes(box: Box, needed: int) -> Ticks:
    """Bytes of each sample. Far more samples than are `needed` are not looked at."""
    fixed, count = box.number(4), box.number(8)
    if not needed <= count <= 4 * needed + 65_536:
        raise NotPlain
    if fixed:
        return np.full(count, fixed, np.int64)
    return box.table(12, count, ">u4").astype(np.int64)


def _runs(box: Box, dtype: str, count: int) -> Ticks:
    """A run-length table (number of samples, value) with one value per sample."""
    rows = box.rows(dtype)
    lengths = rows["f0"].astype(np.int64)
    if int(lengths.sum()) != count:
        raise NotPlain
    values: Ticks = np.repeat(rows["f1"].astype(np.int64), lengths)
    return values


def _keys(box: Box | None, count: int) -> npt.NDArray[np.bool_]:
    if box is None:
        return np.ones(count, np.bool_)
    numbers = box.rows(">u4").view(">u4").astype(np.int64)
    if not len(numbers) or numbers[0] < 1 or numbers[-1] > count or np.any(np.diff(numbers) < 1):
        raise NotPlain
    key = np.zeros(count, np.bool_)
    key[numbers - 1] = True
    return key


def _edit(movie: Box, track: Box) -> _Edit | None:
    edits = track.maybe(b"edts")
    if edits is None:
        return None
    scales = _timescale(track.only(b"mdia", b"mdhd")), _timescale(movie.only(b"mvhd"))
    box = edits.only(b"elst")
    wide = box.number(0, 1) == 1
    rows = box.rows(">u8,>i8,>u4" if wide else ">u4,>i4,>u4")
    if not 1 <= len(rows) <= 2 or any(int(row["f2"]) != 1 << 16 for row in rows):
        raise NotPlain
    lead, start = rows[:-1], int(rows[-1]["f1"])
    if start < 0 or any(int(row["f1"]) != -1 for row in lead):
        raise NotPlain
    empty = sum(_rescaled(int(row["f0"]), *scales) for row in lead)
    return _Edit(empty, start, start + _rescaled(int(rows[-1]["f0"]), *scales))


def _rescaled(value: int, to: int, of: int) -> int:
    """`value * to / of`, rounded half away from zero as FFmpeg does."""
    return (2 * value * to + of) // (2 * of)


def _agrees(columns: PacketColumns, sizes: Ticks, entries: av.index.IndexEntries) -> bool:
    """Whether the demuxer's table says the same, at its ends and evenly between them."""
    for number in set(np.linspace(0, len(entries) - 1, _COMPARED, dtype=np.int64).tolist()):
        entry = entries[number]
        stated = (entry.timestamp, entry.is_keyframe, not entry.is_discard, entry.size)
        read = (columns.dts[number], columns.key[number], columns.shown[number], sizes[number])
        if stated != read:
            return False
    return True
