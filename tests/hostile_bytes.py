"""Streams written byte by byte: pictures of impossible sizes, and noise between start codes."""

import struct
import zlib
from random import Random

PACKED_ROWS = 50


def gif(width: int, height: int, frames: int) -> bytes:
    """A GIF with a large canvas, on which each frame paints one pixel."""
    head = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    frame = b"\x21\xf9\x04\0\x04\0\0\0" + b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0)
    return head + (frame + b"\x02\x02\x44\x01\x00") * frames + b"\x3b"


def apng(width: int, height: int) -> bytes:
    """An animated PNG as large as stated, whose data breaks off after some rows of zeros."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checked = kind + data
        return struct.pack(">I", len(data)) + checked + struct.pack(">I", zlib.crc32(checked))

    control = struct.pack(">IIIIIHHBB", 0, width, height, 0, 0, 1, 25, 0, 0)
    rows = zlib.compressobj(9)
    row = bytes(width * 4 + 1)
    packed = b"".join(rows.compress(row) for _ in range(min(height, PACKED_ROWS))) + rows.flush()
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0))
        + chunk(b"acTL", struct.pack(">II", 1, 0))
        + chunk(b"fcTL", control)
        + chunk(b"IDAT", packed)
        + chunk(b"IEND", b"")
    )


def y4m(width: int, height: int, frames: int = 2) -> bytes:
    return b"YUV4MPEG2 W%d H%d F25:1 C420\n" % (width, height) + b"FRAME\n\0\0\0\0" * frames


def ivf(width: int, height: int, frames: int) -> bytes:
    head = b"DKIF" + struct.pack("<HH4sHHIIII", 0, 32, b"VP80", width, height, 25, 1, frames, 0)
    return head + (struct.pack("<IQ", 4, 0) + b"\0\0\0\0") * 3


def h264_of(blocks_wide: int, blocks_high: int) -> bytes:
    """A raw H.264 stream: parameters for a huge picture, then a slice of nothing."""
    bits = "".join(
        _golomb(value)
        for value in (0, 0, 0, 0, 1)  # id, log2, order, its log2, references
    )
    bits += "0" + _golomb(blocks_wide - 1) + _golomb(blocks_high - 1) + "1100" + "1"
    sps = b"\0\0\0\1\x67\x42\x00\x3e" + _bytes(bits)
    pps = b"\0\0\0\1\x68" + _bytes(_golomb(0) * 2 + "00" + _golomb(0) * 3 + "0" * 3 + "1" * 3 + "1")
    slice_ = b"\0\0\0\1\x65" + _bytes(_golomb(0) + _golomb(7) + _golomb(0) + "0000" + "1" * 40)
    return (sps + pps + slice_) * 8


def _golomb(value: int) -> str:
    binary = f"{value + 1:b}"
    return "0" * (len(binary) - 1) + binary


def _bytes(bits: str) -> bytes:
    padded = bits + "0" * (-len(bits) % 8)
    return bytes(int(padded[at : at + 8], 2) for at in range(0, len(padded), 8))


def start_codes(prefix: bytes) -> bytes:
    random = Random(5)
    return b"".join(prefix + random.randbytes(60) for _ in range(2000))
