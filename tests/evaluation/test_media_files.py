from __future__ import annotations

from pathlib import Path

import pytest
from annotation_rows import unified, videos_below, write_lines

from eva_graph.evaluation.benchmarks import load_questions
from eva_graph.evaluation.benchmarks.media_files import MediaFiles
from eva_graph.evaluation.questions import LoadSummary


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("door.mp4", "video/1_plot/door.mp4"),
        ("door", "video/1_plot/door.mp4"),
        ("film.mp4", "video/2_needle/film.MKV"),
        ("/elsewhere/MLVU/video/1_plot/same.mp4", "video/1_plot/same.mp4"),
        ("C:\\sets\\2_needle\\same.mp4", "video/2_needle/same.mp4"),
        ("2_needle/same", "video/2_needle/same.mp4"),
        ("two.forms.mp4", "two.forms.mp4"),
        ("two.forms", None),
        ("same.mp4", None),
        ("../secret.mp4", None),
        ("", None),
        ("doo", None),
    ],
)
def test_names_lead_to_files(name: str, found: str | None, tmp_path: Path) -> None:
    videos_below(tmp_path, "secret.mp4")
    folder = videos_below(
        tmp_path / "videos",
        "video/1_plot/door.mp4",
        "video/1_plot/same.mp4",
        "video/2_needle/same.mp4",
        "video/2_needle/film.MKV",
        "two.forms.mp4",
        "two.forms.webm",
        "notes.txt",
    )
    path = MediaFiles(folder).video(name)
    assert path == (None if found is None else folder / found)


def test_a_file_where_the_name_says_is_preferred(tmp_path: Path) -> None:
    folder = videos_below(tmp_path / "videos", "door.mp4", "copies/door.mp4")
    assert MediaFiles(folder).video("door.mp4") == folder / "door.mp4"


def test_folders_that_link_to_each_other(tmp_path: Path) -> None:
    real = videos_below(tmp_path / "disk", "door.mp4")
    folder = videos_below(tmp_path / "videos")
    (folder / "linked").symlink_to(real)
    (real / "back").symlink_to(folder)
    assert MediaFiles(folder).video("door") == folder / "linked" / "door.mp4"


def test_subtitles_by_the_videos_name_or_their_own(tmp_path: Path) -> None:
    folder = videos_below(
        tmp_path / "videos", "door.mp4", "subs/door.en.vtt", "subs/spoken.srt", "subs/door.txt"
    )
    files = MediaFiles(folder)
    assert files.subtitles("door.mp4") == folder / "subs" / "door.en.vtt"
    assert files.subtitles("door.mp4", "spoken.json") == folder / "subs" / "spoken.srt"
    assert files.subtitles("window") is None


def test_missing_videos_are_counted(tmp_path: Path) -> None:
    rows = [
        unified("videomme", video=name, index=index)
        for index, name in enumerate(["door.mp4", "gone.mp4", "gone.mp4", "lost.mp4"])
    ]
    path = write_lines(tmp_path / "rows.jsonl", rows)
    folder = videos_below(tmp_path / "videos", "door.mp4")
    summary = LoadSummary.of(load_questions("videomme", path, folder))
    assert (summary.questions, summary.videos, summary.unasked) == (4, 3, 3)
    assert summary.missing_videos == ("gone.mp4", "lost.mp4")
    assert "2 videos missing (gone.mp4, lost.mp4): 3 questions" in "\n".join(summary.lines())


def test_absolute_paths_are_kept_only_by_the_reference_profile(tmp_path: Path) -> None:
    away = videos_below(tmp_path / "away", "door.mp4")
    folder = videos_below(tmp_path / "videos", "door.mp4")
    row = unified("mlvu", video=str(away / "door.mp4"))
    path = write_lines(tmp_path / "rows.jsonl", [row])
    (kept,) = load_questions("mlvu", path, folder, profile="reference")
    (repaired,) = load_questions("mlvu", path, folder)
    assert kept.video == str(away / "door.mp4")
    assert repaired.video == str(folder / "door.mp4")
    assert "absolute path of another machine" in repaired.repairs
    (away / "door.mp4").unlink()
    (found,) = load_questions("mlvu", path, folder, profile="reference")
    assert (found.video, found.missing) == (str(folder / "door.mp4"), False)
