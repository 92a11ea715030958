"""`Decoder.sweep`: every picture of a range once, in order, with those left out that were asked."""

from collections.abc import Callable
from pathlib import Path

import pytest
from clip_recipes import RECIPES
from numbered_video import Clip, Recipe, number_of, render

from eva_graph_tools.deadline import Deadline
from eva_graph_tools.decode import Skip
from eva_graph_tools.errors import DecodeTimeout
from eva_graph_tools.local_reader import LocalReader

Clips = Callable[[str], Clip]

NAMES = [name for name in RECIPES if not name.startswith("long")]


def swept(reader: LocalReader, start: int, end: int, skip: Skip) -> list[tuple[int, int]]:
    with reader.decoder(Deadline()) as decoder:
        return [
            (index, number_of(frame.to_ndarray(format="rgb24")))
            for index, frame in decoder.sweep(start, end, skip=skip)
        ]


@pytest.mark.parametrize("name", NAMES)
def test_a_sweep_gives_every_picture_of_its_range(name: str, clip: Clips) -> None:
    reader = LocalReader.open(clip(name).path)
    count = reader.opened.index.frame_count
    for start, end in [(0, count), (count // 3, 2 * count // 3), (count - 1, count), (5, 5)]:
        wanted = list(range(start, end))
        assert [index for index, _ in swept(reader, start, end, "none")] == wanted
        assert [number for _, number in swept(reader, start, end, "none")] == wanted
    reader.close()


@pytest.mark.parametrize("name", NAMES)
def test_pictures_left_out_do_not_change_the_others(name: str, clip: Clips) -> None:
    reader = LocalReader.open(clip(name).path)
    index = reader.opened.index
    kept = swept(reader, 0, index.frame_count, "nonref")
    keys = swept(reader, 0, index.frame_count, "nonkey")
    reader.close()
    assert all(shown == number for shown, number in [*kept, *keys])
    assert len(keys) == len(index.shown_keys)
    assert {shown for shown, _ in keys} == set(index.shown_keys.tolist())
    if name in {"h264_mp4", "h264_ts", "hevc_mp4", "mpeg4_mp4", "mpeg2_ts"}:
        assert len(keys) <= len(kept) < index.frame_count


def test_a_sweep_ends_at_its_deadline(clip: Clips) -> None:
    reader = LocalReader.open(clip("h264_mp4").path)
    with reader.decoder(Deadline()) as decoder:
        pictures = decoder.sweep(0, 60)
        next(pictures)
        decoder.deadline = Deadline(at=0.0)
        with pytest.raises(DecodeTimeout):
            list(pictures)
    reader.close()


def x265(**params: object) -> dict[str, str]:
    listed = ":".join(f"{name}={value}" for name, value in params.items())
    return {"x265-params": f"log-level=error:b-adapt=0:bframes=4:{listed}", "preset": "ultrafast"}


@pytest.mark.parametrize("suffix", ["mp4", "ts"])
@pytest.mark.parametrize(("layers", "drops"), [(1, True), (3, False)])
def test_only_single_layers_are_believed(
    suffix: str, layers: int, drops: bool, tmp_path: Path
) -> None:
    params = {"temporal-layers": layers} if layers > 1 else {}
    recipe = Recipe(suffix=suffix, codec="libx265", gop=30, options=x265(**params))
    reader = LocalReader.open(render(tmp_path / f"a.{suffix}", recipe).path)
    kept = swept(reader, 0, 60, "nonref")
    reader.close()
    assert all(index == number for index, number in kept)
    assert (len(kept) < 60) == drops
