"""Which files may be asked about, and what is said of the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from eva_graph.app.choosing import NO_ROOT, Choosing
from eva_graph.app.chosen import STRIP_FRAMES
from eva_graph.app.samples import installed_sample
from eva_graph.app.sessions import Session, Sessions
from eva_graph.errors import EvaGraphError, InvalidRequest
from eva_graph.testing import make_clip

COLOURS = "talks/colours.mp4"


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return Sessions(tmp_path / "sessions", limit=4).of("a")


@pytest.fixture
def choosing(tmp_path: Path, root: Path, session: Session) -> Choosing:
    uploads = tmp_path / "uploads"
    uploads.mkdir()
    return Choosing(
        sessions_folder=tmp_path / "sessions",
        uploads=uploads,
        media_root=root,
        make_sample=installed_sample(),
        timeout_seconds=60,
        isolated=False,
    )


def test_a_video_of_the_folder_is_shown_as_a_strip(choosing: Choosing) -> None:
    assert [file.name for file in choosing.listing().files] == ["broken.mp4", COLOURS]
    video = choosing.from_folder(COLOURS)
    assert (video.name, video.duration_seconds, video.width, video.height) == (COLOURS, 6, 112, 84)
    times = [seconds for seconds, _ in video.strip]
    assert times == sorted(set(times))
    assert 0 < len(times) <= STRIP_FRAMES
    assert all(picture.startswith("data:image/webp;base64,") for _, picture in video.strip)
    assert str(choosing.media_root) not in str(video.to_json())


@pytest.mark.parametrize(
    "name",
    [
        "/etc/passwd",
        "../secret.mp4",
        "talks/../../secret.mp4",
        "link.mp4",
        "door/secret.mp4",
        "http://127.0.0.1:1/a.mp4",
        "file:///etc/passwd",
        "concat:talks/colours.mp4",
        "talks",
        "",
        "a\0b",
        None,
        7,
    ],
)
def test_nothing_outside_the_folder_is_opened(name: object, choosing: Choosing) -> None:
    with pytest.raises(EvaGraphError, match="no such file in the media folder"):
        choosing.from_folder(name)


def test_not_even_by_its_absolute_path(choosing: Choosing, root: Path) -> None:
    with pytest.raises(EvaGraphError, match="no such file in the media folder"):
        choosing.from_folder(str(root / COLOURS))


def test_a_broken_file_is_one_clear_line(choosing: Choosing, root: Path) -> None:
    with pytest.raises(EvaGraphError) as told:
        choosing.from_folder("broken.mp4")
    assert "broken.mp4" in str(told.value)
    assert len(str(told.value).splitlines()) == 1
    assert str(root) not in str(told.value)


def test_without_a_folder_it_is_said_how_to_set_one(choosing: Choosing, session: Session) -> None:
    bare = Choosing(
        sessions_folder=choosing.sessions_folder,
        uploads=choosing.uploads,
        media_root=None,
        make_sample=None,
        timeout_seconds=60,
        isolated=False,
    )
    assert bare.listing().files == ()
    with pytest.raises(InvalidRequest, match="EVA_GRAPH_MEDIA_ROOT") as told:
        bare.from_folder(COLOURS)
    assert str(told.value) == NO_ROOT
    with pytest.raises(InvalidRequest, match="no package with sample videos"):
        bare.sample(session)


def test_an_upload_moves_into_its_session(choosing: Choosing, session: Session) -> None:
    (choosing.uploads / "x").mkdir()
    upload = make_clip(choosing.uploads / "x" / "my holiday.MP4", seconds=2)
    video = choosing.from_upload(session, str(upload))
    assert (video.name, video.duration_seconds) == ("my holiday.MP4", 2)
    assert not upload.exists()
    assert video.path.is_relative_to(session.folder)
    (choosing.uploads / "next.mp4").write_bytes(b"broken")
    with pytest.raises(EvaGraphError) as told:
        choosing.from_upload(session, str(choosing.uploads / "next.mp4"))
    assert "next.mp4" in str(told.value)
    assert len(list(video.path.parent.iterdir())) == 1, "a session holds one video"
    session.close()
    assert not session.folder.exists()


@pytest.mark.parametrize("path", ["/etc/passwd", "../sessions", "http://127.0.0.1:1/a.mp4", None])
def test_only_uploads_are_taken(path: object, choosing: Choosing, session: Session) -> None:
    with pytest.raises(EvaGraphError):
        choosing.from_upload(session, path)


def test_a_link_among_the_uploads_is_not_followed_out(
    choosing: Choosing, session: Session, root: Path
) -> None:
    (choosing.uploads / "link.mp4").symlink_to(root.parent / "secret.mp4")
    with pytest.raises(EvaGraphError, match="no such file"):
        choosing.from_upload(session, str(choosing.uploads / "link.mp4"))
    assert (root.parent / "secret.mp4").exists()


def test_a_sample_comes_with_its_question(choosing: Choosing, session: Session) -> None:
    video = choosing.sample(session)
    assert video.sample is not None
    assert video.sample.question.endswith("?")
    assert len(video.sample.expected) == 1
    assert video.name.startswith("synthetic world ")
