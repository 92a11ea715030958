"""The policies that an operator offers."""

from __future__ import annotations

from pathlib import Path

import pytest
from openai_server import OpenAIServer

from eva_graph.app.offered import Agents, Manners, Offer
from eva_graph.errors import InvalidRequest
from eva_graph.state import Context


@pytest.mark.parametrize(
    ("text", "name", "spec"),
    [
        ("nano", "nano", None),
        ("small=nano", "small", None),
        ("http://localhost:8000/v1", "localhost:8000", "http://localhost:8000/v1"),
        ("eva=http://localhost:8000/v1", "eva", "http://localhost:8000/v1"),
        ("http://host/v1?key=a", "host", "http://host/v1?key=a"),
        ("runs/grpo", "grpo", "runs/grpo"),
        ("mine=runs/grpo", "mine", "runs/grpo"),
        ("runs/a=b", "a=b", "runs/a=b"),
    ],
)
def test_offers_are_read(text: str, name: str, spec: str | None) -> None:
    assert Offer.parse(text) == Offer(name=name, spec=spec)


@pytest.mark.parametrize("text", ["", "name=", " "])
def test_an_offer_of_nothing_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match="names no policy"):
        Offer.parse(text)


def agents(*offers: str, root: Path) -> Agents:
    return Agents.of(
        [Offer.parse(offer) for offer in offers],
        [root],
        manners=Manners(),
        context=Context(),
        isolated=False,
    )


def test_only_what_is_offered_can_be_asked(tmp_path: Path) -> None:
    with OpenAIServer() as server:
        made = agents(f"a={server.base_url}", root=tmp_path)
        assert made.names == ("a",)
        assert made.agent("a", tmp_path).policy.info.name == "scripted-vl"
        for other in (server.base_url, "b", str(tmp_path), "nano", ""):
            with pytest.raises(InvalidRequest, match="is offered here"):
                made.agent(other, tmp_path)


def test_two_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="two policies have one name"):
        agents("a=http://localhost:1/v1", "a=http://localhost:2/v1", root=tmp_path)


def test_a_folder_that_is_no_model_is_told_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="neither a model folder nor"):
        agents(str(tmp_path / "none"), root=tmp_path)
