"""The clips that the tool tests look at, one per codec, container or oddity."""

from dataclasses import replace
from fractions import Fraction

from numbered_video import Recipe

VARIABLE = tuple(
    int(90_000 * t) for t in (0, 0.04, 0.1, 0.11, 0.5, 0.52, 2.5, 2.54, 2.6, 3.7, 3.74)
)
TICKS_10_FPS = tuple(range(200))
X265 = {"x265-params": "log-level=error:open-gop=0", "preset": "ultrafast"}
X265_OPEN = {
    "x265-params": "log-level=error:open-gop=1:keyint=12:min-keyint=12:scenecut=0:bframes=4"
    ":b-adapt=0",
    "preset": "ultrafast",
}
VPX = {"deadline": "realtime", "cpu-used": "8"}
ALT_REF = {"deadline": "good", "cpu-used": "5", "auto-alt-ref": "1", "lag-in-frames": "16"}

RECIPES: dict[str, Recipe] = {
    "h264_mp4": Recipe(suffix="mp4"),
    "h264_mov": Recipe(suffix="mov"),
    "h264_mkv": Recipe(suffix="mkv"),
    "h264_ts": Recipe(suffix="ts"),
    "h264_avi": Recipe(suffix="avi"),
    "h264_raw": Recipe(suffix="h264"),
    "h264_no_b": Recipe(suffix="mp4", b_frames=0),
    "h264_one_gop": Recipe(suffix="mp4", gop=1000, b_frames=3),
    "h264_open_gop": Recipe(
        suffix="mp4", b_frames=3, options={"x264-params": "open-gop=1:scenecut=0:keyint=12"}
    ),
    "h264_intra_refresh": Recipe(
        suffix="mp4", b_frames=0, gop=20, options={"x264-params": "intra-refresh=1"}
    ),
    "h264_fragments": Recipe(
        suffix="mp4", container_options={"movflags": "frag_keyframe+empty_moov"}
    ),
    "h264_10_bit": Recipe(suffix="mkv", pix_fmt="yuv420p10le"),
    "hevc_mp4": Recipe(suffix="mp4", codec="libx265", options=X265),
    "hevc_open_gop": Recipe(suffix="mkv", codec="libx265", options=X265_OPEN),
    "vp8_webm": Recipe(suffix="webm", codec="libvpx", b_frames=0, options=VPX),
    "vp8_alt_ref": Recipe(suffix="webm", codec="libvpx", b_frames=0, options=ALT_REF),
    "vp9_webm": Recipe(suffix="webm", codec="libvpx-vp9", b_frames=0, options=VPX),
    "av1_mp4": Recipe(suffix="mp4", codec="libsvtav1", b_frames=0, options={"preset": "12"}),
    "mpeg4_avi": Recipe(suffix="avi", codec="mpeg4"),
    "mpeg4_mp4": Recipe(suffix="mp4", codec="mpeg4"),
    "mpeg2_ts": Recipe(suffix="ts", codec="mpeg2video"),
    "mpeg2_mpg": Recipe(suffix="mpg", codec="mpeg2video"),
    "mjpeg_avi": Recipe(suffix="avi", codec="mjpeg", pix_fmt="yuvj420p", b_frames=0),
    "gif": Recipe(suffix="gif", codec="gif", pix_fmt="rgb8", b_frames=0),
    "variable_mp4": Recipe(suffix="mp4", ticks=VARIABLE, time_base=Fraction(1, 90_000)),
    "variable_mkv": Recipe(suffix="mkv", ticks=VARIABLE, time_base=Fraction(1, 90_000)),
    "offset_mkv": Recipe(suffix="mkv", ticks=tuple(range(125, 185))),
    "offset_mp4": Recipe(suffix="mp4", ticks=tuple(range(125, 185))),
    "offset_ts": Recipe(suffix="ts", ticks=tuple(range(90_000, 90_060))),
    "audio_first_mp4": Recipe(suffix="mp4", ticks=tuple(range(50, 110)), audio_seconds=5),
    "audio_first_mkv": Recipe(suffix="mkv", ticks=tuple(range(50, 110)), audio_seconds=5),
    "single_frame": Recipe(suffix="mp4", ticks=(0,)),
    "long": Recipe(
        suffix="mp4",
        ticks=TICKS_10_FPS,
        time_base=Fraction(1, 10),
        gop=25,
        options={"sc_threshold": "0"},
    ),
    "long_sparse_keys": Recipe(
        suffix="mp4",
        ticks=TICKS_10_FPS,
        time_base=Fraction(1, 10),
        gop=70,
        options={"sc_threshold": "0"},
    ),
}

_CODECS: dict[str, Recipe] = {
    "h264": Recipe(suffix="", gop=17, b_frames=3),
    "hevc": Recipe(suffix="", codec="libx265", gop=17, options=X265),
    "vp9": Recipe(suffix="", codec="libvpx-vp9", gop=17, b_frames=0, options=VPX),
    "av1": Recipe(suffix="", codec="libsvtav1", gop=17, b_frames=0, options={"preset": "12"}),
    "mpeg4": Recipe(suffix="", codec="mpeg4", gop=17),
    "mjpeg": Recipe(suffix="", codec="mjpeg", pix_fmt="yuvj420p", b_frames=0),
}
_CONTAINERS: dict[str, tuple[str, ...]] = {
    "h264": ("mp4", "mkv", "mov", "ts", "avi"),
    "hevc": ("mp4", "mkv", "mov", "ts"),
    "vp9": ("webm", "mkv", "mp4"),
    "av1": ("mp4", "mkv", "webm"),
    "mpeg4": ("mp4", "mkv", "mov", "ts", "avi"),
    "mjpeg": ("mkv", "mov", "avi"),
}
MATRIX: dict[str, Recipe] = {
    f"matrix_{codec}_{suffix}": replace(
        _CODECS[codec], suffix=suffix, ticks=tuple(range(50)), time_base=Fraction(1, 10)
    )
    for codec, suffixes in _CONTAINERS.items()
    for suffix in suffixes
}
"""Every codec in every container that takes it: five seconds, ten frames a second."""
