"""`eva-graph mcp` with a real client, over stdio and HTTP."""

from __future__ import annotations

import base64
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mcp import Client, StdioServerParameters
from mcp.types import BlobResourceContents, CallToolResult, EmbeddedResource, ImageContent
from mcp_server.conftest import Launch
from numbered_video import number_of
from openai_server import OpenAIServer, images_of
from PIL import Image

from eva_graph.testing import CLIP_COLOURS
from eva_graph_tools import Video
from eva_graph_tools.registry import TOOLS

CALL = (
    '<tool_call>{"tool": "frame_select", "arguments": '
    '{"start_time": 0, "end_time": 6, "nframes": 3}}</tool_call>'
)
COLOURS = "talks/colours.mp4"


def words(result: CallToolResult) -> str:
    return "\n".join(part.text for part in result.content if part.type == "text")


def pictures(result: CallToolResult) -> list[np.ndarray[Any, Any]]:
    return [
        np.asarray(Image.open(io.BytesIO(base64.b64decode(part.data))).convert("RGB"))
        for part in result.content
        if isinstance(part, ImageContent)
    ]


async def test_tools_over_stdio(launch: Launch, tmp_path: Path) -> None:
    async with Client(launch("--tools-only")) as client:
        listed = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert set(listed) == {"list_videos", "video_info", *TOOLS}
        for name, tool in TOOLS.items():
            schema, own = listed[name].input_schema, tool.json_schema()
            assert schema["properties"].pop("video")["type"] == "string"
            assert schema == {**own, "required": ["video", *own["required"]]}

        videos = words(await client.call_tool("list_videos"))
        names = [line.partition(" (")[0] for line in videos.splitlines()]
        assert names == ["broken.mp4", "numbers.mp4", COLOURS]
        assert words(await client.call_tool("list_videos", {"contains": "TALK"})).startswith(
            COLOURS
        )
        info = words(await client.call_tool("video_info", {"video": COLOURS}))
        assert info.startswith("6")
        assert "112x84" in info
        assert "transcript" in info

        asked = {"video": "numbers.mp4", "start_time": 0, "end_time": 2, "nframes": 4}
        selected = await client.call_tool("frame_select", asked)
        assert not selected.is_error
        numbers = [number_of(picture) for picture in pictures(selected)]
        assert len(numbers) == 4
        assert numbers == sorted(set(numbers))
        assert words(selected).count("[") == 4
        sought = await client.call_tool("seek", {"video": "numbers.mp4", "time": "00:01"})
        assert [number_of(picture) for picture in pictures(sought)] == [25]
        zoomed = await client.call_tool(
            "zoom", {"video": COLOURS, "time": 2.5, "box": [0, 0, 0.1, 0.1]}
        )
        (corner,) = pictures(zoomed)
        assert np.abs(corner.mean(axis=(0, 1)) - CLIP_COLOURS["blue"]).max() < 12
        scenes = await client.call_tool(
            "scene_detect", {"video": COLOURS, "start_time": 0, "end_time": 6}
        )
        assert not scenes.is_error
        assert pictures(scenes)
        spoken = await client.call_tool("transcript", {"video": COLOURS, "query": "blue"})
        assert "blue now" in words(spoken)

        cut = await client.call_tool("clip", {"video": COLOURS, "start_time": 2, "end_time": 4})
        (embedded,) = [part for part in cut.content if isinstance(part, EmbeddedResource)]
        assert isinstance(embedded.resource, BlobResourceContents)
        file = tmp_path / "cut.mp4"
        file.write_bytes(base64.b64decode(embedded.resource.blob))
        with Video.open(file) as video:
            assert 1.5 < video.info.duration_seconds < 4.5


REFUSED = [
    "/etc/passwd",
    "../secret.mp4",
    "talks/../../secret.mp4",
    "link.mp4",
    "door/secret.mp4",
    "http://127.0.0.1:1/a.mp4",
    "file:///etc/passwd",
    "concat:numbers.mp4",
]
FAILED: list[tuple[str, dict[str, Any], str]] = [
    ("seek", {"video": "broken.mp4", "time": 1}, "broken.mp4"),
    ("ask", {"video": "broken.mp4", "question": "What?"}, "broken.mp4"),
    ("seek", {"video": "numbers.mp4"}, "time is missing"),
    ("seek", {"time": 1}, "list_videos"),
    ("transcript", {"video": "numbers.mp4", "query": "a"}, "use frame_select"),
    ("video_info", {"video": 7}, "video"),
    ("ask", {"video": "numbers.mp4", "question": " "}, "the question is empty"),
    ("nothing", {}, "there is no tool 'nothing'"),
]
"""Tool, arguments, and what its one line says."""


async def test_refusals_and_failures_are_one_line(launch: Launch, root: Path) -> None:
    with OpenAIServer() as policy:
        async with Client(launch("--policy", policy.base_url)) as client:
            for name in REFUSED:
                for tool, rest in (("seek", {"time": 1}), ("ask", {"question": "What?"})):
                    refused = await client.call_tool(tool, {"video": name, **rest})
                    assert refused.is_error, name
                    assert words(refused) == f"{name}: no such file in the media folder"
            for tool, arguments, said in FAILED:
                failed = await client.call_tool(tool, arguments)
                assert failed.is_error, said
                assert said in words(failed)
                assert len(words(failed).splitlines()) == 1
                assert str(root) not in words(failed)
        assert policy.requests == []


async def test_the_agent_is_asked(launch: Launch) -> None:
    told: list[str | None] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        told.append(message)

    with OpenAIServer([CALL, "<answer>blue</answer>"]) as policy:
        async with Client(launch("--policy", policy.base_url)) as client:
            assert "ask" in {tool.name for tool in (await client.list_tools()).tools}
            asked = {"video": COLOURS, "question": "Which colour is shown at 2 seconds?"}
            answer = await client.call_tool("ask", asked, progress_callback=hear)
        assert not answer.is_error
        assert words(answer).splitlines()[0] == "blue"
        assert "Seen at [00:0" in words(answer)
        assert len(images_of(policy.requests[1])) == 3
    assert "turn 1: action (frame_select)" in told


async def test_over_http(launch: Launch) -> None:
    with listening(launch("--tools-only", "--http", "--port", "0")) as url:
        assert url.startswith("http://127.0.0.1:")
        async with Client(url) as client:
            sought = await client.call_tool("seek", {"video": "numbers.mp4", "time": 1})
            assert [number_of(picture) for picture in pictures(sought)] == [25]
            refused = await client.call_tool("seek", {"video": "/etc/passwd", "time": 1})
            assert words(refused) == "/etc/passwd: no such file in the media folder"


@pytest.mark.parametrize("input_text", ["", "not json\n"])
def test_the_server_ends_with_its_client(input_text: str, launch: Launch) -> None:
    started = launch("--tools-only")
    done = run(started, input_text)
    assert done.returncode == 0
    assert all("jsonrpc" in json.loads(line) for line in done.stdout.splitlines())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--look-budget", "0"], "look_budget"),
        (["--ask-timeout", "0"], "--ask-timeout"),
        (["--http", "--port", "70000"], "cannot listen"),
    ],
)
def test_wrong_options_are_one_line(options: list[str], said: str, launch: Launch) -> None:
    done = run(launch("--tools-only", *options), "")
    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_missing_folder_and_a_missing_extra_are_told(root: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "eva_graph.cli", "mcp"]
    done = subprocess.run([*command, str(root / "none")], capture_output=True, text=True)
    assert done.returncode == 1
    assert "no such folder" in done.stderr
    hide = "import sys; sys.modules['mcp'] = None; sys.argv = ['eva-graph', 'mcp', sys.argv[1]]\n"
    program = f"{hide}from eva_graph.cli import main\nmain()"
    done = subprocess.run(
        [sys.executable, "-c", program, str(root)], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert 'pip install "eva-graph[mcp]"' in done.stderr


@contextmanager
def listening(started: StdioServerParameters) -> Iterator[str]:
    """The address that an HTTP server tells; nothing may be on its stdout."""
    process = subprocess.Popen(
        [started.command, *started.args],
        env=started.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        yield process.stderr.readline().strip()
    finally:
        process.terminate()
        out, _ = process.communicate(timeout=60)
    assert out == ""


def run(started: StdioServerParameters, input_text: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [started.command, *started.args],
        input=input_text,
        env={**os.environ, **(started.env or {})},
        capture_output=True,
        text=True,
        timeout=120,
    )
