"""What was measured of a video, kept on disk, so that a second look for scenes decodes nothing.

An entry is found by the video's identity, the file's time of change and what was measured, and
holds plain numbers (`eva_graph_tools.disk_cache`).

The folder is `scenes` in the user's cache. The environment variable `EVA_GRAPH_SCENE_CACHE` names
another one; set to nothing it turns the cache off.
"""

import io
import zipfile
from contextlib import suppress
from pathlib import Path

import av
import numpy as np

from eva_graph_tools.disk_cache import cache_folder, entry_path, read_entry, write_entry
from eva_graph_tools.reader import Array, Opened

Arrays = dict[str, Array]

_VARIABLE = "EVA_GRAPH_SCENE_CACHE"
_FORMAT = b"eva-graph scenes 2\n"


def load(opened: Opened, what: str) -> Arrays | None:
    """What was kept of a video under a name, or None; the name tells versions apart."""
    folder = cache_folder("scenes", _VARIABLE)
    if folder is None:
        return None
    try:
        content = read_entry(_path(folder, opened, what), _FORMAT)
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return dict(arrays)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def keep(opened: Opened, what: str, arrays: Arrays) -> None:
    """Keep arrays. Where the folder cannot be written nothing is kept, and nothing is wrong."""
    folder = cache_folder("scenes", _VARIABLE)
    if folder is None:
        return
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    with suppress(OSError):
        write_entry(_path(folder, opened, what), _FORMAT, buffer.getvalue())


def _path(folder: Path, opened: Opened, what: str) -> Path:
    facts = [opened.video_id, what, f"av {av.__version__}"]
    return entry_path(folder, opened.path, facts, ".npz")
