"""What follows from a probe: the requests of the policy, the dialect, the record, the doctor."""

from __future__ import annotations

import json
from typing import Any

import pytest
from episodes import QUESTION
from openai_server import OpenAIServer, Traits, images_of, unused_address
from probed_servers import FULL, GENERAL, TRAINED, dropped_in_tool, episode, mind, patches
from typer.testing import CliRunner

from eva_graph import StopReason, VideoAgent
from eva_graph.cli import app
from eva_graph.errors import InvalidRequest, PolicyUnavailable
from eva_graph.graph import wire
from eva_graph.policy.openai_compatible import OpenAIPolicy
from eva_graph.testing import ScriptedPolicy
from eva_graph_tools import VisualGrid


def test_a_policy_goes_by_what_was_found(ask: Any, after_look: Any) -> None:
    traits = Traits(render_image=dropped_in_tool, refused_fields=frozenset({"uuid"}))
    with OpenAIServer(mind(TRAINED), traits=traits) as server:
        policy = OpenAIPolicy(server.base_url, continuation=None)
        policy.probe()
        completion = policy.generate(ask(after_look))
        last = server.requests[-1]
    assert (completion.images_in, completion.requests) == ("user", 1)
    assert {role for role, _ in images_of(last)} == {"user"}


def test_the_record_keeps_what_a_probe_found(clip: Any, frames: Any) -> None:
    traits = Traits(render_image=dropped_in_tool)
    with OpenAIServer(episode, traits=traits) as server:
        agent = VideoAgent(server.base_url, dialect="auto", frames=frames)
        result = agent.run(clip, QUESTION)
        unprobed = VideoAgent(server.base_url, frames=frames).run(clip, QUESTION)
    assert result.stop_reason is StopReason.ANSWERED
    kept = result.trajectory.policy.probe
    assert kept is not None
    assert (kept.found["tool_images"], kept.images_in, kept.dialect) == ("ignored", "user", "eva")
    assert {turn.images_in for turn in result.trajectory.turns} == {"user"}
    assert json.loads(result.trajectory.to_line())["policy"]["probe"]["patch_pixels"] == 28
    assert unprobed.trajectory.policy.probe is None


def test_auto_takes_native_calls_and_teaches() -> None:
    with OpenAIServer(mind(GENERAL), traits=FULL) as server:
        assert wire(server.base_url, dialect="auto").dialect.name == "native"
    with OpenAIServer(mind(GENERAL), traits=Traits(render_image=patches, tools=False)) as server:
        wiring = wire(server.base_url, dialect="auto")
    assert "Example of a first turn" in wiring.dialect.system_text([], VisualGrid(), 1)
    assert wiring.defaults.calls == "phase"


def test_auto_says_why_it_cannot() -> None:
    with pytest.raises(InvalidRequest, match="OpenAI-compatible server"):
        VideoAgent(ScriptedPolicy([]), dialect="auto")
    with pytest.raises(PolicyUnavailable, match="broke the connection"):
        VideoAgent(OpenAIPolicy(unused_address(), backoff_seconds=0.0), dialect="auto")
    with OpenAIServer(mind(TRAINED)) as server, pytest.raises(InvalidRequest, match="no image"):
        VideoAgent(server.base_url, dialect="auto")


def doctor(*arguments: str) -> tuple[int, list[dict[str, Any]]]:
    done = CliRunner().invoke(app, ["doctor", "--json", *arguments])
    return done.exit_code, json.loads(done.stdout)


def test_doctor_tells_what_a_server_accepts() -> None:
    with OpenAIServer(mind(TRAINED), traits=Traits(render_image=dropped_in_tool)) as server:
        code, findings = doctor("--policy", server.base_url)
        told = {one["name"]: one for one in findings if one["name"].startswith("server")}
    assert code == 0
    assert told["server: tool images"]["status"] == "missing"
    assert told["server: tool images"]["detail"].startswith("ignored: ")
    assert told["server: images after tool"]["status"] == "ok"
    assert "suits --dialect eva --calls turn; images in user messages" in findings[-1]["detail"]


def test_doctor_fails_where_the_policy_would() -> None:
    code, findings = doctor("--policy", unused_address())
    assert (code, findings[-1]["name"], findings[-1]["status"]) == (1, "server: chat", "broken")
    with OpenAIServer(mind(TRAINED)) as server:
        code, findings = doctor("--policy", server.base_url)
    assert (code, findings[-1]["detail"]) == (1, "no image reaches the model")
    code, findings = doctor("--policy", "no such folder")
    assert (code, findings[-1]["status"]) == (1, "broken")
