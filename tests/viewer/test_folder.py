"""Above the bound a page becomes a folder: the list, and one file for each episode."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from page_parts import parts_of

from eva_graph.errors import InvalidRequest, TrajectoryError
from eva_graph.viewer import View, write_view
from eva_graph.viewer.page import Chunks, write_page

Write = Callable[..., View]


def test_a_folder_holds_what_the_page_would(run: Path, tmp_path: Path) -> None:
    page = write_view([run], tmp_path / "page.html")
    folder = write_view([run], tmp_path / "folder.html", max_megabytes=0.1)
    assert page.path == tmp_path / "page.html"
    assert folder.path == tmp_path / "folder" / "index.html"
    assert not (tmp_path / "folder.html").exists()
    one, many = parts_of(page.path), parts_of(folder.path)
    assert (one.episodes, one.thumbnails) == (many.episodes, many.thumbnails)
    assert one.index["questions"] == many.index["questions"]
    assert (one.index["in_folder"], many.index["in_folder"]) == (False, True)
    files = [file for file in (tmp_path / "folder").rglob("*") if file.is_file()]
    assert len(files) == 13
    assert folder.total_bytes == sum(file.stat().st_size for file in files)


def test_the_bound_is_that_of_the_file(run: Path, tmp_path: Path, written: Write) -> None:
    size = written(run).total_bytes
    enough = written(run, max_megabytes=(size + 2000) / 1_000_000)
    assert enough.path == tmp_path / "page.html"
    assert enough.path.stat().st_size == size
    too_little = written(run, max_megabytes=(size - 1) / 1_000_000)
    assert too_little.path == tmp_path / "page" / "index.html"


def test_a_page_is_written_anew(run: Path, tmp_path: Path, written: Write) -> None:
    written(run, max_megabytes=0)
    view = written(run, max_megabytes=0, only=["00-000001"])
    assert [file.name for file in (tmp_path / "page" / "chunks").iterdir()] == ["0.js"]
    assert view.questions == 1


def test_folders_of_others_are_left_alone(run: Path, tmp_path: Path, written: Write) -> None:
    mine = tmp_path / "page" / "index.html"
    mine.parent.mkdir()
    mine.write_text("<p>mine</p>")
    with pytest.raises(InvalidRequest, match="holds no page of ours"):
        written(run, max_megabytes=0)
    assert mine.read_text() == "<p>mine</p>"
    with pytest.raises(InvalidRequest, match="is a directory"):
        write_view([run], tmp_path / "page")


def test_a_place_that_cannot_be_written_is_said_in_one_line(run: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TrajectoryError, match=r"cannot write .*page\.html"):
        write_view([run], tmp_path / "file" / "page.html")


def test_a_page_that_cannot_be_finished_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "page.html").mkdir()
    chunks = Chunks()
    with closing(chunks), pytest.raises(TrajectoryError, match=r"cannot write .*page\.html"):
        write_page(tmp_path / "page.html", {"runs": []}, chunks, max_bytes=10**8)
    assert [each.name for each in tmp_path.iterdir()] == ["page.html"]


@pytest.mark.parametrize("bound", [math.nan, math.inf, -1.0])
def test_a_bound_that_is_none(run: Path, tmp_path: Path, bound: float) -> None:
    with pytest.raises(InvalidRequest, match="--max-mb must be 0 or more"):
        write_view([run], tmp_path / "page.html", max_megabytes=bound)
    assert list(tmp_path.glob("page*")) == []
