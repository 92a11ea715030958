"""A contact sheet shows frames of the whole video in order, under their true times."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numbered_video import Clip, number_of
from PIL import Image

from eva_graph_tools import InvalidArguments, Video

Clips = Callable[[str], Clip]


def cells(sheet: Image.Image, columns: int, size: tuple[int, int]) -> list[int]:
    """Numbers in the cells, read where no time is written."""
    width, height = size
    pixels = np.asarray(sheet)
    rows = (sheet.height - 4) // (height + 4)
    corners = [
        (4 + row * (height + 4), 4 + column * (width + 4))
        for row in range(rows)
        for column in range(columns)
    ]
    return [number_of(pixels[y : y + height, x : x + width]) for y, x in corners]


def test_frames_stand_in_order_of_time(clip: Clips, tmp_path: Path) -> None:
    with Video.open(clip("long").path) as video:
        sheet = video.contact_sheet(columns=3, rows=2, width_pixels=976)
        chosen = video.frame_select(0, 20, nframes=6, size=(320, 192))
    assert sheet.size == (976, 4 + 2 * 196)
    assert cells(sheet, 3, (320, 192)) == [round(frame.pts_seconds * 10) for frame in chosen]
    path = tmp_path / "sheet.jpg"
    sheet.save(path)
    with Image.open(path) as saved:
        assert saved.size == sheet.size


def test_times_are_written_on_the_frames(clip: Clips) -> None:
    with Video.open(clip("long").path) as video:
        sheet = np.asarray(video.contact_sheet(columns=2, rows=1, width_pixels=652)).astype(int)
        bare = [f.to_numpy() for f in video.frame_select(0, 20, nframes=2, size=(320, 192))]
    for column, pixels in enumerate(bare):
        x = 4 + column * 324
        difference = np.abs(sheet[4:196, x : x + 320] - pixels).max(axis=2)
        assert difference[:30, :90].max() > 100
        assert difference[40:].max() == 0


def test_a_short_video_gives_what_it_has(clip: Clips) -> None:
    with Video.open(clip("single_frame").path) as video:
        sheet = video.contact_sheet(columns=2, rows=5, width_pixels=332)
    assert sheet.size == (332, 4 + 100)


@pytest.mark.parametrize(
    ("columns", "rows", "width", "message"),
    [
        (0, 1, 800, "a sheet has 1 to 400 pictures"),
        (30, 30, 8000, "a sheet has 1 to 400 pictures"),
        (50, 1, 800, "do not go into 800 pixels"),
        (2, 2, 10**6, "a sheet at most 8192"),
    ],
)
def test_a_sheet_that_cannot_be_is_told(
    columns: int, rows: int, width: int, message: str, clip: Clips
) -> None:
    with Video.open(clip("long").path) as video, pytest.raises(InvalidArguments, match=message):
        video.contact_sheet(columns=columns, rows=rows, width_pixels=width)
