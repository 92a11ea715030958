"""Thumbnails hold to their bounds for every picture; ranges and scripts are put together right."""

from __future__ import annotations

import io
import re
from collections import Counter
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from eva_graph.trajectory.schema import CallRecord
from eva_graph.viewer.assets import asset, script
from eva_graph.viewer.ranges import looked_at
from eva_graph.viewer.thumbnails import LONG_SIDE_PIXELS, MAX_BYTES, thumbnail
from eva_graph_tools import Frame, FrameStore


@pytest.mark.parametrize("size", [(448, 252), (252, 448), (28, 28), (2000, 20), (161, 160)])
@pytest.mark.parametrize("encoding", ["jpeg;q=90", "png"])
def test_noise_fits_too(size: tuple[int, int], encoding: str, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    frame = Frame(pts_seconds=0, requested_seconds=0, pixels=pixels)
    store = FrameStore(tmp_path)
    data = thumbnail(store.put(frame, "v", encoding), store)
    assert data is not None
    assert len(data) <= MAX_BYTES
    with Image.open(io.BytesIO(data)) as small:
        assert max(small.size) <= min(LONG_SIDE_PIXELS, max(size))
        assert small.size[0] * size[1] == pytest.approx(small.size[1] * size[0], rel=0.5)


def test_a_calm_picture_is_shown_as_it_is(tmp_path: Path) -> None:
    pixels = np.zeros((252, 448, 3), np.uint8)
    pixels[:, :224] = (200, 40, 40)
    store = FrameStore(tmp_path)
    ref = store.put(Frame(pts_seconds=0, requested_seconds=0, pixels=pixels), "v")
    data = thumbnail(ref, store)
    assert data is not None
    with Image.open(io.BytesIO(data)) as small:
        shown = np.asarray(small.convert("RGB")).astype(int)
    assert shown.shape == (90, 160, 3)
    assert abs(shown[45, 20] - (200, 40, 40)).max() < 12
    assert shown[45, 140].max() < 12


def call(**given: Any) -> CallRecord:
    times = given.pop("times", ())
    frames = [
        {"ref": {"pts_seconds": time}, "requested_seconds": 0, "snapped": False} for time in times
    ]
    fields = {"id": "c", "tool": "t", "requested": {}, "frames": frames, **given}
    return CallRecord.model_validate(fields)


@pytest.mark.parametrize(
    ("made", "stretch"),
    [
        (
            call(
                requested={"start_time": 0, "end_time": 99},
                applied={"start_time": 1, "end_time": 9},
            ),
            (1, 9),
        ),
        (call(requested={"time": "01:30.500"}), (90.5, 90.5)),
        (call(applied={"start_time": 2, "end_time": 9}, times=[1.5, 4]), (1.5, 9)),
        (call(requested={"query": "dog"}, times=[7, 3]), (3, 7)),
        (call(requested={"query": "dog"}), None),
        (call(requested={"start_time": "9", "end_time": 2}, error="reversed"), (2, 9)),
        (call(requested={"start_time": [], "end_time": "soon"}, error="no time"), None),
    ],
)
def test_a_call_tells_where_it_looked(made: CallRecord, stretch: object) -> None:
    assert looked_at(made) == stretch


@given(st.dictionaries(st.sampled_from(["start_time", "end_time", "time"]), st.from_type(object)))
def test_whatever_a_policy_wrote_is_a_stretch_or_nothing(requested: dict[str, Any]) -> None:
    plain = {key: value for key, value in requested.items() if isinstance(value, int | float | str)}
    stretch = looked_at(call(requested=plain))
    assert stretch is None or 0 <= stretch[0] <= stretch[1]


def test_modules_join_to_one_script() -> None:
    names = [file.name for file in (files("eva_graph.viewer") / "static").iterdir()]
    modules = [asset(name) for name in names if name.endswith(".js")]
    joined = script()
    assert not re.findall(r"^(?:import|export)\b", joined, re.MULTILINE)
    assert "</" not in joined, "nothing in it ends the block"
    assert "innerHTML" not in joined
    defined = Counter(name for module in modules for name in _DEFINED.findall(module))
    assert [name for name, times in defined.items() if times > 1] == []
    assert set(defined) == set(_DEFINED.findall(joined)), "every module is in it"


def test_modules_import_what_is_exported() -> None:
    names = [file.name for file in (files("eva_graph.viewer") / "static").iterdir()]
    for module in (asset(name) for name in names if name.endswith(".js")):
        for group, source in _IMPORTED.findall(module):
            assert {name.strip() for name in group.split(",")} <= _exported(source), source


_DEFINED = re.compile(r"^(?:export )?(?:async )?(?:function|const|let|class) (\w+)", re.MULTILINE)
_IMPORTED = re.compile(r'^import \{([^}]*)\} from "\./([\w-]+\.js)"', re.MULTILINE)


def _exported(name: str) -> set[str]:
    lines = "\n".join(line for line in asset(name).splitlines() if line.startswith("export "))
    return set(_DEFINED.findall(lines))
