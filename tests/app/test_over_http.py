"""The page's server as a hostile client meets it: real HTTP, Gradio's own endpoints included."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import pytest
from episodes import TWO_LOOKS
from openai_server import OpenAIServer
from served_page import COLOURS, Served, Visitor, file_object

from eva_graph import Trajectory

MIB = 1024**2
ASKED = ("Which colour is shown at 3 seconds?", "a", "", "", "", "")


@pytest.fixture(scope="module")
def policy() -> Iterator[OpenAIServer]:
    with OpenAIServer(TWO_LOOKS) as server:
        yield server


@pytest.fixture(scope="module")
def page(
    serve: Callable[..., AbstractContextManager[Served]], policy: OpenAIServer, root: Path
) -> Iterator[Served]:
    options = ("--policy", f"a={policy.base_url}", "--max-upload-mb", "1", "--no-isolated")
    with serve(*options, media_root=root) as served:
        yield served


@pytest.fixture
def client(page: Served) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=page.address, timeout=60) as opened:
        yield opened


@pytest.fixture
def canary() -> Iterator[tuple[str, list[str]]]:
    """An address that nobody may fetch, and who did."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()

        def do_HEAD(self) -> None:
            self.do_GET()

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/a.mp4", asked
        server.shutdown()
        thread.join()


def stage(values: list[Any] | None) -> dict[str, Any]:
    assert values is not None
    shown: dict[str, Any] = values[-1]
    return shown


def test_no_endpoint_gives_or_fetches_another_file(
    client: httpx2.Client, root: Path, canary: tuple[str, list[str]]
) -> None:
    address, asked = canary
    files = [
        "/etc/passwd",
        str(root / COLOURS),
        str(root / "link.mp4"),
        "../../etc/passwd",
        address,
    ]
    for file in files:
        for way in ("file=", "file/", "proxy=", "stream/", "custom_component/"):
            assert client.get(f"/gradio_api/{way}{file}").status_code == 404
            assert client.get(f"/gradio_api/{way}{file.replace('/', '%2F')}").status_code == 404
        assert client.get(f"/static/{file}").status_code in (403, 404)
        assert client.get(f"/assets/{file}").status_code in (403, 404)
        for call in ("run/ask", "call/ask", "api/uploaded", "component_server"):
            body = {"data": [file_object(file)]}
            assert client.post(f"/gradio_api/{call}", json=body).status_code == 404
    assert asked == []


def test_an_event_cannot_name_another_file(
    client: httpx2.Client, page: Served, root: Path, canary: tuple[str, list[str]]
) -> None:
    address, asked = canary
    visitor = Visitor(client, "hostile")
    for file in ("/etc/passwd", str(root / COLOURS), "../x.mp4", address, "http://192.0.2.1/a"):
        for event in ("uploaded", "ask", "from_folder"):
            assert visitor.join(event, file_object(file)).status_code == 403
            assert visitor.join(event, [{"inside": file_object(file)}]).status_code == 403
            assert visitor.join(event, file_object(file), way="run/predict").status_code == 403
            assert visitor.join(event, way="run/predict").status_code == 404, "past the queue"
    assert asked == []
    assert page.uploads() == []


def test_the_folder_is_left_by_no_name(
    client: httpx2.Client, root: Path, canary: tuple[str, list[str]]
) -> None:
    address, asked = canary
    visitor = Visitor(client, "curious")
    names = ["/etc/passwd", "../secret.mp4", "link.mp4", "door/secret.mp4", address, "file:///etc"]
    for name in names:
        shown = stage(visitor.outcome("from_folder", name))
        assert shown["phase"] == "failed"
        assert shown["message"] == f"{name}: no such file in the media folder"
        assert shown["video"] is None
    broken = stage(visitor.outcome("from_folder", "broken.mp4"))
    assert "broken.mp4" in broken["message"]
    assert str(root) not in str(broken)
    assert asked == []


def test_no_policy_but_those_offered(
    client: httpx2.Client, canary: tuple[str, list[str]], policy: OpenAIServer
) -> None:
    address, asked = canary
    visitor, before = Visitor(client, "chooser"), len(policy.requests)
    stage(visitor.outcome("from_folder", COLOURS))
    for name in (address, "/etc", policy.base_url, "nano"):
        outcome = visitor.outcome("ask", ASKED[0], name, *ASKED[2:])
        assert outcome is None or stage(outcome)["phase"] == "failed"
    assert asked == []
    assert len(policy.requests) == before


def test_upload_ask_and_download(client: httpx2.Client, page: Served, root: Path) -> None:
    visitor = Visitor(client, "uploader")
    uploaded = visitor.upload("my clip.mp4", (root / COLOURS).read_bytes()).json()[0]
    ready = stage(visitor.outcome("uploaded", file_object(uploaded)))
    assert (ready["phase"], ready["video"]["name"]) == ("ready", "my clip.mp4")
    assert page.uploads() == []
    visitor.outcome("ask", *ASKED)
    links = [link for each in page.sessions() for link in each.glob("run/journal/*.jsonl")]
    assert len(links) == 1


def test_each_session_has_its_own_links(client: httpx2.Client) -> None:
    first, second = Visitor(client, "first"), Visitor(client, "second")
    for visitor in (first, second):
        stage(visitor.outcome("from_folder", COLOURS))
    shown = final(first)
    files = shown["files"]
    record = Trajectory.from_line(client.get(f"/{files}/trajectory.json").text)
    assert (record.answer, record.video.path) == ("yellow", COLOURS)
    view = client.get(f"/{files}/view.html")
    assert view.headers["content-disposition"].startswith("attachment")
    picture = client.get(f"/{shown['episode']['frames'][0]['picture']}")
    assert picture.content.startswith(b"\xff\xd8")
    assert final(second)["files"] != files
    for path in ("eva/x/trajectory.json", f"{files}/frames/{'0' * 64}", f"{files}/run", "eva/"):
        assert client.get(f"/{path}").status_code == 404


def final(visitor: Visitor) -> dict[str, Any]:
    """The last state of a question."""
    shown = stage(visitor.outcome("ask", *ASKED))
    assert shown["phase"] == "done"
    return shown


def test_an_upload_beyond_the_limit_is_refused_and_removed(
    client: httpx2.Client, page: Served
) -> None:
    refused = Visitor(client, "heavy").upload("big.mp4", bytes(MIB + 1))
    assert refused.status_code == 413
    assert "maximum allowed size" in refused.text
    assert page.uploads() == []


def test_foreign_hosts_are_refused_and_nothing_may_come_from_elsewhere(
    client: httpx2.Client, page: Served
) -> None:
    refused = client.get("/", headers={"Host": "evil.example"})
    assert refused.status_code == 400
    shown = client.get("/")
    policy = shown.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "http" not in policy
    assert shown.headers["referrer-policy"] == "no-referrer"
    config = client.get("/config").json()
    assert config["analytics_enabled"] is False
    assert "fonts.googleapis" not in shown.text


def test_a_huge_event_is_refused(client: httpx2.Client) -> None:
    assert Visitor(client, "loud").join("from_folder", "a" * MIB).status_code == 403
