"""The corpus of broken, odd and hostile files, made anew wherever it is wanted."""

from collections.abc import Callable
from pathlib import Path

from hostile_case import Case
from hostile_mp4 import MP4_CASES
from hostile_references import REFERENCE_CASES
from hostile_streams import STREAM_CASES

from eva_graph_tools import Video
from eva_graph_tools.isolation import Limits, open_isolated
from eva_graph_tools.media import regular_file

CASES: tuple[Case, ...] = (*REFERENCE_CASES, *STREAM_CASES, *MP4_CASES)
# A quarter of what a worker may use by default: no file here has an excuse for more.
LIMITS = Limits(memory_bytes=512 * 2**20, timeout_seconds=30)


def in_process(path: Path) -> Video:
    return Video.open(path)


def isolated(path: Path) -> Video:
    return Video(open_isolated(regular_file(path), limits=LIMITS))


WAYS: dict[str, Callable[[Path], Video]] = {"in process": in_process, "isolated": isolated}
