"""Damage by chance, most of it where a file's structure lies."""

from random import Random

_EDGE_BYTES = 4000
_NUMBERS = (bytes(4), b"\xff" * 4, b"\x7f\xff\xff\xff", b"\x80\0\0\0", b"\0\0\0\1", b"\xff" * 8)


def damaged(data: bytes, random: Random) -> bytes:
    """The data with one to 64 places changed, left out or repeated, near its ends or anywhere."""
    out = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 4, 16, 64))):
        size = len(out)
        low, high = random.choice(
            ((0, min(size, _EDGE_BYTES)), (max(0, size - _EDGE_BYTES), size), (0, size))
        )
        _damage(out, random.randrange(low, high), random)
    return bytes(out)


def _damage(out: bytearray, at: int, random: Random) -> None:
    match random.randrange(6):
        case 0 | 1:
            out[at] ^= 1 << random.randrange(8)
        case 2:
            out[at] = random.choice((0, 1, 127, 128, 255))
        case 3:
            number = random.choice(_NUMBERS)
            out[at : at + len(number)] = number
        case 4 if len(out) > _EDGE_BYTES // 2:
            del out[at : at + random.randrange(1, 64)]
        case _:
            again = random.randrange(len(out))
            out[at:at] = out[again : again + random.randrange(1, 200)]
