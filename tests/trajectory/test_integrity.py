"""The vision-integrity check: sound episodes pass; one corrupted frame, label or place is named."""

from __future__ import annotations

import copy
import hashlib
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from episodes import QUESTION, TWO_LOOKS, answer, look, span
from openai_server import OpenAIServer, Reply
from PIL import Image

from eva_graph import Trajectory, VideoAgent
from eva_graph.errors import InvalidRequest, TrajectoryError
from eva_graph.testing import ScriptedPolicy
from eva_graph.trajectory import RunStore, ViolationKind, check_record, require_sound
from eva_graph.trajectory.frame_files import is_flat
from eva_graph.trajectory.violations import Violation, violation_kinds

Change = Callable[[dict[str, Any]], Any]
PARALLEL = [look(span(0, 1, 3), span(5, 6, 2)), look(span(0, 8, 4, 0.5)), answer("red")]
NATIVE: Sequence[Any] = (
    Reply(
        calls=[
            ("frame_select", '{"start_time": 0, "end_time": 8, "nframes": 2}'),
            ("seek", '{"time": 3}'),
        ]
    ),
    Reply(calls=[("seek", '{"time": 99')]),
    "<answer>red</answer>",
)
BEYOND = [look(span(5, 20, 3)), look(span(3, 3, 1)), answer("red")]
EPISODES: dict[str, tuple[Sequence[Any], dict[str, Any]]] = {
    "corrected": (PARALLEL, {}),
    "reference": (BEYOND, {"profile": "reference"}),
    "native": (NATIVE, {"dialect": "native"}),
}


@pytest.fixture
def store(clip: Path, tmp_path: Path) -> RunStore:
    """Two looks of three frames in all: turn 1 shows two, turn 2 one."""
    VideoAgent(ScriptedPolicy(TWO_LOOKS)).run(clip, QUESTION, record=tmp_path / "run")
    return RunStore(tmp_path / "run")


def only(store: RunStore) -> Trajectory:
    (record,) = store.records()
    return record


def changed(record: Trajectory, change: Change) -> Trajectory:
    data = copy.deepcopy(record.model_dump(mode="json"))
    change(data)
    return Trajectory.from_line(json.dumps(data))


def found(violations: list[Violation]) -> list[tuple[str, int | None, int | None]]:
    return [(each.kind.value, each.turn, each.frame) for each in violations]


def shown(data: dict[str, Any], turn: int) -> list[dict[str, Any]]:
    """Parts of the message that shows a turn's frames: text, image, text, …, closing."""
    return [m for m in data["messages"] if m["role"] == "tool"][turn - 1]["content"]


def stored(store: RunStore, turn: int, frame: int) -> Path:
    refs = [part["extras"]["frame"] for part in shown(only(store).model_dump(), turn)
            if part["type"] == "image"]  # fmt: skip
    (path,) = store.frames.root.rglob(refs[frame]["uri"].rpartition(":")[2] + "*")
    return path


@pytest.mark.parametrize("name", EPISODES)
def test_what_was_recorded_is_sound(name: str, clip: Path, tmp_path: Path) -> None:
    script, options = EPISODES[name]
    with OpenAIServer(script) as server:
        VideoAgent(server.base_url, **options).run(clip, QUESTION, record=tmp_path / "run")
    store = RunStore(tmp_path / "run")
    record = only(store)
    assert record.usage.frames > 2
    assert check_record(record, store.frames) == []
    assert require_sound(store.records(), store.frames) == 1


@pytest.mark.parametrize("name", ["corrected", "reference"])
def test_every_label_is_checked(name: str, clip: Path, tmp_path: Path) -> None:
    script, options = EPISODES[name]
    policy = ScriptedPolicy(script)
    VideoAgent(policy, **options).run(clip, QUESTION, record=tmp_path / "run")
    store = RunStore(tmp_path / "run")
    record = only(store)
    for turn in (1, 2):
        images = [p for p in shown(record.model_dump(), turn) if p["type"] == "image"]
        for frame in range(len(images)):

            def later(data: dict[str, Any], turn: int = turn, frame: int = frame) -> None:
                parts = [p for p in shown(data, turn) if p["text" if "text" in p else "url"]]
                at = [i for i, part in enumerate(parts) if part["type"] == "image"][frame] - 1
                parts[at]["text"] = parts[at]["text"].replace("[0", "[1")

            (violation,) = check_record(changed(record, later), store.frames)
            assert (violation.kind, violation.turn, violation.frame) == (
                ViolationKind.LABEL, turn, frame,
            )  # fmt: skip
            assert "labelled [1" in violation.detail


def _unlabelled(data: dict[str, Any]) -> None:
    shown(data, 1)[1]["text"] = "\nHere: "


def _renumbered(data: dict[str, Any]) -> None:
    part = shown(data, 1)[3]
    part["text"] = part["text"].replace("Frame 1", "Frame 7")


def _other_time(data: dict[str, Any]) -> None:
    for holder in (shown(data, 2)[2]["extras"]["frame"], _call(data, 2)["frames"][0]["ref"]):
        holder["pts_seconds"] += 1.0


def _place_removed(data: dict[str, Any]) -> None:
    del shown(data, 1)[4]


def _place_added(data: dict[str, Any]) -> None:
    shown(data, 2).append(shown(data, 2)[2])


def _places_swapped(data: dict[str, Any]) -> None:
    parts = shown(data, 1)
    parts[2], parts[4] = parts[4], parts[2]


def _token_in_text(data: dict[str, Any]) -> None:
    data["messages"][1]["content"] += " <|image_pad|>"


def _not_a_frame(data: dict[str, Any]) -> None:
    shown(data, 1)[2]["extras"]["frame"]["uri"] = "https://example.com/a.jpg"


def _call(data: dict[str, Any], turn: int) -> dict[str, Any]:
    return data["turns"][turn - 1]["calls"][0]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (_unlabelled, [("wrong_label", 1, 0)]),
        (_renumbered, [("wrong_label", 1, 1)]),
        (_other_time, [("wrong_label", 2, 0)]),
        (_place_removed, [("placeholders", 1, None)]),
        (
            _place_added,
            [("placeholders", 2, None), ("wrong_label", 2, 0), ("wrong_label", 2, 1)],
        ),
        (_token_in_text, [("placeholder_in_text", 0, None)]),
        (_not_a_frame, [("unreadable_reference", None, None)]),
    ],
)
def test_a_changed_record_is_caught(
    change: Change, expected: list[tuple[str, int | None, int | None]], store: RunStore
) -> None:
    record = changed(only(store), change)
    violations = check_record(record, store.frames)
    assert found(violations) == expected
    assert all(str(each).startswith(f"record {record.trajectory_id}") for each in violations)


def test_swapped_places_are_caught(store: RunStore) -> None:
    violations = check_record(changed(only(store), _places_swapped), store.frames)
    assert {each[0] for each in found(violations)} == {"placeholders", "wrong_label"}
    assert {each[2] for each in found(violations)} == {0, 1}


def _delete(path: Path) -> None:
    path.unlink()


def _flip_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("corrupt", "kind"), [(_delete, "missing_frame"), (_flip_a_bit, "changed_frame")]
)
def test_a_corrupted_frame_is_caught(
    corrupt: Callable[[Path], None], kind: str, store: RunStore
) -> None:
    path = stored(store, 1, 1)
    corrupt(path)
    (violation,) = check_record(only(store), store.frames)
    assert found([violation]) == [(kind, 1, 1)]
    assert path.stem in str(violation)
    with pytest.raises(TrajectoryError, match=f"turn 1, frame 1: {kind}") as raised:
        require_sound(store.records(), store.frames)
    assert "(violations: 1, in 1 of 1 records)" in str(raised.value)
    assert "\n" not in str(raised.value)
    assert path.exists() == (kind == "changed_frame"), "the check changes nothing"


def replaced(store: RunStore, data: bytes, **facts: Any) -> Trajectory:
    """The record with the second frame of turn 1 replaced everywhere by these bytes."""
    digest = hashlib.sha256(data).hexdigest()
    path = store.frames.root / digest[:2] / f"{digest}.jpg"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)

    def change(record: dict[str, Any]) -> None:
        for ref in (shown(record, 1)[4]["extras"]["frame"], _call(record, 1)["frames"][1]["ref"]):
            ref |= {"uri": f"frame://sha256:{digest}", **facts}

    return changed(only(store), change)


def picture(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"no picture at all", "undecodable_frame"),
        (picture(np.zeros((56, 28, 3), np.uint8)), "wrong_size"),
        (picture(np.zeros((56, 56, 3), np.uint8)), "blank_frame"),
        (picture(np.full((56, 56, 3), (0, 135, 0), np.uint8)), "blank_frame"),
    ],
)
def test_a_file_that_is_not_the_frame(data: bytes, kind: str, store: RunStore) -> None:
    record = replaced(store, data, width=56, height=56)
    assert found(check_record(record, store.frames)) == [(kind, 1, 1)]
    assert check_record(record, store.frames, allow=[ViolationKind(kind)]) == []


def test_png_bytes_are_no_jpeg(store: RunStore) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (56, 56), "red").save(buffer, "PNG")
    record = replaced(store, buffer.getvalue(), width=56, height=56)
    assert found(check_record(record, store.frames)) == [("undecodable_frame", 1, 1)]


def test_a_flat_frame_is_sound_while_its_video_shows_it(tmp_path: Path) -> None:
    video = tmp_path / "flat.mp4"
    with av.open(video, "w") as container:
        stream = container.add_stream("libx264", rate=5)
        stream.width, stream.height, stream.pix_fmt = 112, 84, "yuv420p"
        for _ in range(10):
            black = av.VideoFrame.from_ndarray(np.zeros((84, 112, 3), np.uint8), "rgb24")
            container.mux(stream.encode(black))
        container.mux(stream.encode())
    VideoAgent(ScriptedPolicy([look(span(0, 1, 2)), answer("red")])).run(
        video, QUESTION, record=tmp_path / "run"
    )
    store = RunStore(tmp_path / "run")
    flat = [is_flat(np.asarray(Image.open(path))) for path in store.frames.root.rglob("*.jpg")]
    assert all(flat)
    assert check_record(only(store), store.frames) == []
    video.unlink()
    assert found(check_record(only(store), store.frames)) == [
        ("blank_frame", 1, 0),
        ("blank_frame", 1, 1),
    ]
    with pytest.raises(TrajectoryError, match=r"put .*flat\.mp4 back, or allow blank_frame"):
        require_sound(store.records(), store.frames)
    assert require_sound(store.records(), store.frames, allow=[ViolationKind.BLANK]) == 1


def test_the_first_violation_and_the_count_are_told(store: RunStore) -> None:
    sound = only(store)
    broken = changed(sound, _unlabelled).model_copy(update={"trajectory_id": "second"})
    worse = changed(sound, _place_added).model_copy(update={"trajectory_id": "third"})
    with pytest.raises(TrajectoryError, match="record second, turn 1, frame 0: wrong_label") as one:
        require_sound(iter([sound, broken, worse]), store.frames)
    assert "(violations: 4, in 2 of 3 records)" in str(one.value)


def test_kinds_by_name() -> None:
    assert violation_kinds(["blank_frame"]) == {ViolationKind.BLANK}
    with pytest.raises(InvalidRequest, match="choose from missing_frame, changed_frame"):
        violation_kinds(["blank"])


def _row_removed(tokens: dict[str, Any]) -> None:
    tokens["image_grids"].pop()


def _row_turned(tokens: dict[str, Any]) -> None:
    tokens["image_grids"][0] = [1, 2, 8]


def _pad_removed(tokens: dict[str, Any]) -> None:
    ids = tokens["prompt_delta_ids"]
    pad = max(set(ids), key=ids.count)
    ids.remove(pad)


def test_token_data_is_sound(nano_run: RunStore) -> None:
    for record in nano_run.records():
        assert any(turn.tokens and turn.tokens.image_grids for turn in record.turns)
        assert check_record(record, nano_run.frames) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (_row_removed, "grid rows for"),
        (_row_turned, "a grid of 2x8 patches is not that of frame://"),
        (_pad_removed, "no token fills the"),
    ],
)
def test_changed_token_data_is_caught(change: Change, told: str, nano_run: RunStore) -> None:
    def corrupt(data: dict[str, Any]) -> None:
        change(data["turns"][1]["tokens"])

    record = changed(next(nano_run.records()), corrupt)
    violations = check_record(record, nano_run.frames)
    assert found(violations)[0] == ("placeholders", 2, None)
    assert told in str(violations[0])
