"""Pictures come out as a viewer sees them: turned, stretched, in their own colours, cropped."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numbered_video import HEIGHT, WIDTH, Recipe, number_of, picture, render

from eva_graph_tools import InvalidArguments, Video

SHORT = tuple(range(5))


@pytest.mark.parametrize("suffix", ["mp4", "mov"])
@pytest.mark.parametrize(
    ("counterclockwise", "stored_turns", "clockwise"), [(-90, 1, 90), (90, -1, 270), (180, 2, 180)]
)
def test_rotation_is_applied(
    suffix: str, counterclockwise: int, stored_turns: int, clockwise: int, tmp_path: Path
) -> None:
    recipe = Recipe(
        suffix=suffix,
        ticks=SHORT,
        rotate_degrees=counterclockwise,
        stored_turns=stored_turns,
    )
    with Video.open(render(tmp_path / f"turned.{suffix}", recipe).path) as video:
        assert (video.info.width, video.info.height) == (WIDTH, HEIGHT)
        assert video.info.rotation_degrees == clockwise
        coded = (video.info.coded_width, video.info.coded_height)
        assert coded == ((WIDTH, HEIGHT) if clockwise == 180 else (HEIGHT, WIDTH))
        for number, t in enumerate(video.frame_times_seconds):
            frame = video.seek(t)
            assert (frame.width, frame.height) == (WIDTH, HEIGHT)
            assert number_of(frame.to_numpy()) == number
        small = video.seek(0.08, size=(84, 56))
        assert small.to_numpy().shape == (56, 84, 3)
        assert number_of(small.to_numpy()) == 2


def test_mirrored_display_matrix_is_applied(tmp_path: Path) -> None:
    recipe = Recipe(suffix="mp4", ticks=SHORT, mirror=True)
    with Video.open(render(tmp_path / "mirrored.mp4", recipe).path) as video:
        assert [number_of(video.seek(t).to_numpy()) for t in video.frame_times_seconds] == [
            0, 1, 2, 3, 4,
        ]  # fmt: skip


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_anamorphic_pixels_are_made_square(suffix: str, tmp_path: Path) -> None:
    recipe = Recipe(suffix=suffix, ticks=SHORT, sample_aspect_ratio=Fraction(4, 3))
    with Video.open(render(tmp_path / f"wide.{suffix}", recipe).path) as video:
        assert (video.info.width, video.info.height) == (213, HEIGHT)
        frame = video.seek(0.12)
        assert (frame.width, frame.height) == (213, HEIGHT)
        assert number_of(frame.to_numpy()) == 3


def test_a_box_is_cut_before_scaling(tmp_path: Path) -> None:
    with Video.open(render(tmp_path / "a.mp4", Recipe(suffix="mp4", ticks=SHORT)).path) as video:
        frame = video.frames_at([0.04], box=(0.0, 0.0, 0.1, 0.5), size=(64, 64))[0]
        assert frame.box == (0.0, 0.0, 0.1, 0.5)
        assert frame.to_numpy()[16:48, 8:56].min() > 230  # the lowest bit of 1 fills the box
        native = video.frames_at([0.04], box=(0.5, 0.5, 1.0, 1.0))[0]
        assert (native.width, native.height) == (80, 48)
        half = video.frames_at([0.04], box=(0.5, 0.5, 1.0, 1.0), resize=0.5)[0]
        assert (half.width, half.height) == (40, 24)
        for box in [(0.5, 0.0, 0.5, 1.0), (-0.1, 0.0, 1.0, 1.0), (0.0, 0.0, float("nan"), 1.0)]:
            with pytest.raises(InvalidArguments, match="box"):
                video.frames_at([0.04], box=box)


@pytest.mark.parametrize("resize", [0.0, -1.0, float("nan"), 1e9])
def test_sizes_that_make_no_picture_are_refused(resize: float, tmp_path: Path) -> None:
    with (
        Video.open(render(tmp_path / "a.mp4", Recipe(suffix="mp4", ticks=SHORT)).path) as video,
        pytest.raises(InvalidArguments),
    ):
        video.seek(0, resize=resize)


COLOURS = [(200, 30, 40), (20, 180, 60), (40, 60, 220), (128, 128, 128), (255, 255, 255)]
BT709, BT601 = 1, 6


@pytest.mark.parametrize(
    ("matrix", "full_range", "height"),
    [(BT709, False, 96), (BT709, True, 96), (BT601, False, 96), (None, False, 96), (BT709, False,
     720), (None, False, 720)],
)  # fmt: skip
def test_colours_follow_matrix_and_range(
    matrix: int | None, full_range: bool, height: int, tmp_path: Path
) -> None:
    width = height * 4 // 3
    rgb = np.zeros((height, width, 3), np.uint8)
    for k, colour in enumerate(COLOURS):
        rgb[:, k * width // 5 : (k + 1) * width // 5] = colour
    encoded_as = matrix or (BT709 if height >= 720 else BT601)
    with av.open(str(tmp_path / "colours.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"qp": "2"})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        if matrix is not None:
            stream.codec_context.colorspace = matrix
            stream.codec_context.color_range = 2 if full_range else 1
        frame = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(
            format="yuv420p",
            dst_colorspace="ITU709" if encoded_as == BT709 else "ITU601",
            dst_color_range="JPEG" if full_range else "MPEG",
        )
        frame.pts, frame.time_base = 0, Fraction(1, 25)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with Video.open(tmp_path / "colours.mp4") as video:
        seen = video.seek(0).to_numpy()
    for k, colour in enumerate(COLOURS):
        middle = seen[height // 2, (2 * k + 1) * width // 10].astype(int)
        assert np.abs(middle - colour).max() <= 4, (colour, middle)


@pytest.mark.parametrize("matrix", [3, 8, 10, 14, 196])
def test_a_matrix_that_nobody_can_read_counts_as_none(matrix: int, tmp_path: Path) -> None:
    path = tmp_path / "odd.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        stream.codec_context.colorspace = matrix
        for number in range(4):
            frame = av.VideoFrame.from_ndarray(picture(number), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame.reformat(format="yuv420p")))
        container.mux(stream.encode(None))
    with Video.open(path) as video:
        assert number_of(video.seek(0.12).to_numpy()) == 3
        assert number_of(video.zoom(0.05, (0.0, 0.0, 1.0, 1.0)).to_numpy()) == 1
        made = video.cut(0, 0.16, tmp_path / "cut.mkv", exact=True)
    with Video.open(made.path) as cut:
        assert number_of(cut.seek(0.12).to_numpy()) == 3
