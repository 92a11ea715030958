"""High dynamic range, transparency, fields and parts of a picture come out as documented."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest
from av.stream import Disposition
from av.video.reformatter import Interpolation
from hypothesis import given, settings
from hypothesis import strategies as st
from numbered_video import HEIGHT, WIDTH, Recipe, number_of, picture, render

from eva_graph_tools import UnsupportedMedia, Video
from eva_graph_tools.crop import cropped, region_around
from eva_graph_tools.tone import HLG, PQ, to_sdr

SHORT = tuple(range(5))
FLAGS = (
    Interpolation.BICUBIC
    | Interpolation.ACCURATE_RND
    | Interpolation.FULL_CHR_H_INT
    | Interpolation.BITEXACT
)


def pq(nits: float) -> float:
    """The PQ value of a light, 0 to 1 (SMPTE ST 2084)."""
    power = (nits / 10_000) ** (1305 / 8192)
    ratio = (3424 / 4096 + 2413 / 128 * power) / (1 + 2392 / 128 * power)
    return float(ratio ** (2523 / 32))


def greys(path: Path, values: Sequence[float], transfer: int) -> Path:
    """Columns of grey in 10 bits, BT.2020, limited range, one frame."""
    luma = np.repeat(np.array(values), 64)
    with av.open(str(path), "w") as container:
        named = {PQ: "smpte2084", HLG: "arib-std-b67"}[transfer]
        params = f"colorprim=bt2020:transfer={named}:colormatrix=bt2020nc:qp=4"
        stream = container.add_stream("libx264", rate=25, options={"x264-params": params})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = len(luma), 64, "yuv420p10le"
        planes = np.full((96, len(luma)), 512, np.uint16)
        planes[:64] = np.round(64 + 876 * luma)
        frame = av.VideoFrame.from_ndarray(planes, format="yuv420p10le")
        frame.pts, frame.time_base = 0, Fraction(1, 25)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("size", [(320, 64), (160, 32)])
def test_pq_is_shown_on_a_standard_screen(size: tuple[int, int], tmp_path: Path) -> None:
    values = [pq(nits) for nits in (0, 10, 100, 203, 1000)]
    with Video.open(greys(tmp_path / "pq.mkv", values, PQ)) as video:
        seen = video.seek(0, size=size).to_numpy()
    columns = [seen[size[1] // 2, round((k + 0.5) * size[0] / 5)].astype(int) for k in range(5)]
    # Below the knee light is kept: 10 cd/m² of 203 on a BT.1886 display are 255 * (10/203)^(1/2.4).
    for column, expected in zip(columns, (0, 73, 189, 230, 255), strict=True):
        assert np.abs(column - expected).max() <= 3


def test_hlg_is_shown_on_a_standard_screen(tmp_path: Path) -> None:
    # BT.2408: a value of 75 % is reference white, 203 cd/m², so HLG and PQ meet there.
    with Video.open(greys(tmp_path / "hlg.mkv", (0.0, 0.5, 0.75, 1.0), HLG)) as video:
        seen = video.seek(0).to_numpy()
    columns = [seen[32, 32 + 64 * k].astype(int) for k in range(4)]
    for column, expected in zip(columns, (0, 143, 230, 255), strict=True):
        assert np.abs(column - expected).max() <= 3


@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_greys_stay_grey_and_in_order(transfer: int) -> None:
    ramp = np.arange(0, 65536, 7).astype(np.uint16)
    shown = to_sdr(np.repeat(ramp, 3).reshape(1, -1, 3), transfer)[0].astype(int)
    assert np.all(np.diff(shown, axis=0) >= 0)
    assert np.ptp(shown, axis=-1).max() <= 1
    assert shown[0].tolist() == [0, 0, 0]
    assert shown[-1].tolist() == [255, 255, 255]


def with_alpha(path: Path, pixels: npt.NDArray[np.uint8]) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("png", rate=25)
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width = pixels.shape[:2]
        stream.pix_fmt = "rgba"
        frame = av.VideoFrame.from_ndarray(pixels, format="rgba")
        frame.pts, frame.time_base = 0, Fraction(1, 25)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def test_what_is_transparent_lies_over_black(tmp_path: Path) -> None:
    pixels = np.zeros((64, 96, 4), np.uint8)
    pixels[:] = (200, 100, 50, 255)
    pixels[:, 32:64, 3], pixels[:, 64:, 3] = 128, 0
    with Video.open(with_alpha(tmp_path / "alpha.mov", pixels)) as video:
        seen = video.seek(0).to_numpy()
        box = video.frames_at([0], box=(0.5, 0.0, 0.6, 1.0))[0].to_numpy()
    assert seen[32, [16, 48, 80]].tolist() == [[200, 100, 50], [100, 50, 25], [0, 0, 0]]
    assert np.abs(box.astype(int) - (100, 50, 25)).max() <= 1


TURNS = [(0, False, 0), (-90, False, 1), (90, False, -1), (180, False, 2), (0, True, 0)]


@pytest.mark.parametrize(("rotate", "mirror", "stored_turns"), TURNS)
def test_a_box_is_the_same_part_however_the_picture_is_stored(
    rotate: int, mirror: bool, stored_turns: int, tmp_path: Path
) -> None:
    recipe = Recipe(
        suffix="mp4", ticks=SHORT, rotate_degrees=rotate, mirror=mirror, stored_turns=stored_turns,
        options={"qp": "4"},
    )  # fmt: skip
    with Video.open(render(tmp_path / "turned.mp4", recipe).path) as video:
        part = video.frames_at([0.16], box=(0.15, 0.125, 0.45, 0.375))[0].to_numpy().astype(int)
    true = picture(4)[HEIGHT // 8 : HEIGHT * 3 // 8, 24:72].astype(int)
    assert part.shape == true.shape
    assert np.abs(part - true).mean() < 8  # bars ring at their edges


@settings(max_examples=40)
@given(data=st.data())
def test_a_part_is_converted_as_it_is_within_the_whole(data: st.DataObject) -> None:
    width, height = data.draw(st.integers(40, 120)) * 2, data.draw(st.integers(40, 120)) * 2
    noise = np.random.default_rng(width * height).integers(0, 256, (height, width, 3), np.uint8)
    shape = data.draw(st.sampled_from(["yuv420p", "yuv444p", "yuv422p10le", "nv12", "rgb24"]))
    frame = av.VideoFrame.from_ndarray(noise, format="rgb24").reformat(format=shape)
    x0, y0 = data.draw(st.integers(0, width - 8)), data.draw(st.integers(0, height - 8))
    x1, y1 = data.draw(st.integers(x0 + 4, width)), data.draw(st.integers(y0 + 4, height))
    region = region_around((x0, y0, x1, y1), (x1 - x0, y1 - y0), (width, height))
    assert region[0] <= x0 <= x1 <= region[2]
    assert region[1] <= y0 <= y1 <= region[3]
    part = cropped(frame, region)
    assert (part.width, part.height) == (region[2] - region[0], region[3] - region[1])
    whole = frame.reformat(format="rgb24", interpolation=FLAGS).to_ndarray()
    alone = part.reformat(format="rgb24", interpolation=FLAGS).to_ndarray()
    inside = alone[y0 - region[1] : y1 - region[1], x0 - region[0] : x1 - region[0]]
    assert np.abs(inside.astype(int) - whole[y0:y1, x0:x1]).max() <= 2


def test_fields_stay_woven(tmp_path: Path) -> None:
    params = {"x264-params": "interlaced=1:tff=1"}
    recipe = Recipe(suffix="mp4", options=params)
    with Video.open(render(tmp_path / "fields.mp4", recipe).path) as video:
        times = [float(t) for t in video.frame_times_seconds]
        assert [number_of(f.to_numpy()) for f in video.frames_at(times)] == list(range(60))


def add_cover(container: av.container.OutputContainer) -> av.VideoStream:
    cover = container.add_stream("mjpeg", rate=1)
    assert isinstance(cover, av.VideoStream)
    cover.width, cover.height, cover.pix_fmt = 64, 64, "yuvj420p"
    cover.disposition = Disposition.attached_pic
    return cover


def mux_cover(container: av.container.OutputContainer, cover: av.VideoStream) -> None:
    white = np.full((64, 64, 3), 255, np.uint8)
    frame = av.VideoFrame.from_ndarray(white, format="rgb24").reformat(format="yuvj420p")
    frame.pts, frame.time_base = 0, Fraction(1, 1)
    container.mux(cover.encode(frame))
    container.mux(cover.encode(None))


def test_a_cover_is_not_the_video(tmp_path: Path) -> None:
    made = render(tmp_path / "plain.mp4", Recipe(suffix="mp4"))
    with (
        av.open(str(made.path)) as given,
        av.open(str(tmp_path / "covered.mp4"), "w") as container,
    ):
        cover = add_cover(container)
        stream = container.add_stream_from_template(given.streams.video[0])
        mux_cover(container, cover)
        for packet in given.demux(given.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                container.mux(packet)
    with Video.open(tmp_path / "covered.mp4") as video:
        assert (video.info.width, video.info.height) == (WIDTH, HEIGHT)
        assert number_of(video.seek(1.0).to_numpy()) == 25


def test_a_cover_alone_is_no_video(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "song.mp4"), "w") as container:
        cover = add_cover(container)
        sound = container.add_stream("aac", rate=8000)
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        silence.sample_rate = 8000
        container.mux(sound.encode(silence))
        container.mux(sound.encode(None))
        mux_cover(container, cover)
    with pytest.raises(UnsupportedMedia, match="no video stream"):
        Video.open(tmp_path / "song.mp4")
