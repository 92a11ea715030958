"""A served model's limits are told as far as the server says what it serves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from episodes import QUESTION, TWO_LOOKS
from openai_server import OpenAIServer, Traits
from random_model import random_model

from eva_graph import Context, VideoAgent
from eva_graph.errors import InvalidRequest
from eva_graph.policy.limits_file import EMBEDDED_FOLDER, LIMITS_FILE, served_limits
from eva_graph.policy.openai_compatible import OpenAIPolicy


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / LIMITS_FILE).write_text(json.dumps({"notice": "knows tulips", "knows": "tulips"}))
    return tmp_path


def test_a_served_folder_on_this_disk_tells_its_limits(folder: Path, clip: Path) -> None:
    with OpenAIServer(TWO_LOOKS, traits=Traits(root=str(folder))) as server:
        policy = OpenAIPolicy(server.base_url)
        assert (policy.info.notice, policy.info.knows) == ("knows tulips", "tulips")
        assert VideoAgent(policy).run(clip, QUESTION).notice == "knows tulips"


def _named(folder: Path, tools: Any) -> Path:
    (folder / LIMITS_FILE).write_text(json.dumps({"tools": tools}))
    return folder


def test_a_policy_is_offered_the_tools_that_it_was_trained_with(tmp_path: Path, clip: Path) -> None:
    folder = random_model(tmp_path / "model")
    untold = VideoAgent(folder).run(clip, QUESTION).trajectory
    assert untold.tools == ["frame_select"]
    told = _named(folder, ["frame_select", "zoom"])
    context = Context(max_turns=1, max_new_tokens=4)
    assert VideoAgent(told).run(clip, QUESTION, context=context).trajectory.tools == [
        "frame_select",
        "zoom",
    ]
    chosen = VideoAgent(told, tools=["seek"]).run(clip, QUESTION, context=context)
    assert chosen.trajectory.tools == ["seek"]
    with OpenAIServer(TWO_LOOKS, traits=Traits(root=str(told))) as server:
        served = VideoAgent(OpenAIPolicy(server.base_url)).run(clip, QUESTION)
    assert served.trajectory.tools == ["frame_select", "zoom"]


@pytest.mark.parametrize("tools", ["zoom", [], ["zoom", "hammer"], [7], {}])
def test_tools_that_there_are_not_are_refused(tools: Any, tmp_path: Path) -> None:
    folder = _named(random_model(tmp_path / "model"), tools)
    with pytest.raises(InvalidRequest, match="tools must be a list of frame_select"):
        VideoAgent(folder)
    assert served_limits(str(folder)) == {}


@pytest.mark.parametrize("place", ["/opt/there/site-packages/eva_graph/nano", "eva_graph/nano"])
def test_the_embedded_model_is_known_wherever_it_is_installed(place: str) -> None:
    assert "synthetic world" in served_limits(place)["notice"]
    assert served_limits(str(EMBEDDED_FOLDER)) == served_limits(place)


@pytest.mark.parametrize(
    "root", [None, 7, "WRHC/EfficientVideoAgent", "/gone/model", "/\x00", "", "/", "/" + "x" * 5000]
)
def test_of_what_cannot_be_known_nothing_is_told(root: Any) -> None:
    with OpenAIServer(traits=Traits(root=root)) as server:
        info = OpenAIPolicy(server.base_url).info
    assert (info.notice, info.knows) == (None, None)


@pytest.mark.parametrize("content", ["{", "[]", '"x"', '{"notice": 7, "knows": []}', "\ud800"])
def test_a_file_that_says_something_else_is_passed_by(content: str, folder: Path) -> None:
    (folder / LIMITS_FILE).write_bytes(content.encode("utf-8", "surrogatepass"))
    with OpenAIServer(traits=Traits(root=str(folder))) as server:
        info = OpenAIPolicy(server.base_url).info
    assert (info.notice, info.knows) == (None, None)


def test_a_relative_root_is_no_folder_of_ours(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder.parent)
    assert served_limits(folder.name) == {}
