"""Contact sheets: frames of a video in a grid, each under its own true time, for people."""

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from eva_graph_tools.errors import InvalidArguments
from eva_graph_tools.frames import Frame
from eva_graph_tools.info import VideoInfo
from eva_graph_tools.timecode import labels

MAX_CELLS = 400
MAX_WIDTH_PIXELS = 8192
_GAP_PIXELS = 4
_LEAST_CELL_PIXELS = 16
_BACKGROUND, _INK, _SHADE = (24, 24, 24), (255, 255, 255), (0, 0, 0)


def cell_size(info: VideoInfo, columns: int, rows: int, width_pixels: int) -> tuple[int, int]:
    """Width and height in pixels of one picture of the sheet; the video's aspect is kept.

    Raises:
        InvalidArguments: a grid of nothing, of too much, or without room for pictures.
    """
    if columns < 1 or rows < 1 or columns * rows > MAX_CELLS:
        raise InvalidArguments(f"a sheet has 1 to {MAX_CELLS} pictures, not {columns} x {rows}")
    width = (width_pixels - _GAP_PIXELS * (columns + 1)) // columns
    if width < _LEAST_CELL_PIXELS or width_pixels > MAX_WIDTH_PIXELS:
        raise InvalidArguments(
            f"{columns} columns do not go into {width_pixels} pixels: pictures are at least "
            f"{_LEAST_CELL_PIXELS} wide, a sheet at most {MAX_WIDTH_PIXELS}"
        )
    return width, max(1, round(width * info.height / info.width))


def draw_sheet(frames: Sequence[Frame], columns: int, width_pixels: int) -> Image.Image:
    """An RGB image of frames of one size, row by row in their order.

    Times are written as frame labels are (`eva_graph_tools.labels`).
    """
    width, height = frames[0].width, frames[0].height
    step_x, step_y = width + _GAP_PIXELS, height + _GAP_PIXELS
    rows = -(-len(frames) // columns)
    sheet = Image.new("RGB", (width_pixels, rows * step_y + _GAP_PIXELS), _BACKGROUND)
    font = ImageFont.load_default(max(9, min(height // 8, 24)))
    draw = ImageDraw.Draw(sheet)
    times = labels([frame.pts_seconds for frame in frames])
    for number, (frame, time) in enumerate(zip(frames, times, strict=True)):
        row, column = divmod(number, columns)
        corner = _GAP_PIXELS + column * step_x, _GAP_PIXELS + row * step_y
        sheet.paste(frame.to_pil(), corner)
        at = corner[0] + 3, corner[1] + 1
        draw.text(at, time, fill=_INK, font=font, stroke_width=1, stroke_fill=_SHADE)
    return sheet
