"""The subtitle tracks of a video by preference, and reading one of them onto its clock."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from eva_graph_tools.errors import UnsupportedMedia
from eva_graph_tools.info import VideoInfo
from eva_graph_tools.reader import Opened, Reader
from eva_graph_tools.subtitles.ass import dialogue_text
from eva_graph_tools.subtitles.cues import Cue, clean, ordered
from eva_graph_tools.subtitles.labels import label
from eva_graph_tools.subtitles.languages import language_tag, same_language
from eva_graph_tools.subtitles.sidecar import find_sidecars, read_sidecar
from eva_graph_tools.subtitles.transcript import Transcript

# Broadcast containers count from an arbitrary moment, not from where a subtitle file begins.
_FREE_RUNNING = {"mpegts", "mpeg"}
# Closed captions; subtitles for the deaf and hard of hearing.
_NO_LANGUAGES = {"cc", "sdh"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """Where subtitles come from.

    Attributes:
        label: what a person or a policy calls it, "en (srt)".
        language: "en", "pt-BR", …; None where nobody says.
        file: the subtitle file; None for a track of the video file itself.
        number: the track's place among the text tracks of the video file.
        given: somebody named the file, so it may be reached by a link.
    """

    label: str
    language: str | None
    file: Path | None = None
    number: int = 0
    given: bool = False


def find_tracks(opened: Opened, given: Path | None) -> tuple[Track, ...]:
    """The tracks of a video: the file given, files beside it, tracks inside it."""
    stem = opened.path.stem
    files = [path for path in find_sidecars(opened.path) if path != given]
    tracks = [_file_track(path, stem, given=False) for path in files]
    tracks += [
        Track(label=name, language=language_tag(name.partition(" ")[0]), number=number)
        for number, name in enumerate(opened.info.transcripts)
    ]
    return tuple([_file_track(given, stem, given=True), *tracks] if given is not None else tracks)


def choose(tracks: Sequence[Track], language: str | None, video: str) -> Track:
    """The first track, of a language if one is asked for.

    Raises:
        UnsupportedMedia: there is none.
    """
    for track in tracks:
        if language is None or same_language(language, track.language):
            return track
    if not tracks:
        raise UnsupportedMedia(f"{video}: it has no subtitles, give a file with subtitles=…")
    known = ", ".join(track.label for track in tracks)
    raise UnsupportedMedia(f"{video}: no subtitles in {language!r:.40}, there are {known}")


def read_track(reader: Reader, track: Track, *, timeout_seconds: float | None) -> Transcript:
    """The lines of a track, from the video's first frame on.

    Raises:
        UnsupportedMedia: the subtitle file cannot be read.
        DecodeTimeout: it took longer.
    """
    if track.file is None:
        reply = reader.perform(
            "subtitles", {"track": track.number}, timeout_seconds=timeout_seconds
        )
        text_of = dialogue_text if reply.values["styled"] else clean
        found = [Cue(start, end, text_of(text)) for start, end, text in reply.values["cues"]]
        lines = ordered(found, 0, -reader.opened.info.start_offset_seconds)
    else:
        cues, unread = read_sidecar(track.file, follow_links=track.given)
        lines = ordered(cues, unread, -_file_zero_seconds(reader.opened.info))
    return Transcript(
        label=track.label, language=track.language, cues=lines.cues, dropped=lines.dropped
    )


def _file_track(path: Path, stem: str, *, given: bool) -> Track:
    """A track of `talk.en.forced.srt`: its first qualifier that is a language counts."""
    rest = path.stem.removeprefix(stem) if path.stem.startswith(stem) else path.stem
    qualifiers = [name for name in rest.split(".")[1:] if name.lower() not in _NO_LANGUAGES]
    language = next((tag for tag in map(language_tag, qualifiers) if tag), None)
    kind = path.suffix[1:].lower()
    return Track(label=label(language, kind), language=language, file=path, given=given)


def _file_zero_seconds(info: VideoInfo) -> float:
    """The video's time zero on the clock of a subtitle file: that of the container, as it plays."""
    return 0.0 if info.container in _FREE_RUNNING else info.start_offset_seconds
