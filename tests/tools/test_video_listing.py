"""Videos below a folder are named within bounds, links and odd names left out."""

from __future__ import annotations

from pathlib import Path

import pytest

from eva_graph_tools import EvaGraphError
from eva_graph_tools.media_root import within
from eva_graph_tools.video_listing import MAX_LISTED, list_videos


def fill(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(b"video")


def test_only_files_that_can_be_opened_are_named(tmp_path: Path) -> None:
    root = tmp_path / "media"
    fill(root / "talks", "b.MKV", "a.webm", "notes.txt")
    fill(root, "z.mp4", "two\nlines.mp4")
    fill(tmp_path / "secret", "c.mp4")
    (root / "link.mp4").symlink_to(tmp_path / "secret" / "c.mp4")
    (root / "folder").symlink_to(tmp_path / "secret")
    listing = list_videos(root)
    assert [file.name for file in listing.files] == ["z.mp4", "talks/a.webm", "talks/b.MKV"]
    assert listing.complete
    for file in listing.files:
        assert within(file.name, root).stat().st_size == file.size_bytes
    assert [file.name for file in list_videos(root, contains="LKS/B").files] == ["talks/b.MKV"]


@pytest.mark.parametrize(("count", "complete"), [(MAX_LISTED, True), (MAX_LISTED + 1, False)])
def test_a_listing_is_bounded_and_says_so(count: int, complete: bool, tmp_path: Path) -> None:
    fill(tmp_path, *(f"{number:04}.mp4" for number in range(count)))
    listing = list_videos(tmp_path)
    assert len(listing.files) == MAX_LISTED
    assert listing.complete is complete


def test_a_root_that_is_no_folder(tmp_path: Path) -> None:
    with pytest.raises(EvaGraphError, match="no such media folder"):
        list_videos(tmp_path / "none")
