"""Scene detection against PySceneDetect's `content`, side by side on footage rendered here.

    python benchmarks/scenes.py            about six minutes on two cores
    python benchmarks/scenes.py --quick    under a minute: checks that everything runs

The same footage in two encodes: with key frames at scene cuts, and with a fixed group of pictures.
PySceneDetect runs as it comes: its OpenCV backend, its own downscaling, its own threshold. CPU
seconds are user and system of this process, opening counted, imports not, nothing cached; methods
take turns in shuffled order; figures are medians. A boundary counts as found within 2 frames of a
cut and within 8 of a dissolve or a fade, one finding for each; the rest is false. Thresholds were
tuned on footage of other seeds (see `scenes_footage`) and on clips that a camera took, never on the
footage scored.
"""

import argparse
import logging
import os
import resource
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from scenedetect import ContentDetector, SceneManager, open_video
from scenes_footage import Boundary, Recipe, Truth, render

from eva_graph_tools import Video

SCORED_SEED = 1001
_CUT_TOLERANCE, _GRADUAL_TOLERANCE = 2, 8
_DISTRACTOR_FRAMES = 18
_TIERS = ("index", "key", "full")


@dataclass(frozen=True, kw_only=True)
class Score:
    """What was found of what is there."""

    found: dict[str, int]
    exact_cuts: int
    false: int
    false_on_distractors: int
    f1: float


@dataclass(kw_only=True)
class Row:
    """One method on one encode over all rounds."""

    encode: str
    method: str
    tier: str = ""
    seconds: list[float] = field(default_factory=list)
    score: Score | None = None

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


def pyscenedetect(path: Path) -> tuple[str, list[int]]:
    """First frames of the scenes after the first, by `content` as it comes."""
    manager = SceneManager()
    manager.add_detector(ContentDetector())
    manager.detect_scenes(open_video(str(path)))
    return "", [start.frame_num for start, _ in manager.get_scene_list()][1:]


def eva_graph(tier: str) -> Callable[[Path], tuple[str, list[int]]]:
    """The tier that was used in the end, and first frames of the scenes after the first."""

    def find(path: Path) -> tuple[str, list[int]]:
        with Video.open(path) as video:
            scenes = video.scenes(tier=tier)  # type: ignore[arg-type]
        return scenes.tier, [scene.start_index for scene in scenes][1:]

    return find


def score(found: Sequence[int], truth: Truth) -> Score:
    """Match findings with boundaries, each with at most one."""
    hits = dict.fromkeys(("cut", "dissolve", "fade"), 0)
    left = sorted(found)
    exact = 0
    for boundary in truth.boundaries:
        near = [frame for frame in left if _matches(frame, boundary)]
        if near:
            hits[boundary.kind] += 1
            exact += boundary.kind == "cut" and boundary.first in near
            # Several findings inside one dissolve or fade are one; several around a cut are not.
            for frame in near if boundary.kind != "cut" else near[:1]:
                left.remove(frame)
    total = sum(hits.values())
    precision = total / max(1, total + len(left))
    recall = total / len(truth.boundaries)
    return Score(
        found=hits,
        exact_cuts=exact,
        false=len(left),
        false_on_distractors=sum(
            any(at <= frame <= at + _DISTRACTOR_FRAMES for at in truth.distractors)
            for frame in left
        ),
        f1=2 * precision * recall / max(1e-9, precision + recall),
    )


def _matches(frame: int, boundary: Boundary) -> bool:
    tolerance = _CUT_TOLERANCE if boundary.kind == "cut" else _GRADUAL_TOLERANCE
    return boundary.first - tolerance <= frame <= boundary.last + tolerance


def measured(files: dict[str, Path], truth: Truth, rounds: int) -> list[Row]:
    """All methods on all encodes, taking turns."""
    methods = {"PySceneDetect content": pyscenedetect}
    methods |= {f"eva_graph {tier}": eva_graph(tier) for tier in _TIERS}
    rows = [Row(encode=encode, method=method) for encode in files for method in methods]
    for number in range(rounds):
        for row in Random(number).sample(rows, len(rows)):
            before = _cpu_seconds()
            row.tier, found = methods[row.method](files[row.encode])
            row.seconds.append(_cpu_seconds() - before)
            row.score = score(found, truth)
    return rows


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def second_call(path: Path, folder: Path) -> tuple[float, float]:
    """CPU seconds of a full pass, and of the same call again with what it kept."""
    os.environ["EVA_GRAPH_SCENE_CACHE"] = str(folder)
    spent = []
    with Video.open(path) as video:
        for _ in range(2):
            before = _cpu_seconds()
            video.scenes(tier="full")
            spent.append(_cpu_seconds() - before)
    os.environ["EVA_GRAPH_SCENE_CACHE"] = ""
    return spent[0], spent[1]


def report(rows: Sequence[Row]) -> None:
    """The table: cost as a ratio to PySceneDetect's on the same encode, and what was found."""
    print(f"{'encode':<12}{'method':<24}{'CPU s':>8}{'ratio':>8}{'F1':>7}{'margin':>8}  found")
    for row in rows:
        against = next(other for other in rows if other.encode == row.encode)
        if row.score is None or against.score is None:
            continue
        found = " ".join(f"{kind} {count}" for kind, count in row.score.found.items())
        passed = f", looked at {row.tier}" if row.tier and not row.method.endswith(row.tier) else ""
        print(
            f"{row.encode:<12}{row.method:<24}{row.median:>8.3f}"
            f"{against.median / row.median:>7.1f}x{row.score.f1:>7.3f}"
            f"{row.score.f1 - against.score.f1:>+8.3f}  {found}, exact cuts "
            f"{row.score.exact_cuts}, false {row.score.false} "
            f"({row.score.false_on_distractors} on flashes and whip-pans){passed}"
        )


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="little footage, one round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=SCORED_SEED)
    chosen = parser.parse_args(arguments)
    recipe = Recipe(seed=chosen.seed)
    if chosen.quick:
        recipe = Recipe(
            seed=chosen.seed, cuts=7, dissolves=2, fades=2, flashes=1, whip_pans=1, longest=60
        )
    logging.getLogger("pyscenedetect").setLevel(logging.CRITICAL)
    os.environ["EVA_GRAPH_SCENE_CACHE"] = os.environ["EVA_GRAPH_INDEX_CACHE"] = ""
    with tempfile.TemporaryDirectory() as folder:
        files = {
            "scene cuts": Path(folder, "cuts.mp4"),
            "fixed GOP": Path(folder, "fixed.mp4"),
        }
        truth = render(recipe, files["scene cuts"], files["fixed GOP"])
        print(
            f"seed {recipe.seed}: {truth.frames} frames, {len(truth.boundaries)} boundaries "
            f"({recipe.cuts} cuts, {recipe.dissolves} dissolves, {recipe.fades} fades), "
            f"{len(truth.distractors)} flashes and whip-pans"
        )
        report(measured(files, truth, 1 if chosen.quick else chosen.rounds))
        first, again = second_call(files["scene cuts"], Path(folder, "kept"))
        print(f"the same call again: {first:.2f} s, then {again:.4f} s ({first / again:.0f}x)")


if __name__ == "__main__":
    main(sys.argv[1:])
