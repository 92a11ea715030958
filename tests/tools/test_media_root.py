"""Videos come from below the media root or not at all, and a refusal tells nothing of elsewhere."""

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from numbered_video import Clip, number_of

from eva_graph_tools import EvaGraphError, UnsupportedMedia, Video
from eva_graph_tools.local_reader import LocalReader
from eva_graph_tools.media_root import within


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root with a video, beside a folder with a secret one."""
    inside, outside = tmp_path / "media", tmp_path / "secret"
    (inside / "talks").mkdir(parents=True)
    outside.mkdir()
    (inside / "talks" / "a.mp4").write_bytes(b"video")
    (outside / "b.mp4").write_bytes(b"secret")
    return inside


@pytest.mark.parametrize("path", ["talks/a.mp4", "./talks//a.mp4", "ABSOLUTE"])
def test_files_below_the_root_are_found(path: str, root: Path) -> None:
    video = root / "talks" / "a.mp4"
    assert within(str(video) if path == "ABSOLUTE" else path, root) == video.resolve()


def test_links_that_stay_below_the_root_are_followed(root: Path, tmp_path: Path) -> None:
    (root / "link.mp4").symlink_to("talks/a.mp4")
    (root / "folder").symlink_to(root / "talks")
    (tmp_path / "door").symlink_to(root)
    video = (root / "talks" / "a.mp4").resolve()
    assert within("link.mp4", root) == video
    assert within("folder/a.mp4", root) == video
    assert within("talks/a.mp4", tmp_path / "door") == video


@pytest.mark.parametrize("name", ["http:a.mp4", "%d.mp4", "a\nb.mp4", "ünï 'q'.mp4", "-i.mp4"])
def test_names_are_only_names(name: str, root: Path) -> None:
    (root / name).write_bytes(b"video")
    assert within(name, root) == (root / name).resolve()


def odd_paths(root: Path) -> dict[str, str]:
    outside = root.parent / "secret"
    (root / "to_file.mp4").symlink_to(outside / "b.mp4")
    (root / "to_nothing.mp4").symlink_to(outside / "c.mp4")
    (root / "to_folder").symlink_to(outside)
    (root / "loop.mp4").symlink_to("loop.mp4")
    os.mkfifo(root / "pipe.mp4")
    with socket.socket(socket.AF_UNIX) as listener:
        here = Path.cwd()
        os.chdir(root)  # the address of a socket is short
        listener.bind("socket.mp4")
        os.chdir(here)
    return {
        "missing": "talks/none.mp4",
        "up": "../secret/b.mp4",
        "up and back": "../media/talks/a.mp4",
        "up inside": "talks/../talks/a.mp4",
        "absolute": str(outside / "b.mp4"),
        "absolute and missing": str(outside / "c.mp4"),
        "beside, with the same start": f"{root}s/a.mp4",
        "link to a file": "to_file.mp4",
        "link to nothing": "to_nothing.mp4",
        "link to a folder": "to_folder/b.mp4",
        "link to a folder and missing": "to_folder/c.mp4",
        "loop": "loop.mp4",
        "pipe": "pipe.mp4",
        "socket": "socket.mp4",
        "device": "/dev/null",
        "folder": "talks",
        "root": ".",
        "nothing": "",
        "file as a folder": "talks/a.mp4/b.mp4",
        "null byte": "talks/a.mp4\0.txt",
        "too long": "a" * 10_000,
        "http": "http://localhost/a.mp4",
        "file address": f"file://{outside}/b.mp4",
        "file protocol": f"file:{outside}/b.mp4",
        "concat": f"concat:{outside}/b.mp4|talks/a.mp4",
        "subfile": f"subfile,,start,0,end,1,,:{outside}/b.mp4",
        "data": "data:video/mp4;base64,AAAA",
        "home": "~/a.mp4",
    }


def test_everything_else_is_refused_alike(root: Path) -> None:
    for what, path in odd_paths(root).items():
        with pytest.raises(UnsupportedMedia) as caught:
            within(path, root)
        line = str(caught.value)
        shown = path[:120].replace("\0", "\ufffd")
        assert line.endswith(f"{shown}: no such file in the media folder"), what
        assert caught.value.__cause__ is None, what
        assert caught.value.__suppress_context__ or caught.value.__context__ is None, what


def test_videos_are_opened_below_a_root(tmp_path: Path, clip: Callable[[str], Clip]) -> None:
    made = clip("h264_mp4").path
    (tmp_path / "outside.mp4").symlink_to(made)
    for isolated in (False, True):
        with Video.open(made.name, media_root=made.parent, isolated=isolated) as video:
            assert video.path == made.resolve()
            assert number_of(video.seek(1.0).pixels) == 25
        with pytest.raises(UnsupportedMedia, match="no such file in the media folder"):
            Video.open("outside.mp4", media_root=tmp_path, isolated=isolated)


def test_a_root_that_changes_while_a_video_is_opened_is_noticed(
    root: Path, clip: Callable[[str], Clip], monkeypatch: pytest.MonkeyPatch
) -> None:
    content = clip("h264_mp4").path.read_bytes()
    for folder in (root / "talks", root.parent / "secret"):
        (folder / "a.mp4").write_bytes(content)
    opened = LocalReader.open

    def swap_and_open(file: Path, **options: Any) -> LocalReader:
        (root / "talks").rename(root / "moved")
        (root / "talks").symlink_to(root.parent / "secret")
        return opened(file, **options)

    monkeypatch.setattr(LocalReader, "open", swap_and_open)
    with pytest.raises(UnsupportedMedia, match="the media folder changed"):
        Video.open("talks/a.mp4", media_root=root)


def test_a_root_that_is_none_says_so(root: Path) -> None:
    for wrong in (root / "none", root / "talks" / "a.mp4"):
        with pytest.raises(EvaGraphError, match="media") as caught:
            within("a.mp4", wrong)
        assert not isinstance(caught.value, UnsupportedMedia)


def test_a_folder_swapped_for_a_link_is_noticed(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve = os.path.realpath

    def swapped(path: str | Path, *, strict: bool = False) -> str:
        found = resolve(path, strict=strict)
        if found.endswith("a.mp4"):
            (root / "talks").rename(root / "moved")
            (root / "talks").symlink_to(root.parent / "secret")
        return found

    (root.parent / "secret" / "a.mp4").write_bytes(b"secret")
    monkeypatch.setattr(os.path, "realpath", swapped)
    with pytest.raises(UnsupportedMedia, match="no such file"):
        within("talks/a.mp4", root)
