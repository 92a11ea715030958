"""The miniature's videos and questions: splits of the grown-up world, filmed by processes.

FOLDER/<split>/questions.jsonl   in the `custom` layout
FOLDER/<split>/videos/
FOLDER/unseen/videos/            of the train split too; nobody was asked about them
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

from eva_graph.evaluation import EvalQuestion, load_questions
from eva_graph_tools import Video
from eva_graph_training.data.workplace import write_whole
from eva_graph_training.miniature.plan import MiniaturePlan
from eva_graph_training.world.files import QUESTIONS, VIDEOS, rows, video_file
from eva_graph_training.world.plot import Plot
from eva_graph_training.world.splits import Episode, episodes, plot_of

_MOST_DRAWN = 2_000
"""Videos that are drawn until there are enough short ones."""


def film_world(folder: Path, plan: MiniaturePlan) -> dict[str, int]:
    """Film all videos that are missing, then write the questions; how many of each there are."""
    chosen = chosen_episodes(plan)
    jobs = [(one, folder / split / VIDEOS) for split, those in chosen.items() for one in those]
    if plan.processes == 1:
        for one, videos in jobs:
            video_file(one, videos)
    else:
        with ProcessPoolExecutor(plan.processes, get_context("spawn")) as pool:
            list(pool.map(video_file, *zip(*jobs, strict=True)))
    found: dict[str, int] = {}
    for split, those in chosen.items():
        found[f"{split} videos"] = len(those)
        if split != "unseen":
            lines = [json.dumps(row) for one in those for row in rows(one)]
            write_whole(folder / split / QUESTIONS, "".join(f"{line}\n" for line in lines))
            found[f"{split} questions"] = len(lines)
    return found


def chosen_episodes(plan: MiniaturePlan) -> Mapping[str, list[Episode]]:
    """The videos of each split, with their questions."""
    sizes = plan.world
    train = list(_drawn("train", sizes.train_videos + sizes.unseen_videos, plan.world_seconds))
    return {
        "train": train[: sizes.train_videos],
        "unseen": train[sizes.train_videos :],
        "test": list(_drawn("test", sizes.test_videos, plan.world_seconds)),
        "ood": list(_drawn("ood", sizes.ood_videos, plan.world_seconds)),
    }


def asked_about(world: Path, split: str) -> list[EvalQuestion]:
    """The questions of a split that was filmed. Raises `InvalidRequest`."""
    folder = world / split
    return load_questions("custom", folder / QUESTIONS, folder / VIDEOS)


def unseen_videos(world: Path) -> list[Path]:
    """Files that new questions can be written on, in a fixed order."""
    return sorted((world / "unseen" / VIDEOS).glob("*.mp4"))


def plots_of(videos: set[Path]) -> dict[str, Plot]:
    """The plot behind each file of a split, by its `video_id`.

    Raises:
        ToolError: a file cannot be opened.
    """
    plots = {}
    for path in sorted(videos):
        plot = plot_of(path.name)
        if plot is not None:
            with Video.open(path) as video:
                plots[video.video_id] = plot
    return plots


def _drawn(split: str, count: int, most_seconds: int | None) -> Iterator[Episode]:
    if most_seconds is None:
        return episodes(split, count)
    drawn = episodes(split, _MOST_DRAWN)
    short = (one for one in drawn if one.plot.duration_seconds <= most_seconds)
    return islice(short, count)
