"""`Video`: frames of a video file at exact times, its scenes, subtitles and cuts.

Times are seconds from the first displayed frame. A `Video` may be shared by threads: their calls
decode side by side, each on a decoder of its own, and release the interpreter lock while they do.
"""

from dataclasses import replace
from os import PathLike
from pathlib import Path
from types import TracebackType

from PIL import Image

from eva_graph_tools.contact_sheet import cell_size, draw_sheet
from eva_graph_tools.cutting.operation import MAX_CUT_BYTES, make_cut
from eva_graph_tools.cutting.request import Cut
from eva_graph_tools.errors import SeekOutOfRange, UnsupportedMedia
from eva_graph_tools.local_reader import LocalReader
from eva_graph_tools.media import regular_file
from eva_graph_tools.media_root import still_within, within
from eva_graph_tools.reader import Reader
from eva_graph_tools.scenes.finding import AskedTier, find_scenes
from eva_graph_tools.scenes.rules import DEFAULT_THRESHOLD
from eva_graph_tools.scenes.scene_list import SceneList
from eva_graph_tools.subtitles.sidecar import check_sidecar
from eva_graph_tools.subtitles.tracks import Track, choose, find_tracks, read_track
from eva_graph_tools.subtitles.transcript import Transcript
from eva_graph_tools.timecode import format_seconds
from eva_graph_tools.video_frames import VideoFrames


class Video(VideoFrames):
    """An open video file. Thread safe; use as a context manager or call `close`.

        with Video.open("talk.mp4") as video:
            frames = video.frames_at([12.0, 13.5], resize=0.5)

    Attributes:
        path: the file, absolute.
        info: its `VideoInfo`.
        video_id: "sha256:<hex>" of its size, first and last MiB.
    """

    def __init__(self, reader: Reader, *, subtitles: Path | None = None) -> None:
        """Use `Video.open`."""
        super().__init__(reader)
        self._tracks = find_tracks(reader.opened, subtitles)
        self._transcripts: dict[Track, Transcript] = {}
        labels = tuple(track.label for track in self._tracks)
        self.info = replace(reader.opened.info, transcripts=labels)

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
        file = Path(path) if media_root is None else within(path, media_root)
        # What is read later must be the same file, also from another working directory.
        file = regular_file(file).absolute()
        subtitle_file: Path | None = None
        if subtitles is not None:
            given = Path(subtitles) if media_root is None else within(subtitles, media_root)
            subtitle_file = check_sidecar(given).absolute()
        if isolated:
            from eva_graph_tools.isolation import open_isolated

            reader: Reader = open_isolated(file, timeout_seconds=timeout_seconds)
        else:
            reader = LocalReader.open(file, timeout_seconds=timeout_seconds)
        if media_root is not None and not still_within(file, path, media_root):
            reader.close()
            raise UnsupportedMedia(f"{file.name}: the media folder changed, open it again")
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
            threshold: PySceneDetect's content score, 0 to 255, from which on a change is a cut; the
                index knows none.
            tier: how closely to look. "index": only where the encoder put key frames; "key": at
                the key frames; "full": at the pictures. A file that cannot be told by one of the
                first two is looked at more closely; `SceneList.tier` says what was done. "auto" is
                "full" up to five minutes, else "index", or "key" with a threshold of one's own.
            timeout_seconds: how long the call may take; the next one goes on where it stopped.

        Raises:
            SeekOutOfRange: the range leaves the video, or ends where it starts or before.
            InvalidArguments: a threshold out of bounds, or no such tier.
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
