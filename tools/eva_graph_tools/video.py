"""`Video`: frames of a video file at exact times, under their true presentation times.

Times are seconds from the first displayed frame. The frame at time t is the one on screen at t: the
last whose presentation time is not after t. A `Video` may be shared by threads: their calls decode
side by side, each on a decoder of its own, and release the interpreter lock while they do.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from eva_graph_tools.contact_sheet import cell_size, draw_sheet
from eva_graph_tools.cutting.operation import MAX_CUT_BYTES, make_cut
from eva_graph_tools.cutting.request import Cut
from eva_graph_tools.errors import DecodeError, InvalidArguments, SeekOutOfRange
from eva_graph_tools.frames import Box, Frame
from eva_graph_tools.local_reader import LocalReader
from eva_graph_tools.media import regular_file
from eva_graph_tools.media_root import within
from eva_graph_tools.reader import Reader
from eva_graph_tools.sampling import Target, exact_targets, key_targets, range_targets
from eva_graph_tools.scenes.finding import AskedTier, find_scenes
from eva_graph_tools.scenes.rules import DEFAULT_THRESHOLD
from eva_graph_tools.scenes.scene_list import SceneList
from eva_graph_tools.subtitles.tracks import Track, choose, find_tracks, read_track
from eva_graph_tools.subtitles.transcript import Transcript
from eva_graph_tools.timecode import format_seconds

_EDGE_TOLERANCE_SECONDS = 1e-3
_MAX_SIDE_PIXELS = 16_384


class Video:
    """An open video file. Thread safe; use as a context manager or call `close`.

        with Video.open("talk.mp4") as video:
            frames = video.frames_at([12.0, 13.5], resize=0.5)

    Attributes:
        path: the file.
        info: its `VideoInfo`.
        video_id: "sha256:<hex>" of its size, first and last MiB.
    """

    def __init__(self, reader: Reader, *, subtitles: Path | None = None) -> None:
        """Use `Video.open`."""
        self._reader = reader
        self._tracks = find_tracks(reader.opened, subtitles)
        labels = tuple(track.label for track in self._tracks)
        self.path = reader.opened.path
        self.info = replace(reader.opened.info, transcripts=labels)
        self.video_id = reader.opened.video_id
        self._index = reader.opened.index
        self._transcripts: dict[Track, Transcript] = {}

    @cached_property
    def frame_times_seconds(self) -> npt.NDArray[np.float64]:
        """Presentation times of all displayed frames, ascending from 0.0; read only."""
        return self._index.all_seconds()

    @classmethod
    def open(
        cls,
        path: str | PathLike[str],
        *,
        isolated: bool = False,
        media_root: str | PathLike[str] | None = None,
        timeout_seconds: float | None = None,
        subtitles: str | PathLike[str] | None = None,
    ) -> "Video":
        """Open a video file: indexes its packets and decodes its first frame.

        Args:
            path: the file.
            isolated: read it in a worker process with limits on memory and time.
            media_root: refuse files that do not lie below this folder.
            timeout_seconds: how long opening may take.
            subtitles: a subtitle file; None finds those beside the video.

        Raises:
            UnsupportedMedia: not an existing video or subtitle file of a supported kind.
            DecodeTimeout: opening took longer.
            DecodeError: a video of which no frame can be decoded.
        """
        file = _checked(path, media_root)
        subtitle_file = None if subtitles is None else _checked(subtitles, media_root)
        if isolated:
            from eva_graph_tools.isolation import open_isolated

            reader: Reader = open_isolated(file, timeout_seconds=timeout_seconds)
        else:
            reader = LocalReader.open(file, timeout_seconds=timeout_seconds)
        return cls(reader, subtitles=subtitle_file)

    def close(self) -> None:
        """Release the file. Closing twice is fine; decoding afterwards raises `DecodeError`."""
        self._reader.close()

    def __enter__(self) -> "Video":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        info = self.info
        seconds = format_seconds(info.duration_seconds)
        return f"Video({self.path.name!r}, {seconds} s, {info.width}x{info.height}, {info.codec})"

    def frames_at(
        self,
        times_seconds: Iterable[float],
        *,
        resize: float = 1.0,
        size: tuple[int, int] | None = None,
        mode: Literal["exact", "key"] = "exact",
        box: Box | None = None,
        timeout_seconds: float | None = None,
    ) -> list[Frame]:
        """One frame per time, in the order given; any order, duplicates allowed.

        Args:
            times_seconds: each within the video; its end gives the last frame.
            resize: factor on both sides of the picture, or of `box` where one is given.
            size: width and height in pixels, in place of `resize`.
            mode: "exact": the frame on screen at the time. "key": the key frame nearest to it,
                which is far cheaper and carries its own true time.
            box: part of the picture to show, (x0, y0, x1, y1) as fractions of it.
            timeout_seconds: how long the call may take; None is unbounded.

        Raises:
            SeekOutOfRange: a time outside the video.
            InvalidArguments: resize, size or box make no picture.
            DecodeTimeout: the call took longer.
            DecodeError: a frame cannot be decoded, or the video is closed.
        """
        times = [self._within(seconds) for seconds in times_seconds]
        find = exact_targets if mode == "exact" else key_targets
        targets = find(self._index, times)
        frames = self._take(targets, self._size(resize, size, box), box, timeout_seconds)
        for seconds, frame in zip(times, frames, strict=True):
            if frame is None:
                raise self._undecodable(seconds)
        return [frame for frame in frames if frame is not None]

    def seek(
        self,
        time_seconds: float,
        *,
        resize: float = 1.0,
        size: tuple[int, int] | None = None,
        timeout_seconds: float | None = None,
    ) -> Frame:
        """The frame on screen at a time. Arguments and errors as in `frames_at`."""
        return self.frames_at(
            [time_seconds], resize=resize, size=size, timeout_seconds=timeout_seconds
        )[0]

    def zoom(
        self,
        time_seconds: float,
        box: Box,
        *,
        resize: float = 1.0,
        size: tuple[int, int] | None = None,
        timeout_seconds: float | None = None,
    ) -> Frame:
        """Part of the frame on screen at a time, by default pixel for pixel as displayed.

        `box` is (x0, y0, x1, y1) as fractions of the picture; the rest as in `frames_at`.
        """
        return self.frames_at(
            [time_seconds], resize=resize, size=size, box=box, timeout_seconds=timeout_seconds
        )[0]

    def frame_select(
        self,
        start_seconds: float,
        end_seconds: float,
        *,
        nframes: int,
        resize: float = 1.0,
        size: tuple[int, int] | None = None,
        mode: Literal["auto", "exact"] = "auto",
        box: Box | None = None,
        timeout_seconds: float | None = None,
    ) -> list[Frame]:
        """Frames spread over a range, in order of time, each frame once; `box` as in `frames_at`.

        "exact" takes the frames on screen at `nframes` even points from start to end, both
        included (one frame: the middle). "auto" does the same where they are less than a second
        apart; from a second on the range is cut into `nframes` equal intervals and each is
        represented by the key frame nearest to its centre, if one lies within half an interval
        (`Frame.snapped`), else by the frame on screen at its centre.

        A range that holds fewer frames than asked for gives those it holds. Frames of a damaged
        part are left out as long as one frame of the range can be decoded.

        Raises:
            SeekOutOfRange: the range leaves the video, or ends before it starts.
            InvalidArguments: nframes below 1, or resize, size or box make no picture.
            DecodeTimeout: the call took longer than `timeout_seconds`.
            DecodeError: no frame of the range can be decoded, or the video is closed.
        """
        start, end = self._within(start_seconds), self._within(end_seconds)
        if end < start:
            raise SeekOutOfRange(f"the range ends ({end:g} s) before it starts ({start:g} s)")
        if nframes < 1:
            raise InvalidArguments(f"nframes must be at least 1, not {nframes}")
        targets = range_targets(self._index, start, end, nframes, auto=mode == "auto")
        frames = self._take(targets, self._size(resize, size, box), box, timeout_seconds)
        kept = {frame.pts_seconds: frame for frame in reversed(frames) if frame is not None}
        if not kept:
            raise self._undecodable(targets[0].requested_seconds)
        return [kept[pts] for pts in sorted(kept)]

    def cut(
        self,
        start_seconds: float,
        end_seconds: float,
        path: str | PathLike[str],
        *,
        exact: bool = False,
        overwrite: bool = False,
        max_bytes: int = MAX_CUT_BYTES,
        timeout_seconds: float | None = None,
    ) -> Cut:
        """Write a range to a file of its own, with its sound; what the file really holds is told.

        Packets are copied, from the key frame at or before the start on, in a fraction of a
        second (`cutting.stream_copy`); or, if `exact`, pictures are encoded again, from the one
        on screen at the start to the end (`cutting.encoding`). The suffix of `path` chooses the
        container. The file appears complete or not at all.

        Raises:
            SeekOutOfRange: the range leaves the video.
            InvalidArguments: it is empty, the path is taken or of another kind, or the cut grows
                larger than `max_bytes`.
            CannotCopy: the container does not take the codec, or the file keeps no times.
            DecodeTimeout: the call took longer than `timeout_seconds`.
            DecodeError: nothing of it can be decoded.
            StoreError: the file cannot be written.
        """
        return make_cut(
            self._reader,
            self._within(start_seconds),
            self._within(end_seconds),
            Path(path),
            exact=exact,
            overwrite=overwrite,
            max_bytes=max_bytes,
            timeout_seconds=timeout_seconds,
        )

    def scenes(
        self,
        start_seconds: float = 0.0,
        end_seconds: float | None = None,
        *,
        threshold: float = DEFAULT_THRESHOLD,
        tier: AskedTier = "auto",
        timeout_seconds: float | None = None,
    ) -> SceneList:
        """The scenes of a range, the whole video by default (`scenes.finding`).

        Args:
            start_seconds, end_seconds: the range; None is the video's end.
            threshold: PySceneDetect's content score, 0 to 255, from which on a change is a cut.
            tier: how closely to look. "index": only where the encoder put key frames; "key": at
                the key frames; "full": at the pictures. A file that cannot be told by one of the
                first two is looked at more closely; `SceneList.tier` says what was done. "auto" is
                "full" up to five minutes, else "index".
            timeout_seconds: how long the call may take; the next one goes on where it stopped.

        Raises:
            SeekOutOfRange: the range leaves the video, or ends where it starts or before.
            InvalidArguments: a threshold out of bounds.
            DecodeTimeout: the call took longer.
            DecodeError: nothing can be decoded, or the video is closed.
            EvaGraphError: it has to look, and PySceneDetect is not installed.
        """
        start = self._within(start_seconds)
        end = self.info.duration_seconds if end_seconds is None else self._within(end_seconds)
        if end <= start:
            raise SeekOutOfRange(f"the range ends ({end:g} s) where it starts or before")
        return find_scenes(
            self._reader,
            start,
            end,
            threshold=threshold,
            tier=tier,
            timeout_seconds=timeout_seconds,
        )

    def transcript(
        self, language: str | None = None, *, timeout_seconds: float | None = None
    ) -> Transcript:
        """The lines of a subtitle track: of a `language` ("en"), or the preferred one.

        The file given comes first, then files beside the video, then tracks inside it. Times are
        those of the video. It is read once.

        Raises:
            UnsupportedMedia: there is none, or its file cannot be read.
            DecodeTimeout: it took longer than `timeout_seconds`.
        """
        track = choose(self._tracks, language, self.path.name)
        if track not in self._transcripts:
            read = read_track(self._reader, track, timeout_seconds=timeout_seconds)
            self._transcripts[track] = read
        return self._transcripts[track]

    def contact_sheet(
        self,
        *,
        columns: int = 4,
        rows: int = 4,
        width_pixels: int = 1280,
        timeout_seconds: float | None = None,
    ) -> Image.Image:
        """An overview for people: `columns` x `rows` frames of the whole video under their times.

        Save it with `.save("sheet.jpg")`. A video of fewer frames gives fewer rows.

        Raises:
            InvalidArguments: a grid of nothing, or one that leaves no room for pictures.
            DecodeTimeout, DecodeError: as in `frame_select`.
        """
        size = cell_size(self.info, columns, rows, width_pixels)
        frames = self.frame_select(
            0.0,
            self.info.duration_seconds,
            nframes=columns * rows,
            size=size,
            timeout_seconds=timeout_seconds,
        )
        return draw_sheet(frames, columns, width_pixels)

    def _take(
        self,
        targets: Sequence[Target],
        size: tuple[int, int],
        box: Box | None,
        timeout_seconds: float | None,
    ) -> list[Frame | None]:
        wanted = sorted({target.index for target in targets})
        arguments = {
            "wanted": wanted,
            "size": list(size),
            "box": None if box is None else list(box),
        }
        reply = self._reader.perform("frames", arguments, timeout_seconds=timeout_seconds)
        found = dict(zip([w for w, _ in reply.values["delivered"]], reply.arrays, strict=True))
        shown = dict(reply.values["delivered"])
        return [
            Frame(
                pts_seconds=self._index.seconds(shown[target.index]),
                requested_seconds=target.requested_seconds,
                snapped=target.snapped,
                pixels=found[target.index],
                box=box,
            )
            if target.index in found
            else None
            for target in targets
        ]

    def _within(self, seconds: float) -> float:
        duration = self.info.duration_seconds
        if not -_EDGE_TOLERANCE_SECONDS <= seconds <= duration + _EDGE_TOLERANCE_SECONDS:
            raise SeekOutOfRange(
                f"{seconds:g} s is outside the video (0 to {format_seconds(duration)} s)"
            )
        return min(max(float(seconds), 0.0), duration)

    def _size(
        self, resize: float, size: tuple[int, int] | None, box: Box | None
    ) -> tuple[int, int]:
        x0, y0, x1, y1 = box or (0.0, 0.0, 1.0, 1.0)
        if not (0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1):
            raise InvalidArguments(f"box {box} is not (x0, y0, x1, y1) with 0 <= x0 < x1 <= 1")
        if size is None:
            if not (math.isfinite(resize) and resize > 0):
                raise InvalidArguments(f"resize must be a positive number, not {resize}")
            width = max(1, round(self.info.width * (x1 - x0) * resize))
            size = width, max(1, round(self.info.height * (y1 - y0) * resize))
        if not all(1 <= side <= _MAX_SIDE_PIXELS for side in size):
            raise InvalidArguments(
                f"frames of {size[0]}x{size[1]} pixels: sides are 1 to {_MAX_SIDE_PIXELS}"
            )
        return size

    def _undecodable(self, seconds: float) -> DecodeError:
        return DecodeError(
            f"{self.path.name}: nothing can be decoded at {format_seconds(seconds)} s, "
            "the file is damaged there; ask for another time"
        )


def _checked(path: str | PathLike[str], media_root: str | PathLike[str] | None) -> Path:
    return regular_file(Path(path)) if media_root is None else within(path, media_root)
