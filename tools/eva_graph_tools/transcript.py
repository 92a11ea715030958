"""`transcript`: lines of a video's subtitles, found by their words or by time. Costs no frames."""

from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from eva_graph_tools.arguments import Time, ToolArguments, clamp_range
from eva_graph_tools.info import VideoInfo
from eva_graph_tools.output import ToolOutput
from eva_graph_tools.plain_text import plain, untagged
from eva_graph_tools.sizing import VisualGrid
from eva_graph_tools.subtitles.cues import Cue
from eva_graph_tools.subtitles.transcript import Transcript
from eva_graph_tools.timecode import labels
from eva_graph_tools.tool import LookSettings, Tool
from eva_graph_tools.video import Video

MAX_LINES = 60
MAX_BYTES = 4200
"""Of the lines in UTF-8: about 1,400 tokens, also in scripts of which a letter is a token."""
_TEXT_TOKENS = 1500
_SHOWN_QUERY_CHARACTERS = 60


class TranscriptArguments(ToolArguments):
    """What to look for, or which range to read."""

    forms: ClassVar = (
        ("query",),
        ("start_time", "end_time"),
        ("query", "start_time", "end_time"),
    )

    query: str | None = Field(
        default=None,
        min_length=1,
        max_length=300,
        description="Words to find; the lines that match best come first. With a range, only "
        "its lines are searched.",
    )
    start_time: Time | None = Field(
        default=None,
        description="Start of the range to read or search: seconds or [HH:]MM:SS[.mmm].",
    )
    end_time: Time | None = Field(default=None, description="End of the range.")


def clamp(arguments: TranscriptArguments, info: VideoInfo) -> tuple[TranscriptArguments, list[str]]:
    """Hold the range to the video.

    Raises:
        InvalidArguments: the range is empty or outside the video.
    """
    if arguments.start_time is None or arguments.end_time is None:
        return arguments, []
    start, end, notes = clamp_range(
        "transcript", arguments.start_time, arguments.end_time, info.duration_seconds
    )
    return arguments.model_copy(update={"start_time": start, "end_time": end}), notes


def fit(
    arguments: TranscriptArguments, info: VideoInfo, grid: VisualGrid, budget: int
) -> tuple[TranscriptArguments, list[str]]:
    """Nothing to reduce: text costs no visual tokens."""
    return arguments, []


def estimate(arguments: TranscriptArguments, info: VideoInfo, grid: VisualGrid) -> int:
    """0: no frame is shown."""
    return 0


def run(video: Video, arguments: TranscriptArguments, settings: LookSettings) -> ToolOutput:
    """The lines, one each under its time, and how to get those that are left out."""
    lines = video.transcript(timeout_seconds=settings.timeout_seconds)
    start = arguments.start_time or 0.0
    end = video.info.duration_seconds if arguments.end_time is None else arguments.end_time
    if arguments.query is None:
        return ToolOutput(text=_read(lines, start, end))
    return ToolOutput(text=_searched(lines, arguments.query, start, end))


def _read(transcript: Transcript, start: float, end: float) -> str:
    cues = transcript.between(start, end)
    head = f"transcript {transcript.label} from {_clock(start)} to {_clock(end)}:"
    if not cues:
        return f"{head}\nno line in this range"
    shown = _shown(cues)
    if len(shown) < len(cues):
        rest = cues[len(shown)].start_seconds
        shown.append(
            f"({len(cues) - len(shown)} more lines: ask for start_time {_clock(rest)}, "
            f"end_time {_clock(end)})"
        )
    return "\n".join([head, *shown])


def _searched(transcript: Transcript, query: str, start: float, end: float) -> str:
    cues = transcript.search(query, start_seconds=start, end_seconds=end)
    asked = untagged(plain(query, _SHOWN_QUERY_CHARACTERS))
    head = f"transcript {transcript.label}, lines that match '{asked}', best first:"
    if not cues:
        return f"{head}\nno line matches, try other words or read a range"
    shown = _shown(cues)
    if len(shown) < len(cues):
        shown.append(
            f"({len(cues) - len(shown)} more lines match: give more words, or search a range)"
        )
    return "\n".join([head, *shown])


def _shown(cues: Sequence[Cue]) -> list[str]:
    """As many lines as there is room for; one at least."""
    lines: list[str] = []
    used = 0
    for cue in cues[:MAX_LINES]:
        line = f"[{_clock(cue.start_seconds)}] {cue.text}"
        used += len(line.encode())
        if lines and used > MAX_BYTES:
            break
        lines.append(line)
    return lines


def _clock(seconds: float) -> str:
    return labels([seconds])[0]


def offered(info: VideoInfo) -> bool:
    """Where there are subtitles."""
    return bool(info.transcripts)


TRANSCRIPT = Tool(
    name="transcript",
    description="Reads what is said in the video, from its subtitles: the lines that match a "
    "query, or those of a time range. Each line starts with its time. Costs no visual tokens.",
    arguments=TranscriptArguments,
    clamp=clamp,
    fit=fit,
    estimate=estimate,
    run=run,
    text_tokens=_TEXT_TOKENS,
    offered=offered,
)
