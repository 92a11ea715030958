"""Typed video tools: exact frames, their references, and what they cost in visual tokens.

    with Video.open("talk.mp4") as video:
        frames = video.frame_select(600, 610, nframes=16, resize=0.3)

Importing this package loads neither LangGraph nor torch.
"""

from eva_graph_tools.arguments import ToolArguments
from eva_graph_tools.cached_looks import StoredLook, look_key, take_look
from eva_graph_tools.clip import ClipArguments
from eva_graph_tools.cutting.request import Cut
from eva_graph_tools.errors import (
    CannotCopy,
    DecodeError,
    DecodeTimeout,
    EvaGraphError,
    FrameMissing,
    InvalidArguments,
    SeekOutOfRange,
    StoreError,
    ToolError,
    UnsupportedMedia,
)
from eva_graph_tools.frame_select import FrameSelectArguments
from eva_graph_tools.frames import Frame, FrameRef, encode
from eva_graph_tools.info import VideoInfo
from eva_graph_tools.output import Artifact, ToolOutput
from eva_graph_tools.registry import TOOLS, PreparedLook, execute, offered_tools, prepare
from eva_graph_tools.restore import restore
from eva_graph_tools.scene_detect import SceneDetectArguments
from eva_graph_tools.scenes.scene_list import Scene, SceneList
from eva_graph_tools.seek import SeekArguments
from eva_graph_tools.sizing import VisualGrid
from eva_graph_tools.store import FrameStore
from eva_graph_tools.subtitles.cues import Cue
from eva_graph_tools.subtitles.transcript import Transcript
from eva_graph_tools.timecode import labels, parse_time
from eva_graph_tools.tool import LookSettings, Tool
from eva_graph_tools.transcript import TranscriptArguments
from eva_graph_tools.video import Video
from eva_graph_tools.zoom import ZoomArguments

__all__ = [
    "TOOLS",
    "Artifact",
    "CannotCopy",
    "ClipArguments",
    "Cue",
    "Cut",
    "DecodeError",
    "DecodeTimeout",
    "EvaGraphError",
    "Frame",
    "FrameMissing",
    "FrameRef",
    "FrameSelectArguments",
    "FrameStore",
    "InvalidArguments",
    "LookSettings",
    "PreparedLook",
    "Scene",
    "SceneDetectArguments",
    "SceneList",
    "SeekArguments",
    "SeekOutOfRange",
    "StoreError",
    "StoredLook",
    "Tool",
    "ToolArguments",
    "ToolError",
    "ToolOutput",
    "Transcript",
    "TranscriptArguments",
    "UnsupportedMedia",
    "Video",
    "VideoInfo",
    "VisualGrid",
    "ZoomArguments",
    "encode",
    "execute",
    "labels",
    "look_key",
    "offered_tools",
    "parse_time",
    "prepare",
    "restore",
    "take_look",
]
