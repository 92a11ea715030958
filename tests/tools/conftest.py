from collections.abc import Callable
from functools import cache
from pathlib import Path

import av
import pytest
from clip_recipes import MATRIX, RECIPES
from hypothesis import HealthCheck, settings
from numbered_video import Clip, render

# How long an example takes depends on who else uses the machine.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Clip]:
    folder = tmp_path_factory.mktemp("clips")

    @cache
    def made(name: str) -> Clip:
        recipe = (RECIPES | MATRIX)[name]
        return render(folder / f"{name}.{recipe.suffix}", recipe)

    return made


@pytest.fixture
def remuxed(clip: Callable[[str], Clip], tmp_path: Path) -> Callable[..., Clip]:
    """Copies a clip's packets from the key frame before a frame on; earlier ones are negative."""

    def copy(name: str, suffix: str, *, skip_frames: int) -> Clip:
        source = clip(name)
        target = tmp_path / f"cut.{suffix}"
        with (
            av.open(str(source.path)) as given,
            av.open(str(target), "w", options={"avoid_negative_ts": "disabled"}) as taken,
        ):
            stream = given.streams.video[0]
            out = taken.add_stream_from_template(stream)
            assert stream.time_base is not None
            zero = round(source.times_seconds[skip_frames] / stream.time_base)
            given.seek(zero, stream=stream)
            for packet in given.demux(stream):
                if packet.pts is None or packet.dts is None:
                    continue
                packet.pts -= zero
                packet.dts -= zero
                packet.stream = out
                taken.mux(packet)
        return Clip(path=target, times_seconds=source.times_seconds[:-skip_frames])

    return copy
