"""The files of the exactness matrix: one per codec, container, timing or geometry that goes wrong.

All show up to 300 numbered frames, mostly 10 s at 30 a second. Recipes of `ENCODED` are encoded;
those of `DERIVED` are made from the bytes or the packets of an encoded one by `matrix_clips`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

FRAMES = 300
_MILLISECOND_TICKS = 90
_30 = tuple(range(FRAMES))


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a clip is encoded.

    Attributes:
        suffix: of the file, which is its container.
        codec: the encoder.
        pix_fmt, size, sample_aspect_ratio: of the stored picture.
        ticks: when each frame appears, in `time_base` units.
        gop, b_frames: None leaves the encoder's own default.
        options, container_options: FFmpeg's.
        sound_lead_ticks: None: no sound; else how long sound is heard before the first frame.
        rotate_degrees, mirror: the display matrix.
        stored_turns: quarter turns of the stored picture that the display matrix undoes.
        piped: written to a pipe, so without an index or a duration.
        colour: attributes of the codec context.
    """

    suffix: str
    codec: str = "libx264"
    pix_fmt: str = "yuv420p"
    size: tuple[int, int] = (320, 180)
    sample_aspect_ratio: Fraction = Fraction(1)
    ticks: Sequence[int] = _30
    time_base: Fraction = Fraction(1, 30)
    gop: int | None = 48
    b_frames: int | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    container_options: Mapping[str, str] = field(default_factory=dict)
    sound_lead_ticks: int | None = None
    rotate_degrees: int = 0
    mirror: bool = False
    stored_turns: int = 0
    piped: bool = False
    colour: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Derived:
    """A file made from another.

    Attributes:
        source: name of the encoded recipe.
        suffix: of the new file.
        change: what is done, a function of `matrix_changes` by name.
        whole: every frame of the source that it shows can be decoded.
    """

    source: str
    suffix: str
    change: str
    whole: bool = True


def _variable_ticks() -> tuple[int, ...]:
    """Irregular steps and a freeze of 2 s, on a clock of 90 kHz."""
    ticks, now = [], 0
    for number in range(220):
        ticks.append(now)
        freeze = 2000 if number == 100 else 0
        now += _MILLISECOND_TICKS * (11 + number * number * 7 % 83 + freeze)
    return tuple(ticks)


_SOUND: dict[str, Any] = {"sound_lead_ticks": 0}
_X265 = {"x265-params": "log-level=error:open-gop=0", "preset": "ultrafast"}
_X265_OPEN = {
    "x265-params": "log-level=error:open-gop=1:keyint=48:min-keyint=48:scenecut=0:bframes=4"
    ":b-adapt=0",
    "preset": "veryfast",
}
_HDR = {
    "x265-params": "log-level=error:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc",
    "preset": "ultrafast",
}
_VPX = {"deadline": "realtime", "cpu-used": "8", "b": "800k"}
_ALT_REF = {
    "deadline": "good",
    "cpu-used": "5",
    "auto-alt-ref": "1",
    "lag-in-frames": "16",
    "b": "600k",
}
_SVT = {"preset": "12", "crf": "35", "svtav1-params": "keyint=48"}
_VARIABLE: dict[str, Any] = {"ticks": _variable_ticks(), "time_base": Fraction(1, 90_000)}
_FRAGMENTS = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
_PAL = Fraction(16, 15)

ENCODED: dict[str, Recipe] = {
    "h264": Recipe(suffix="mp4", **_SOUND),
    "h264_gop_250": Recipe(suffix="mp4", gop=250, options={"sc_threshold": "0"}),
    "h264_one_gop": Recipe(suffix="mp4", gop=10_000, options={"sc_threshold": "0"}),
    "h264_no_b": Recipe(suffix="mp4", b_frames=0),
    "h264_deep_b": Recipe(suffix="mp4", b_frames=8, options={"x264-params": "b-adapt=0:ref=6"}),
    "h264_open_gop": Recipe(
        suffix="mp4", b_frames=3, options={"x264-params": "open-gop=1:scenecut=0:keyint=48"}
    ),
    "h264_intra_refresh": Recipe(
        suffix="mp4", b_frames=0, gop=60, options={"x264-params": "intra-refresh=1"}
    ),
    "h264_no_edit_list": Recipe(suffix="mp4", container_options={"use_editlist": "0"}),
    "h264_fragments": Recipe(suffix="mp4", container_options=_FRAGMENTS),
    "h264_faststart": Recipe(suffix="mp4", container_options={"movflags": "faststart"}),
    "h264_ntsc": Recipe(suffix="mp4", time_base=Fraction(1001, 30_000)),
    "h264_444": Recipe(suffix="mp4", pix_fmt="yuv444p"),
    "h264_10_bit": Recipe(suffix="mkv", pix_fmt="yuv420p10le"),
    "h264_full_range": Recipe(suffix="mp4", colour={"color_range": 2, "colorspace": 1}),
    "h264_interlaced": Recipe(suffix="mp4", options={"x264-params": "interlaced=1"}),
    "h264_mov": Recipe(suffix="mov"),
    "h264_mkv": Recipe(suffix="mkv", **_SOUND),
    "h264_mkv_open_gop": Recipe(
        suffix="mkv", b_frames=3, options={"x264-params": "open-gop=1:scenecut=0:keyint=48"}
    ),
    "h264_piped": Recipe(suffix="mkv", piped=True),
    "h264_ts": Recipe(suffix="ts", **_SOUND),
    "h264_ts_open_gop": Recipe(
        suffix="ts", b_frames=3, options={"x264-params": "open-gop=1:scenecut=0:keyint=48"}
    ),
    "h264_flv": Recipe(suffix="flv"),
    "h264_avi": Recipe(suffix="avi", b_frames=2),
    "h264_avi_no_b": Recipe(suffix="avi", b_frames=0),
    "hevc": Recipe(suffix="mp4", codec="libx265", options=_X265),
    "hevc_open_gop": Recipe(suffix="mkv", codec="libx265", options=_X265_OPEN),
    "hevc_mp4_open_gop": Recipe(suffix="mp4", codec="libx265", options=_X265_OPEN),
    "hevc_hdr10": Recipe(suffix="mp4", codec="libx265", pix_fmt="yuv420p10le", options=_HDR),
    "hevc_ts": Recipe(suffix="ts", codec="libx265", options=_X265),
    "vp8": Recipe(suffix="webm", codec="libvpx", options=_VPX),
    "vp8_alt_ref": Recipe(suffix="webm", codec="libvpx", options=_ALT_REF),
    "vp9": Recipe(suffix="webm", codec="libvpx-vp9", options=_VPX),
    "vp9_alt_ref": Recipe(suffix="webm", codec="libvpx-vp9", options=_ALT_REF),
    "vp9_mp4": Recipe(suffix="mp4", codec="libvpx-vp9", options=_ALT_REF),
    "av1": Recipe(suffix="mp4", codec="libsvtav1", options=_SVT),
    "av1_mkv": Recipe(suffix="mkv", codec="libsvtav1", options=_SVT),
    "av1_webm": Recipe(suffix="webm", codec="libsvtav1", options=_SVT),
    "mpeg4": Recipe(suffix="mp4", codec="mpeg4", b_frames=2, options={"qscale": "3"}),
    "mpeg4_mkv": Recipe(suffix="mkv", codec="mpeg4", b_frames=2),
    "mpeg4_avi": Recipe(suffix="avi", codec="mpeg4", b_frames=0),
    "mpeg4_avi_b": Recipe(suffix="avi", codec="mpeg4", b_frames=2),
    "mpeg2_ts": Recipe(suffix="ts", codec="mpeg2video", gop=30, b_frames=2),
    "mpeg2_mpg": Recipe(suffix="mpg", codec="mpeg2video", gop=30, b_frames=2),
    "mjpeg_avi": Recipe(suffix="avi", codec="mjpeg", pix_fmt="yuvj420p"),
    "mjpeg_mov": Recipe(suffix="mov", codec="mjpeg", pix_fmt="yuvj420p"),
    "prores_mov": Recipe(suffix="mov", codec="prores_ks", pix_fmt="yuv422p10le"),
    "ffv1_mkv": Recipe(suffix="mkv", codec="ffv1"),
    "flv1_flv": Recipe(suffix="flv", codec="flv1", gop=30),
    "wmv2_asf": Recipe(suffix="asf", codec="wmv2", gop=30),
    "gif": Recipe(suffix="gif", codec="gif", pix_fmt="rgb8", ticks=_30[:60]),
    "apng": Recipe(suffix="apng", codec="apng", pix_fmt="rgb24", ticks=_30[:60]),
    "variable": Recipe(suffix="mp4", **_VARIABLE),
    "variable_mkv": Recipe(suffix="mkv", **_VARIABLE),
    "variable_ts": Recipe(suffix="ts", **_VARIABLE),
    "variable_webm": Recipe(suffix="webm", codec="libvpx-vp9", options=_ALT_REF, **_VARIABLE),
    "variable_fragments": Recipe(suffix="mp4", container_options=_FRAGMENTS, **_VARIABLE),
    "offset_5_s": Recipe(suffix="mp4", ticks=tuple(range(150, 450))),
    "offset_5_s_mkv": Recipe(suffix="mkv", ticks=tuple(range(150, 450))),
    "offset_3600_s": Recipe(suffix="mp4", ticks=tuple(range(108_000, 108_300))),
    "offset_3600_s_ts": Recipe(suffix="ts", ticks=tuple(range(108_000, 108_300)), **_SOUND),
    "sound_first": Recipe(suffix="mp4", sound_lead_ticks=60, ticks=tuple(range(60, 360))),
    "sound_first_mkv": Recipe(suffix="mkv", sound_lead_ticks=60, ticks=tuple(range(60, 360))),
    "rotated_90": Recipe(suffix="mp4", rotate_degrees=90, stored_turns=-1),
    "rotated_180": Recipe(suffix="mkv", rotate_degrees=180, stored_turns=2),
    "rotated_270": Recipe(suffix="mov", rotate_degrees=270, stored_turns=1),
    "mirrored": Recipe(suffix="mp4", mirror=True),
    "wide_pixels": Recipe(suffix="mp4", sample_aspect_ratio=_PAL),
    "odd_size": Recipe(suffix="mkv", size=(319, 179), pix_fmt="yuv444p"),
    "single_frame": Recipe(suffix="mp4", ticks=(0,)),
    "single_frame_webm": Recipe(suffix="webm", codec="libvpx-vp9", options=_VPX, ticks=(0,)),
    "two_frames": Recipe(suffix="mp4", ticks=(0, 1)),
    "strange name 'ünï' %d": Recipe(suffix="mp4"),
}

DERIVED: dict[str, Derived] = {
    "cut_mp4": Derived(source="h264", suffix="mp4", change="cut"),
    "cut_mkv": Derived(source="h264_mkv", suffix="mkv", change="cut"),
    "cut_ts": Derived(source="h264_ts", suffix="ts", change="cut"),
    "cut_mov": Derived(source="h264_mov", suffix="mov", change="cut"),
    "cut_open_gop": Derived(source="h264_open_gop", suffix="mp4", change="cut"),
    "negative_mp4": Derived(source="h264_no_b", suffix="mp4", change="below_zero"),
    "two_streams": Derived(source="h264", suffix="mkv", change="with_second_video"),
    "cut_off_mp4": Derived(source="h264_faststart", suffix="mp4", change="cut_off", whole=False),
    "cut_off_mkv": Derived(source="h264_mkv", suffix="mkv", change="cut_off", whole=False),
    "cut_off_ts": Derived(source="h264_ts", suffix="ts", change="cut_off", whole=False),
    "cut_off_avi": Derived(source="mpeg4_avi_b", suffix="avi", change="cut_off", whole=False),
    "headless_ts": Derived(source="h264_ts", suffix="ts", change="without_head", whole=False),
    "bit_flips": Derived(source="h264_faststart", suffix="mp4", change="bit_flips", whole=False),
    "lost_packets": Derived(source="h264_ts", suffix="ts", change="lost_packets", whole=False),
}
