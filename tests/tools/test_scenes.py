"""Scenes of real files: found at their very frame, whatever the codec, container and clock."""

import subprocess
import sys
from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from scene_clips import SceneClip, Shot, render

from eva_graph_tools import DecodeError, DecodeTimeout, InvalidArguments, SeekOutOfRange, Video
from eva_graph_tools.local_reader import LocalReader
from eva_graph_tools.reader import Reply

CUTS = (Shot(frames=40), Shot(frames=57), Shot(frames=33), Shot(frames=71), Shot(frames=30))
SCENE_CUTS = {"g": "250", "preset": "veryfast", "keyint_min": "2"}
FIXED_GOP = {"g": "25", "sc_threshold": "0", "preset": "veryfast"}
SIX = tuple(Shot(frames=frames) for frames in (45, 31, 62, 38, 54, 47))
AT_ONE_FRAME_A_SECOND = Fraction(1)
UNEVEN = [number * 90 + number % 7 * 11 + (900 if number > 60 else 0) for number in range(231)]

CLIPS = {
    "cuts": SceneClip(shots=CUTS, options=SCENE_CUTS),
    "fixed": SceneClip(shots=CUTS, options=FIXED_GOP),
    "one_group": SceneClip(shots=CUTS, options={"g": "999", "sc_threshold": "0"}),
    "hevc": SceneClip(
        shots=CUTS, suffix="mkv", codec="libx265", options={"x265-params": "log-level=error"}
    ),
    "vp9": SceneClip(
        shots=CUTS,
        suffix="webm",
        codec="libvpx-vp9",
        options={"deadline": "realtime", "cpu-used": "8"},
        b_frames=0,
    ),
    "avi": SceneClip(shots=CUTS, suffix="avi", codec="mpeg4", b_frames=2),
    "ts": SceneClip(shots=CUTS, suffix="ts", options=FIXED_GOP),
    "offset": SceneClip(shots=CUTS, suffix="mkv", options=FIXED_GOP, first_tick=125),
    "uneven": SceneClip(shots=CUTS, options=FIXED_GOP, time_base=Fraction(1, 2250), ticks=UNEVEN),
    "intra": SceneClip(shots=CUTS[:2], options={"g": "1"}, b_frames=0),
    "six": SceneClip(shots=SIX, options=SCENE_CUTS),
    "slow": SceneClip(
        shots=[Shot(frames=45), Shot(frames=70), Shot(frames=52), Shot(frames=83), Shot(frames=64)],
        options=SCENE_CUTS,
        time_base=AT_ONE_FRAME_A_SECOND,
    ),
    "gradual": SceneClip(
        shots=[
            Shot(frames=45, into="dissolve", over=25),
            Shot(frames=45, into="fade", over=30),
            Shot(frames=45),
            Shot(frames=40),
        ],
        options=FIXED_GOP,
    ),
    "flashes": SceneClip(
        shots=[Shot(frames=80, flash_at=30), Shot(frames=80, flash_at=45)], options=FIXED_GOP
    ),
    "light": SceneClip(shots=[Shot(frames=120, darkens_at=40)], options=FIXED_GOP),
    "black": SceneClip(
        shots=[Shot(frames=60, into="black", over=75), Shot(frames=60)], options=FIXED_GOP
    ),
    "still": SceneClip(shots=[Shot(frames=120)], options=FIXED_GOP),
}


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    folder = tmp_path_factory.mktemp("scenes")

    @cache
    def made(name: str) -> Path:
        return render(folder, name, CLIPS[name])

    return made


@pytest.fixture(autouse=True)
def _no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVA_GRAPH_SCENE_CACHE", "")


class CountingReader:
    """A local reader that counts what is asked of the file."""

    def __init__(self, path: Path) -> None:
        self._local = LocalReader.open(path)
        self.opened = self._local.opened
        self.asked: list[str] = []

    def perform(
        self,
        operation: str,
        arguments: Mapping[str, Any],
        *,
        timeout_seconds: float | None = None,
    ) -> Reply:
        self.asked.append(operation)
        return self._local.perform(operation, arguments, timeout_seconds=timeout_seconds)

    def close(self) -> None:
        self._local.close()


@pytest.mark.parametrize("name", ["cuts", "fixed", "hevc", "vp9", "avi", "ts", "offset", "uneven"])
def test_cuts_are_found_at_their_very_frame(clip: Callable[[str], Path], name: str) -> None:
    with Video.open(clip(name)) as video:
        scenes = video.scenes()
        times = video.frame_times_seconds
        duration = video.info.duration_seconds
    starts = CLIPS[name].starts
    assert [scene.start_index for scene in scenes] == starts
    assert [scene.end_index for scene in scenes] == [*starts[1:], sum(s.frames for s in CUTS)]
    assert [scene.start_seconds for scene in scenes] == [times[start] for start in starts]
    assert [scene.end_seconds for scene in scenes] == [*times[starts[1:]], duration]
    assert [scene.begin for scene in scenes] == ["start", *["cut"] * 4]
    assert scenes.tier == "full"
    assert all(0.5 <= scene.sure <= 1 for scene in scenes)


def test_far_from_a_key_frame_cuts_are_found_nearly_there(clip: Callable[[str], Path]) -> None:
    """The pictures left out are decoded after all only as far as that is cheap."""
    with Video.open(clip("one_group")) as video:
        found = [scene.start_index for scene in video.scenes()]
    assert len(found) == len(CUTS)
    for at, start in zip(found, CLIPS["one_group"].starts, strict=True):
        assert start <= at <= start + 2


def test_dissolves_and_fades_begin_a_scene_in_their_middle(clip: Callable[[str], Path]) -> None:
    with Video.open(clip("gradual")) as video:
        scenes = video.scenes()
    assert [scene.begin for scene in scenes] == ["start", "dissolve", "fade", "cut"]
    for scene, start in zip(scenes, CLIPS["gradual"].starts, strict=True):
        assert abs(scene.start_index - start) <= 8
    assert scenes[3].start_index == CLIPS["gradual"].starts[3]


def test_a_flash_begins_no_scene(clip: Callable[[str], Path]) -> None:
    with Video.open(clip("flashes")) as video:
        assert [scene.start_index for scene in video.scenes()] == [0, 80]


def test_light_that_goes_down_begins_no_scene(clip: Callable[[str], Path]) -> None:
    with Video.open(clip("light")) as video:
        assert len(video.scenes()) == 1


def test_a_long_black_is_one_boundary(clip: Callable[[str], Path]) -> None:
    with Video.open(clip("black")) as video:
        first, second = video.scenes()
    assert first.begin == "start"
    assert second.begin == "fade"
    assert abs(second.start_index - CLIPS["black"].starts[1]) <= 8


def test_a_video_without_changes_is_one_scene(clip: Callable[[str], Path]) -> None:
    with Video.open(clip("still")) as video:
        (scene,) = video.scenes()
        assert (scene.start_seconds, scene.end_seconds) == (0, video.info.duration_seconds)


def test_a_higher_threshold_finds_fewer_scenes(clip: Callable[[str], Path]) -> None:
    with Video.open(clip("cuts")) as video:
        counts = [len(video.scenes(threshold=threshold)) for threshold in (10, 27, 60, 255)]
    assert counts[0] == counts[1] == len(CUTS)
    assert counts == sorted(counts, reverse=True)
    assert counts[-1] == 1


@pytest.mark.parametrize(("tier", "asked"), [("index", []), ("key", ["scene_pictures"])])
def test_scene_cut_encodes_are_told_by_their_key_frames(
    clip: Callable[[str], Path], tier: Any, asked: list[str]
) -> None:
    reader = CountingReader(clip("six"))
    with Video(reader) as video:
        scenes = video.scenes(tier=tier)
    assert [scene.start_index for scene in scenes] == CLIPS["six"].starts
    assert scenes.tier == tier
    assert reader.asked == asked


@pytest.mark.parametrize("name", ["fixed", "intra", "one_group", "still"])
def test_key_frames_that_come_by_a_rule_are_not_trusted(
    clip: Callable[[str], Path], name: str
) -> None:
    with Video.open(clip(name)) as video:
        scenes = video.scenes(tier="index")
    assert scenes.tier == ("key" if name == "still" else "full")
    assert len(scenes) == len(CLIPS[name].starts)


def test_long_ranges_are_told_by_the_index_and_short_ones_by_their_pictures(
    clip: Callable[[str], Path],
) -> None:
    with Video.open(clip("slow")) as video:
        assert video.info.duration_seconds > 300
        assert video.scenes().tier == "index"
        assert [scene.start_index for scene in video.scenes()] == CLIPS["slow"].starts
        assert video.scenes(0, 290).tier == "full"
        assert video.scenes(threshold=40).tier == "key"  # the index knows of no threshold


@pytest.mark.parametrize("tier", ["full", "index"])
def test_a_range_has_the_scenes_of_the_whole_that_reach_into_it(
    clip: Callable[[str], Path], tier: Any
) -> None:
    with Video.open(clip("six")) as video:
        whole = video.scenes(tier=tier)
        part = video.scenes(2.0, 6.0, tier=tier)
        edge = video.scenes(whole[1].start_seconds, whole[2].start_seconds, tier=tier)
    inside = [s.start_seconds for s in whole if 2.0 < s.start_seconds < 6.0]
    assert [scene.start_seconds for scene in part] == [2.0, *inside]
    assert [scene.end_seconds for scene in part] == [*inside, 6.0]
    assert part[0].start_index == 50
    assert part[-1].end_index == 150
    assert [(s.start_index, s.end_index) for s in edge] == [(whole[1].start_index, 76)]


@pytest.mark.parametrize(("start", "end"), [(-1, 5), (0, 1000), (5, 5), (6, 5)])
def test_a_range_that_is_none_is_refused(
    clip: Callable[[str], Path], start: float, end: float
) -> None:
    with Video.open(clip("cuts")) as video, pytest.raises(SeekOutOfRange):
        video.scenes(start, end)


@pytest.mark.parametrize("threshold", [0, -1, 256, float("nan")])
def test_a_threshold_out_of_bounds_is_refused(
    clip: Callable[[str], Path], threshold: float
) -> None:
    with Video.open(clip("cuts")) as video, pytest.raises(InvalidArguments, match="threshold"):
        video.scenes(threshold=threshold)


def test_a_late_call_says_so_and_the_next_one_works(clip: Callable[[str], Path]) -> None:
    with Video.open(clip("fixed")) as video:
        with pytest.raises(DecodeTimeout):
            video.scenes(timeout_seconds=1e-4)
        assert len(video.scenes(timeout_seconds=600)) == len(CUTS)


def test_a_closed_video_has_no_scenes(clip: Callable[[str], Path]) -> None:
    video = Video.open(clip("fixed"))
    video.close()
    with pytest.raises(DecodeError, match="closed"):
        video.scenes()


def test_what_was_measured_once_is_not_decoded_again(
    clip: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVA_GRAPH_SCENE_CACHE", str(tmp_path))
    first, second = CountingReader(clip("six")), CountingReader(clip("six"))
    with Video(first) as video:
        full, key = video.scenes(tier="full"), video.scenes(tier="key")
    assert first.asked == ["scene_pictures"] * 2
    with Video(second) as video:
        assert video.scenes(tier="full") == full
        assert video.scenes(tier="key") == key
        assert len(video.scenes(2.0, 4.0, threshold=200)) == 1
    assert second.asked == []


def test_a_damaged_entry_is_measured_anew(
    clip: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVA_GRAPH_SCENE_CACHE", str(tmp_path))
    with Video.open(clip("fixed")) as video:
        scenes = video.scenes()
        (entry,) = tmp_path.iterdir()
        data = bytearray(entry.read_bytes())
        data[len(data) // 2] ^= 1
        entry.write_bytes(data)
        assert video.scenes() == scenes
    assert entry.read_bytes() != data


def test_a_cache_that_cannot_be_written_is_none(
    clip: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("EVA_GRAPH_SCENE_CACHE", str(tmp_path / "file" / "folder"))
    with Video.open(clip("fixed")) as video:
        assert len(video.scenes()) == len(CUTS)


@pytest.mark.parametrize("name", ["ts", "offset"])
def test_a_broken_tail_leaves_the_scenes_before_it(
    clip: Callable[[str], Path], tmp_path: Path, name: str
) -> None:
    whole = clip(name).read_bytes()
    broken = tmp_path / f"broken.{CLIPS[name].suffix}"
    broken.write_bytes(whole[: len(whole) * 2 // 3])
    with Video.open(broken) as video:
        frames = video.info.frame_count
        scenes = video.scenes()
    assert 60 < frames < 231
    assert [s.start_index for s in scenes] == [s for s in CLIPS[name].starts if s < frames - 1]
    assert scenes[-1].end_index == frames


def test_a_worker_process_finds_the_same(clip: Callable[[str], Path]) -> None:
    with Video.open(clip("fixed")) as video, Video.open(clip("fixed"), isolated=True) as isolated:
        assert isolated.scenes() == video.scenes()


def test_pyscenedetect_is_loaded_when_it_is_needed_and_asked_for_where_it_is_missing(
    clip: Callable[[str], Path],
) -> None:
    program = f"""
import sys
from eva_graph_tools import EvaGraphError, Video
assert "scenedetect" not in sys.modules and "cv2" not in sys.modules
sys.modules["scenedetect"] = None  # as import finds it where it is not installed
with Video.open({str(clip("six"))!r}) as video:
    assert len(video.scenes(tier="index")) == 6
    try:
        video.scenes()
    except EvaGraphError as error:
        print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert "pip install 'eva-graph[scenes]'" in done.stdout
    assert done.stdout.count("\n") == 1
