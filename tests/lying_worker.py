"""A worker process whose decoder has been taken over: it answers what it likes.

Run with the import path and the name of a lie. The lie is told in answer to the request to open, or
to the first look after an honest opening.
"""

import json
import os
import runpy
import sys
from pathlib import Path

if __name__ == "__main__":  # a worker is told where its parent imports from
    boot = Path(json.loads(sys.argv[1])[1][0], "isolation", "boot.py")
    runpy.run_path(str(boot))["enter"](sys.argv[1])

import struct
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from eva_graph_tools.isolation.plain import path_of, to_plain
from eva_graph_tools.isolation.wire import PREFIX, Message, packed
from eva_graph_tools.local_reader import LocalReader

Header = dict[str, Any]
Arrays = list[Any]


def request() -> Header:
    header_bytes, _ = PREFIX.unpack(sys.stdin.buffer.read(PREFIX.size))
    found: Header = json.loads(sys.stdin.buffer.read(header_bytes))
    return found


def send(header: Header, arrays: Arrays) -> None:
    write(b"".join(packed(Message(header, tuple(arrays)))))


def write(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def framed(header: bytes, arrays: bytes = b"", *, announced: int | None = None) -> None:
    write(PREFIX.pack(len(header), len(arrays) if announced is None else announced))
    write(header + arrays)


def edited(**changes: Any) -> Callable[[Header, Arrays], None]:
    """An opening with fields changed: `info__width=0` is `opened.info.width`."""

    def lie(header: Header, arrays: Arrays) -> None:
        for name, value in changes.items():
            *way, last = name.split("__")
            place = header["opened"]
            for step in way:
                place = place[step]
            place[last] = value
        send(header, arrays)

    return lie


def order_out_of_range(header: Header, arrays: Arrays) -> None:
    arrays[header["opened"]["index"]["order"]][0] = 1 << 40
    send(header, arrays)


def times_that_run_backwards(header: Header, arrays: Arrays) -> None:
    number = header["opened"]["index"]["shown_pts"]
    arrays[number] = arrays[number][::-1]
    send(header, arrays)


def arrays_of_other_numbers(header: Header, arrays: Arrays) -> None:
    send(header, [np.asarray(array, np.float64) for array in arrays])


def dribble() -> None:
    write(PREFIX.pack(1 << 20, 0))
    while True:
        write(b" ")
        time.sleep(0.05)


OPENINGS: dict[str, Callable[[Header, Arrays], None]] = {
    "nothing": lambda header, arrays: time.sleep(600),
    "end": lambda header, arrays: os._exit(0),
    "dribble": lambda header, arrays: dribble(),
    "garbage": lambda header, arrays: write(b"\xff" * 100_000),
    "header too long": lambda header, arrays: write(struct.pack(">IQ", 2**32 - 1, 0)),
    "arrays too long": lambda header, arrays: framed(b"{}", announced=2**63),
    "not JSON": lambda header, arrays: framed(b"\x80\x04K\x01."),
    "not an object": lambda header, arrays: framed(b"[]"),
    "deep": lambda header, arrays: framed(b"[" * 200_000),
    "infinite": lambda header, arrays: framed(b'{"arrays": [], "x": Infinity}'),
    "no arrays": lambda header, arrays: framed(b'{"opened": {}}'),
    "an object array": lambda header, arrays: framed(b'{"arrays": [["O", [1]]]}', b"\0" * 8),
    "a negative array": lambda header, arrays: framed(b'{"arrays": [["uint8", [-1]]]}'),
    "an impossible array": lambda header, arrays: framed(
        b'{"arrays": [["uint8", [0, 99999999999999, 99999999999999]]]}'
    ),
    "arrays that do not add up": lambda header, arrays: framed(
        b'{"arrays": [["uint8", [5]]]}', b"\0" * 8
    ),
    "an unknown error": lambda header, arrays: send({"error": "SystemExit", "message": "x"}, []),
    "an error without words": lambda header, arrays: send({"error": "DecodeError"}, []),
    "an unknown field": edited(surprise=1),
    "no identity": edited(video_id="sha256:short"),
    "another identity": edited(video_id="sha256:" + 64 * "0"),
    "no width": edited(info__width=0),
    "a huge side": edited(geometry__height=1 << 40),
    "a width of text": edited(info__width="640"),
    "a duration of nothing": edited(info__duration_seconds=None),
    "other frames counted": edited(info__frame_count=3),
    "a time base of zero": edited(index__time_base=[0, 1]),
    "a time base without end": edited(index__time_base=[1, 0]),
    "an array that is not there": edited(index__pts=99),
    "order out of range": order_out_of_range,
    "times that run backwards": times_that_run_backwards,
    "arrays of other numbers": arrays_of_other_numbers,
}


def frame(width: int = 16, height: int = 8) -> Arrays:
    return [np.zeros((height, width, 3), np.uint8)]


LOOKS: dict[str, Callable[[], None]] = {
    "look: no values": lambda: send({}, frame()),
    "look: nothing told": lambda: send({"values": {}}, frame()),
    "look: another frame": lambda: send({"values": {"delivered": [[7, 7]]}}, frame()),
    "look: out of range": lambda: send({"values": {"delivered": [[0, 10**9]]}}, frame()),
    "look: text": lambda: send({"values": {"delivered": [["0", 0]]}}, frame()),
    "look: other size": lambda: send({"values": {"delivered": [[0, 0]]}}, frame(8, 16)),
    "look: too many": lambda: send({"values": {"delivered": [[0, 0]] * 2}}, frame() * 2),
    "look: other numbers": lambda: send(
        {"values": {"delivered": [[0, 0]]}}, [np.zeros((8, 2, 3), np.float64)]
    ),
}


def main(lie: str) -> None:
    path = path_of(request()["open"])
    arrays: Arrays = []
    header = {"opened": to_plain(LocalReader.open(path).opened, arrays)}
    arrays = [np.array(array) for array in arrays]
    if lie in OPENINGS:
        OPENINGS[lie](header, arrays)
    else:
        send(header, arrays)
        request()
        LOOKS[lie]()
    sys.stdin.buffer.read()


if __name__ == "__main__":
    main(sys.argv[2])
