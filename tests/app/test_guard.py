"""What the guard lets through to Gradio."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eva_graph.app.guard import allowed, harmless


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/config",
        "/assets/index-D3_x.js",
        "/static/img/logo.svg",
        "/gradio_api/queue/join",
        "/gradio_api/heartbeat/abc123",
        "/gradio_api/upload",
        "/eva/to-ken_1/frames/" + "0" * 64,
        "/eva/to-ken_1/trajectory.json",
    ],
)
def test_what_the_page_needs_passes(path: str) -> None:
    assert allowed(path)


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/file=/etc/passwd",
        "/gradio_api/file=http://example.com/a.mp4",
        "/gradio_api/proxy=http://example.com/",
        "/gradio_api/file/etc/passwd",
        "/gradio_api/run/ask",
        "/gradio_api/call/ask",
        "/gradio_api/component_server",
        "/gradio_api/vibe-edit",
        "/gradio_api/process_recording",
        "/gradio_api/info",
        "/assets/../../etc/passwd",
        "/eva/token/frames/../../../etc/passwd",
        "/eva/token/frames/" + "0" * 64 + "\n",
        "//",
        "/monitoring",
    ],
)
def test_everything_else_does_not(path: str) -> None:
    assert not allowed(path)


@pytest.fixture(scope="module")
def uploads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("uploads").resolve()
    (folder / "mine.mp4").write_bytes(b"mine")
    (folder / "link.mp4").symlink_to("/etc/passwd")
    return folder


def file_object(path: object) -> dict[str, Any]:
    return {"path": path, "meta": {"_type": "gradio.FileData"}}


def test_an_upload_may_be_named(uploads: Path) -> None:
    body = {"data": [{**file_object(str(uploads / "mine.mp4")), "url": "http://127.0.0.1/x"}]}
    assert harmless(orjson.dumps(body), uploads)


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "http://127.0.0.1:1/a.mp4", "{}/../x", "{}/link.mp4", "{}/none.mp4", 7, None],
)
@pytest.mark.parametrize("wrap", [lambda one: one, lambda one: [one], lambda one: {"a": [one]}])
def test_no_other_file_may_be_named(path: object, wrap: Any, uploads: Path) -> None:
    named = path.replace("{}", str(uploads)) if isinstance(path, str) else path
    body = {"fn_index": 3, "data": ["text", wrap(file_object(named))]}
    assert not harmless(orjson.dumps(body), uploads)


PLAIN = st.recursive(
    st.none() | st.booleans() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text().filter("path".__ne__), inner),
)


@given(value=PLAIN)
def test_plain_data_passes_and_a_hidden_file_never_does(value: Any) -> None:
    nowhere = Path("/nonexistent")
    assert harmless(orjson.dumps({"data": value}), nowhere)
    assert not harmless(orjson.dumps({"data": [value, file_object("/etc/passwd")]}), nowhere)


@given(body=st.binary())
def test_what_is_no_json_is_refused_or_harmless(body: bytes) -> None:
    harmless(body, Path("/nonexistent"))
