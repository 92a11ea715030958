"""A worker that lies is found out, and what is sent arrives as it was."""

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import hypothesis.extra.numpy as arrays_of
import lying_worker
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lying_worker import LOOKS, OPENINGS
from numbered_video import Clip

from eva_graph_tools import DecodeError, DecodeTimeout, VideoInfo
from eva_graph_tools.index import FrameIndex
from eva_graph_tools.isolation import IsolatedReader, Limits, wire
from eva_graph_tools.isolation.plain import from_plain, path_of, path_text, to_plain
from eva_graph_tools.isolation.process import command
from eva_graph_tools.isolation.wire import Message, Nonsense

Clips = Callable[[str], Clip]
SILENT = {"nothing", "dribble"}
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
NUMBERS = st.sampled_from(["bool", "uint8", "int64", "float32", "float64"])
ARRAYS = arrays_of.arrays(NUMBERS, arrays_of.array_shapes(min_dims=0, min_side=0, max_side=4))


def received(data: bytes, *, max_array_bytes: int = 2**20) -> Message:
    prefix, rest = data[: wire.PREFIX.size], data[wire.PREFIX.size :]
    header_bytes, array_bytes = wire.lengths(prefix, max_array_bytes=max_array_bytes)
    header, arrays = wire.read_header(rest[:header_bytes], array_bytes)
    rest = rest[header_bytes:]
    for view in wire.views(arrays):
        view[:] = rest[: len(view)]
        rest = rest[len(view) :]
    assert not rest
    return Message(header, wire.sanitized(arrays))


@given(st.dictionaries(st.text().filter(lambda key: key != "arrays"), JSON), st.lists(ARRAYS))
def test_messages_arrive_as_they_were(header: dict[str, Any], arrays: list[Any]) -> None:
    message = received(b"".join(wire.packed(Message(header, tuple(arrays)))))
    assert message.header == header
    assert len(message.arrays) == len(arrays)
    for taken, given_ in zip(message.arrays, arrays, strict=True):
        assert taken.dtype == given_.dtype
        assert np.array_equal(taken, given_, equal_nan=taken.dtype.kind == "f")


@given(st.binary(max_size=200))
def test_any_header_is_read_or_refused(data: bytes) -> None:
    try:
        header, arrays = wire.read_header(data, 0)
    except Nonsense:
        return
    assert isinstance(header, dict)
    assert not any(array.nbytes for array in arrays)


@given(JSON)
def test_any_opening_is_read_or_refused(plain: Any) -> None:
    for kind in (VideoInfo, FrameIndex):
        with pytest.raises(Nonsense):
            from_plain(kind, plain, ())


@given(st.binary(min_size=1).filter(lambda name: b"\0" not in name))
def test_paths_of_any_bytes_arrive(name: bytes) -> None:
    path = Path(name.decode("utf-8", "surrogateescape"))
    assert path_of(path_text(path)) == path


def test_values_that_cannot_be_sent_are_refused() -> None:
    with pytest.raises(TypeError, match="cannot be sent"):
        list(wire.packed(Message({}, (np.array(["a", None], object),))))
    with pytest.raises(ValueError, match="JSON compliant"):
        list(wire.packed(Message({"value": math.nan})))
    with pytest.raises(TypeError, match="cannot be sent"):
        to_plain({1, 2}, [])
    assert to_plain(Fraction(1, 3), []) == [1, 3]


def believed(path: Path, lie: str) -> DecodeError | None:
    """What comes of a lie, told on opening or at the first look."""
    argv = [*command(Path(lying_worker.__file__)), lie]
    limits = Limits(timeout_seconds=3 if lie in SILENT else 60)
    try:
        reader = IsolatedReader(path, argv, limits=limits)
        reader.perform("frames", {"wanted": [0], "size": [16, 8], "box": None})
    except DecodeError as error:
        return error
    return None


@pytest.fixture(scope="module")
def outcomes(clip: Clips) -> dict[str, DecodeError | None]:
    """What comes of all lies; two at a time, for starting workers takes longest."""
    path, lies = clip("h264_mp4").path, [*OPENINGS, *LOOKS]
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(lies, pool.map(partial(believed, path), lies), strict=True))


@pytest.mark.parametrize("lie", [*OPENINGS, *LOOKS])
def test_a_lie_is_a_decode_error(lie: str, outcomes: dict[str, DecodeError | None]) -> None:
    error = outcomes[lie]
    assert error is not None
    if lie in SILENT:
        assert isinstance(error, DecodeTimeout)
    elif lie == "end":
        assert "process failed" in str(error)
    else:
        assert "nonsense" in str(error)
