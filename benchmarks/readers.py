"""Other libraries and the harness's structure, each used as its own documentation shows.

A reader is opened on a file and gives the frames of looks. All resize as the harness does, with
OpenCV's bicubic filter. Importing this module imports none of them: constructing a reader does.
"""

import subprocess
import sys
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import numpy as np
from barcode import Pixels
from looks import Look
from PIL import Image


class FrameReader(ABC):
    """One library at work on one file at a time."""

    labels_seconds: Sequence[float] | None = None
    """What the reader itself says of the times of the frames it gave last, if it says anything."""

    @abstractmethod
    def open(self, path: str) -> None:
        """Open a file; what was open before is closed."""

    @abstractmethod
    def take(self, look: Look) -> Sequence[Pixels | Path]:
        """Frames of a look, at its size: height x width x 3 RGB, or a picture file."""

    def keep(self, look: Look, folder: Path) -> Sequence[Path]:
        """The frames of a look as picture files in a folder."""
        paths = []
        for place, frame in enumerate(self.take(look)):
            assert not isinstance(frame, Path)
            path = folder / f"{place:04}.jpg"
            Image.fromarray(frame).save(path, quality=90)
            paths.append(path)
        return paths


class Torchcodec(FrameReader):
    """torchcodec's `VideoDecoder.get_frames_played_at`."""

    def __init__(self, mode: Literal["exact", "approximate"]) -> None:
        import cv2  # noqa: F401  resizing is part of the job

        self._make = import_module("torchcodec.decoders").VideoDecoder
        self._mode = mode

    def open(self, path: str) -> None:
        self._decoder = self._make(path, seek_mode=self._mode, dimension_order="NHWC")
        self._end = self._decoder.metadata.end_stream_seconds - 1e-4

    def take(self, look: Look) -> Sequence[Pixels | Path]:
        times = [min(t, self._end) for t in look.times_seconds()]
        return _resized(self._decoder.get_frames_played_at(times).data.numpy(), look)


class Decord(FrameReader):
    """decord in process: `get_batch` of the nearest indices by average frame rate."""

    def __init__(self) -> None:
        import cv2  # noqa: F401

        self._decord = import_module("decord")

    def open(self, path: str) -> None:
        self._reader = self._decord.VideoReader(path, ctx=self._decord.cpu(0))
        self._fps, self._count = self._reader.get_avg_fps(), len(self._reader)

    def take(self, look: Look) -> Sequence[Pixels | Path]:
        picked = [min(round(t * self._fps), self._count - 1) for t in look.times_seconds()]
        return _resized(self._reader.get_batch(picked).asnumpy(), look)


class OpenCv(FrameReader):
    """OpenCV's `VideoCapture`, sought by frame number."""

    def __init__(self) -> None:
        import cv2

        self._cv2 = cv2

    def open(self, path: str) -> None:
        cv2 = self._cv2
        self._capture = cv2.VideoCapture(path, cv2.CAP_FFMPEG)
        self._fps = self._capture.get(cv2.CAP_PROP_FPS)
        self._count = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))

    def take(self, look: Look) -> Sequence[Pixels | Path]:
        frames = []
        for seconds in look.times_seconds():
            number = min(int(seconds * self._fps + 1e-6), self._count - 1)
            self._capture.set(self._cv2.CAP_PROP_POS_FRAMES, number)
            ok, frame = self._capture.read()
            if ok:
                resized = _resized([frame], look)[0]
                frames.append(np.ascontiguousarray(resized[:, :, ::-1]))
        return frames


class PyAvRecipe(FrameReader):
    """PyAV as usually written: seek to the time, decode until past it."""

    def __init__(self) -> None:
        import av
        import cv2  # noqa: F401

        self._av = av
        self._container: Any = None

    def open(self, path: str) -> None:
        if self._container is not None:
            self._container.close()
        self._container = self._av.open(path)
        self._stream = self._container.streams.video[0]
        self._stream.thread_type = "AUTO"

    def take(self, look: Look) -> Sequence[Pixels | Path]:
        frames = []
        for seconds in look.times_seconds():
            self._container.seek(int(seconds / self._stream.time_base), stream=self._stream)
            shown = None
            for frame in self._container.decode(self._stream):
                if shown is not None and frame.time > seconds + 1e-6:
                    break
                shown = frame
            if shown is not None:
                frames += _resized([shown.to_ndarray(format="rgb24")], look)
        return frames


class HarnessStructure(FrameReader):
    """A fresh Python process per call, decord, PNG files, as the harness is built."""

    def __init__(self) -> None:
        import cv2  # noqa: F401

        import_module("decord")
        self._script = Path(__file__).with_name("harness_call.py")

    def open(self, path: str) -> None:
        self._path = path
        self._folders: list[tempfile.TemporaryDirectory[str]] = []

    def take(self, look: Look) -> Sequence[Pixels | Path]:
        self._folders.append(tempfile.TemporaryDirectory())
        return self.keep(look, Path(self._folders[-1].name))

    def keep(self, look: Look, folder: Path) -> Sequence[Path]:
        facts = (look.start_seconds, look.end_seconds, look.nframes, look.resize)
        subprocess.run(
            [sys.executable, str(self._script), self._path, *map(str, facts), str(folder)],
            check=True,
        )
        return sorted(folder.glob("*.png"))


def _resized(frames: Sequence[Pixels], look: Look) -> list[Pixels]:
    import cv2

    height, width = frames[0].shape[:2]
    size = look.size(width, height)
    resized = (cv2.resize(frame, size, interpolation=cv2.INTER_CUBIC) for frame in frames)
    return [np.asarray(frame, np.uint8) for frame in resized]
