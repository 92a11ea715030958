"""eva_graph's own tools as a reader of the benchmarks."""

import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import platformdirs
from barcode import Pixels
from looks import Look
from readers import FrameReader

from eva_graph_tools import FrameStore, ToolOutput, Video, VisualGrid, look_key, take_look


class EvaGraph(FrameReader):
    """`Video.frame_select`, exact or auto; files through a `FrameStore` and its look cache."""

    def __init__(self, mode: Literal["auto", "exact"]) -> None:
        self._mode: Literal["auto", "exact"] = mode
        self._video: Video | None = None

    def open(self, path: str) -> None:
        """Opens cold: what an earlier opening left in the user's cache is removed first."""
        self.close()
        shutil.rmtree(platformdirs.user_cache_path("eva-graph"), ignore_errors=True)
        self._video = Video.open(path)

    def close(self) -> None:
        """Close the video."""
        if self._video is not None:
            self._video.close()

    def take(self, look: Look) -> Sequence[Pixels | Path]:
        output = self._run(look)
        self.labels_seconds = [frame.pts_seconds for frame in output.frames]
        return [frame.pixels for frame in output.frames]

    def keep(self, look: Look, folder: Path) -> Sequence[Path]:
        store = FrameStore(folder)
        stored = take_look(store, self._opened.video_id, self._key(look), lambda: self._run(look))
        self.labels_seconds = [ref.pts_seconds for ref in stored.frames]
        return [store.path(ref) for ref in stored.frames]

    def again_seconds(self, look: Look, times: int) -> tuple[float, float]:
        """CPU seconds of a look that was taken before: its references; and their bytes as well."""
        with tempfile.TemporaryDirectory() as folder:
            store = FrameStore(folder)
            self.keep(look, Path(folder))
            video_id, run = self._opened.video_id, lambda: self._run(look)
            started = time.process_time()
            for _ in range(times):
                again = take_look(store, video_id, self._key(look), run)
                assert again.cached
            looked = time.process_time()
            for _ in range(times):
                for ref in again.frames:
                    store.read(ref)
            read = time.process_time()
        return (looked - started) / times, (read - started) / times

    @property
    def _opened(self) -> Video:
        assert self._video is not None, "open a file first"
        return self._video

    def _run(self, look: Look) -> ToolOutput:
        video = self._opened
        size = look.size(video.info.width, video.info.height)
        if look.nframes == 1:
            return ToolOutput(frames=(video.seek(look.times_seconds()[0], size=size),))
        frames = video.frame_select(
            look.start_seconds, look.end_seconds, nframes=look.nframes, size=size, mode=self._mode
        )
        return ToolOutput(frames=tuple(frames))

    def _key(self, look: Look) -> str:
        applied = {**look.to_json(), "mode": self._mode}
        return look_key(self._opened.video_id, "frame_select", applied, VisualGrid())
