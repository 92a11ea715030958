"""MP4 files whose boxes lie: sizes, counts, times, dimensions and references."""

import struct
from collections.abc import Callable
from pathlib import Path

from hostile_case import BROKEN, REFUSED, Case, Expected, Workshop, shows

Edit = Callable[[bytes], bytes]
_PARENTS = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"dinf", b"udta"}
TABLE = "moov/trak/mdia/minf/stbl"
BILLIONS = 0xFFFFFFFF


def box(kind: bytes, payload: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(payload), kind) + payload


def edited(data: bytes, path: str, edit: Edit) -> bytes:
    """The boxes with the first box of that path changed; sizes above it are made right."""
    first, _, rest = path.partition("/")
    out, position, done = b"", 0, False
    while position < len(data):
        size, kind = struct.unpack_from(">I4s", data, position)
        payload = data[position + 8 : position + size]
        if kind == first.encode() and not done:
            payload, done = edited(payload, rest, edit) if rest else edit(payload), True
        out += box(kind, payload)
        position += size
    assert done, path
    return out


def numbers(offset: int, *values: int, form: str = "I") -> Edit:
    """Overwrite numbers in a box."""
    packed = struct.pack(f">{len(values)}{form}", *values)
    return lambda payload: payload[:offset] + packed + payload[offset + len(packed) :]


def table(count: int, *values: int) -> Edit:
    """Replace a table: its count, and the entries there really are."""
    return lambda payload: payload[:4] + struct.pack(f">{1 + len(values)}I", count, *values)


def _mp4(workshop: Workshop) -> bytes:
    return workshop.clip("h264_mp4")


def _changed(name: str, path: str, edit: Edit, expected: Expected) -> Case:
    return Case(
        name=f"{name}.mp4",
        make=lambda workshop: edited(_mp4(workshop), path, edit),
        expected=expected,
    )


def _patched(name: str, kind: bytes, size: int, expected: Expected) -> Case:
    """A file in which a box states another size than it has."""

    def make(workshop: Workshop) -> bytes:
        data = _mp4(workshop)
        at = data.index(kind) - 4
        return data[:at] + struct.pack(">I", size) + data[at + 4 :]

    return Case(name=f"{name}.mp4", make=make, expected=expected)


def _size_of_eight_bytes(workshop: Workshop) -> bytes:
    data = _mp4(workshop)
    at = data.index(b"moov") - 4
    return data[:at] + struct.pack(">I4sQ", 1, b"moov", 2**63 - 1) + data[at + 8 :]


def _nested(workshop: Workshop) -> bytes:
    data, inner = _mp4(workshop), b""
    for _ in range(5000):
        inner = box(b"trak", inner)
    return edited(data, "moov", lambda payload: inner + payload)


def _fragment_of_billions(workshop: Workshop) -> bytes:
    data = workshop.clip("h264_fragments")
    at = data.index(b"trun") + 8
    return data[:at] + struct.pack(">I", BILLIONS) + data[at + 4 :]


def _edit_list(*entries: tuple[int, int]) -> Edit:
    """An edit list of (duration, media time) in place of what there is."""
    packed = b"".join(struct.pack(">IiI", length, start, 0x10000) for length, start in entries)
    return lambda payload: struct.pack(">II", 0, len(entries)) + packed


def _reference(kind: bytes, target: Callable[[Workshop], str]) -> Callable[[Workshop], bytes]:
    """The video's data is said to lie in another file."""

    def make(workshop: Workshop) -> bytes:
        where = target(workshop).encode()
        payload = _alias(where) if kind == b"alis" else where + b"\0"
        entry = box(kind, struct.pack(">I", 0) + payload)
        return edited(
            _mp4(workshop),
            "moov/trak/mdia/minf/dinf/dref",
            lambda _: struct.pack(">II", 0, 1) + entry,
        )

    return make


def _alias(path: bytes) -> bytes:
    """A Macintosh alias record: volume, file name, depth, then the absolute path."""
    name = Path(path.decode()).name.encode()
    head = bytes(10) + bytes([1]) + b"/".ljust(27, b"\0") + bytes(12)
    head += bytes([len(name)]) + name.ljust(63, b"\0") + bytes(16) + struct.pack(">HH", 1, 1)
    padded = path + bytes(len(path) % 2)
    return head + bytes(16) + struct.pack(">HH", 2, len(padded)) + padded + b"\xff\xff\0\0"


def _movie_reference(workshop: Workshop) -> bytes:
    """A QuickTime reference movie: nothing but the address of the real one."""
    address = workshop.canary.video.as_uri().encode() + b"\0"
    entry = box(b"rdrf", bytes(4) + b"url " + struct.pack(">I", len(address)) + address)
    kind = box(b"ftyp", b"qt  " + bytes(4) + b"qt  ")
    return kind + box(b"moov", box(b"rmra", box(b"rmda", entry)))


def _chapters_of_itself(workshop: Workshop) -> bytes:
    chapters = box(b"tref", box(b"chap", struct.pack(">II", 1, 2)))
    return edited(_mp4(workshop), "moov/trak", lambda payload: payload + chapters)


def _no_table(payload: bytes) -> bytes:
    return payload[:4] + bytes(4)


def _sizes(rule: Callable[[int, int], int]) -> Edit:
    """Sample sizes changed by a rule of number and size."""

    def edit(payload: bytes) -> bytes:
        count = struct.unpack_from(">I", payload, 8)[0]
        sizes = struct.unpack_from(f">{count}I", payload, 12)
        new = [rule(number, size) for number, size in enumerate(sizes)]
        return payload[:12] + struct.pack(f">{count}I", *new)

    return edit


MP4_CASES = (
    _patched("box size 0", b"moov", 0, shows(60)),
    _patched("box size 4", b"moov", 4, REFUSED),
    _patched("box size beyond the file", b"moov", 0x7FFFFFFF, shows(60)),
    _patched("box size negative", b"moov", 0xFFFFFFFF, shows(60)),
    _patched("box overlaps the next", b"mvhd", 4000, REFUSED),
    _patched("inner box size 1", b"stsz", 1, REFUSED),
    _patched("mdat size 0", b"mdat", 0, REFUSED),
    Case(name="box size of 2^63.mp4", make=_size_of_eight_bytes, expected=shows(60)),
    Case(name="boxes nested 5000 deep.mp4", make=_nested, expected=shows(60)),
    _changed("sizes 4 billion", f"{TABLE}/stsz", numbers(8, BILLIONS), REFUSED),
    _changed("sizes 4 billion alike", f"{TABLE}/stsz", numbers(4, 1, BILLIONS), BROKEN),
    _changed("sizes all 0", f"{TABLE}/stsz", _sizes(lambda n, s: 0), BROKEN),
    _changed(
        "sizes of every third 0",
        f"{TABLE}/stsz",
        _sizes(lambda n, s: s * (n % 3 != 1)),
        shows(10, 60),
    ),
    _changed("sizes of 2 GiB", f"{TABLE}/stsz", _sizes(lambda n, s: 0x7FFFFFFF), BROKEN),
    _changed("sizes fewer than times", f"{TABLE}/stsz", numbers(8, 10), shows(10)),
    _changed("times 4 billion", f"{TABLE}/stts", table(BILLIONS, 60, 512), REFUSED),
    _changed("times of 4 billion frames", f"{TABLE}/stts", table(1, BILLIONS, 1), shows(1, 60)),
    _changed("times fewer than sizes", f"{TABLE}/stts", table(1, 10, 512), shows(10, 60)),
    _changed("times all equal", f"{TABLE}/stts", table(1, 60, 0), shows(1, 60)),
    _changed("times descending", f"{TABLE}/stts", table(1, 60, 0xFFFFFF00), shows(1, 60)),
    _changed("times none", f"{TABLE}/stts", _no_table, BROKEN),
    _changed("offsets 4 billion", f"{TABLE}/stco", numbers(4, BILLIONS), shows(60)),
    _changed("offsets beyond the file", f"{TABLE}/stco", numbers(8, 0x7FFFFFF0), BROKEN),
    _changed("chunks 4 billion", f"{TABLE}/stsc", table(1, 1, BILLIONS, 1), shows(1, 60)),
    _changed("chunks from 0", f"{TABLE}/stsc", table(1, 0, 60, 1), shows(60)),
    _changed("key frames 4 billion", f"{TABLE}/stss", numbers(4, BILLIONS), REFUSED),
    _changed("key frames none", f"{TABLE}/stss", _no_table, shows(60)),
    _changed("key frames that are none", f"{TABLE}/stss", table(2, 2, 3), shows(60)),
    _changed("display offsets 4 billion", f"{TABLE}/ctts", numbers(4, BILLIONS), REFUSED),
    _changed("display offsets huge", f"{TABLE}/ctts", table(1, 60, 0x7FFFFFFF), BROKEN),
    _changed("time scale 0", "moov/trak/mdia/mdhd", numbers(12, 0), shows(1, 60)),
    _changed("movie time scale 0", "moov/mvhd", numbers(12, 0), shows(60)),
    _changed("time scale 2^31", "moov/trak/mdia/mdhd", numbers(12, 2**31), shows(1, 60)),
    _changed("duration 2^32", "moov/trak/mdia/mdhd", numbers(16, BILLIONS), shows(60)),
    _changed("edit list of nothing", "moov/trak/edts/elst", _edit_list((0, -1)), BROKEN),
    _changed(
        "edit list that repeats",
        "moov/trak/edts/elst",
        _edit_list(*[(1000, 0)] * 50),
        shows(1, 3000),
    ),
    _changed(
        "edit list backwards",
        "moov/trak/edts/elst",
        _edit_list((500, 20000), (500, 0)),
        shows(1, 60),
    ),
    _changed("edit list far away", "moov/trak/edts/elst", _edit_list((1000, 2**31 - 1)), BROKEN),
    _changed("edit list 4 billion", "moov/trak/edts/elst", numbers(4, BILLIONS), shows(60)),
    _changed("65535x65535 stated", f"{TABLE}/stsd", numbers(40, 65535, 65535, form="H"), shows(60)),
    _changed("codec unknown", f"{TABLE}/stsd", numbers(12, 0x7A7A7A7A), REFUSED),
    _changed("codec encrypted", f"{TABLE}/stsd", numbers(12, 0x656E6376), REFUSED),
    _changed("no sample table", "moov/trak/mdia/minf/stbl", lambda _: b"", REFUSED),
    Case(name="fragment of 4 billion.mp4", make=_fragment_of_billions, expected=REFUSED),
    Case(name="chapters of itself.mp4", make=_chapters_of_itself, expected=REFUSED),
    Case(
        name="data in a file.mov",
        make=_reference(b"url ", lambda w: w.canary.video.as_uri()),
        expected=shows(60),
    ),
    Case(
        name="data behind an address.mov",
        make=_reference(b"url ", lambda w: w.canary.url),
        expected=shows(60),
    ),
    Case(
        name="data behind an alias.mov",
        make=_reference(b"alis", lambda w: str(w.canary.video)),
        expected=BROKEN,
    ),
    Case(name="reference movie.mov", make=_movie_reference, expected=REFUSED),
)
