"""Where a `FrameIndex` comes from: the file's own tables, an earlier scan, or a scan.

All three give the same index. Tables are read in milliseconds whatever the length of the video, so
only what had to be scanned is kept on disk.
"""

from pathlib import Path

import av

from eva_graph_tools.deadline import Deadline
from eva_graph_tools.index import FrameIndex
from eva_graph_tools.indexing.cache import cache_folder, keep_index, load_index
from eva_graph_tools.indexing.columns import assemble
from eva_graph_tools.indexing.sample_tables import read_tables
from eva_graph_tools.indexing.scan import scan


def build_index(
    file: Path,
    video_id: str,
    container: av.container.InputContainer,
    stream: av.VideoStream,
    deadline: Deadline,
) -> FrameIndex | None:
    """The index of a stream of an open file; None if nothing of it is shown.

    The container may be left at its end.

    Raises:
        DecodeTimeout: the deadline passed.
    """
    columns = read_tables(file, container, stream)
    if columns is not None:
        return assemble(container, stream, columns)
    folder = cache_folder()
    if folder is not None and (kept := load_index(folder, video_id, file)) is not None:
        return kept
    columns = scan(container, stream, deadline)
    index = assemble(container, stream, columns) if columns is not None else None
    if folder is not None and index is not None:
        keep_index(folder, video_id, file, index)
    return index


__all__ = ["build_index"]
