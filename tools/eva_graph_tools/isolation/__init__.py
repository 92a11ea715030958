"""Reading untrusted video files in worker processes with limits on memory, time and descriptors.

    reader = open_isolated(Path("talk.mp4"), timeout_seconds=10)

`Video.open(path, isolated=True)` does so. Nothing here is loaded before it is asked for.
"""

from eva_graph_tools.isolation.limits import Limits
from eva_graph_tools.isolation.reader import IsolatedReader, open_isolated

__all__ = ["IsolatedReader", "Limits", "open_isolated"]
