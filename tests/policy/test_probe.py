"""The probe against real HTTP servers that take much, little, or only seem to take it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from episodes import QUESTION
from openai_server import Fault, OpenAIServer, Traits, images_of, unused_address
from probed_servers import FULL, GENERAL, TRAINED, as_text, dropped_in_tool, episode, mind, patches

from eva_graph import VideoAgent
from eva_graph.policy.openai_compatible import OpenAIPolicy
from eva_graph.policy.probe import ServerReport


def probe(server: OpenAIServer, **options: Any) -> ServerReport:
    return OpenAIPolicy(server.base_url, backoff_seconds=0.0).probe(**options)


VLLM = {
    "chat": "yes", "eva_format": "yes", "native_tools": "yes", "images": "yes",
    "tool_images": "yes", "several_images": "yes", "cached_tokens": "yes", "media_uuids": "yes",
    "token_ids": "yes", "logprobs": "yes", "continuation": "yes", "guided_decoding": "yes",
}  # fmt: skip


def test_a_server_that_takes_everything() -> None:
    with OpenAIServer(mind(TRAINED), traits=FULL) as server:
        report = probe(server)
        assert report.requests == len(server.paths) < 20
        assert all(request["max_tokens"] <= 512 for request in server.requests)
        assert {image[0] for request in server.requests for image in images_of(request)} == {
            "user",
            "tool",
        }
    assert {one.capability: one.answer for one in report.found} == VLLM
    assert (report.delivery, report.dialect, report.calls) == ("tool", "eva", "turn")
    assert (report.patch_pixels, report.logprobs_kind) == (28, "raw")
    assert report.options == "--dialect eva --calls turn"
    assert not report.instructions


KINDS: dict[str, tuple[dict[str, Any], str, dict[str, str], tuple[Any, ...]]] = {
    "refuses images in tool messages": (
        {"tool_images": False}, TRAINED,
        {"tool_images": "no", "images_after_tool": "yes"}, ("user", "eva", "turn"),
    ),
    "drops images of tool messages": (
        {"render_image": dropped_in_tool}, TRAINED,
        {"tool_images": "ignored", "images_after_tool": "yes"}, ("user", "eva", "turn"),
    ),
    "wants a call before a tool message": (
        {"bare_tool_messages": False}, TRAINED,
        {"tool_images": "no", "images_after_tool": "no", "user_only_images": "yes"},
        ("user_only", "eva", "turn"),
    ),
    "the same with native calls": (
        {"bare_tool_messages": False}, GENERAL,
        {"eva_format": "no", "native_tools": "yes", "tool_images": "yes"},
        ("tool", "native", "turn"),
    ),
    "a general model without tools": (
        {"tools": False}, GENERAL, {"native_tools": "no"}, ("tool", "eva", "phase"),
    ),
    "and without continuation": (
        {"tools": False, "continuation": False}, GENERAL,
        {"continuation": "no", "guided_decoding": "no"}, ("tool", "eva", "turn"),
    ),
    "ignores what it does not know": (
        {"ignored_fields": frozenset({"continue_final_message", "structured_outputs", "tools"}),
         "token_ids": False, "counts_cached": False, "keeps_media": False}, GENERAL,
        {"continuation": "ignored", "guided_decoding": "ignored", "native_tools": "ignored",
         "token_ids": "no", "logprobs": "no", "cached_tokens": "no", "media_uuids": "ignored"},
        ("tool", "eva", "turn"),
    ),
    "refuses what it does not know": (
        {"refused_fields": frozenset({"return_token_ids", "logprobs", "uuid"})}, TRAINED,
        {"token_ids": "no", "logprobs": "no", "media_uuids": "no", "several_images": "yes"},
        ("tool", "eva", "turn"),
    ),
    "drops every image": (
        {"render_image": lambda role, content: "<image>"}, TRAINED, {"images": "ignored"},
        (None, "eva", "turn"),
    ),
    "takes images for text": (
        {"render_image": as_text}, TRAINED, {"images": "ignored"}, (None, "eva", "turn"),
    ),
    "counts no tokens": (
        {"counts_tokens": False}, TRAINED,
        {"images": "unknown", "tool_images": "unknown", "continuation": "unknown"},
        ("tool", "eva", "turn"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_what_follows_from_what_was_found(kind: str) -> None:
    changes, opening, answers, follows = KINDS[kind]
    traits = Traits(**{**{name: getattr(FULL, name) for name in ENOUGH}, **changes})
    with OpenAIServer(mind(opening), traits=traits) as server:
        report = probe(server)
    assert {name: report.answer(name) for name in answers} == answers
    assert (report.delivery, report.dialect, report.calls) == follows
    assert all("\n" not in one.detail for one in report.found)


ENOUGH = ("render_image", "counts_cached", "keeps_media")


def test_what_a_token_shows() -> None:
    def wider(role: str, content: bytes) -> str:
        return patches(role, content, pixels=32)

    with OpenAIServer(mind(TRAINED), traits=Traits(render_image=wider)) as server:
        assert probe(server).patch_pixels == 32
    with OpenAIServer(mind(TRAINED), traits=Traits(render_image=lambda *_: "#" * 99)) as server:
        report = probe(server)
    assert (report.answer("images"), report.patch_pixels) == ("yes", None)


def test_processed_logprobs_are_told_from_raw_ones() -> None:
    traits = Traits(render_image=patches, processed_logprobs=True)
    with OpenAIServer(mind(TRAINED), traits=traits) as server:
        policy = OpenAIPolicy(server.base_url)
        assert policy.probe().logprobs_kind == "processed"


class FewImages(OpenAIServer):
    def refusal(self, body: dict[str, Any]) -> str | None:
        few = len(images_of(body)) <= 4
        return super().refusal(body) if few else "At most 4 image(s) may be provided"


def test_a_limit_of_images_is_told() -> None:
    with FewImages(mind(TRAINED), traits=FULL) as server:
        (several,) = (one for one in probe(server).found if one.capability == "several_images")
    assert several.answer == "no"
    assert "At most 4" in several.detail


class Forgetful(OpenAIServer):
    """Keeps the first four images of a message and drops the others without a word."""

    def refusal(self, body: dict[str, Any]) -> str | None:
        refused = super().refusal(body)
        for message in body["messages"]:
            if isinstance(message["content"], list):
                images = [p for p in message["content"] if p["type"] == "image_url"]
                message["content"] = [p for p in message["content"] if p not in images[4:]]
        return refused


def test_images_that_are_dropped_are_counted() -> None:
    with Forgetful(mind(TRAINED), traits=FULL) as server:
        (several,) = (one for one in probe(server).found if one.capability == "several_images")
    assert (several.answer, several.detail[:7]) == ("ignored", "4 of 16")


@pytest.mark.parametrize("fault", [fault for fault in Fault if fault is not Fault.NONE])
@pytest.mark.parametrize("answered", [0, 3])
def test_a_failing_server_is_a_finding(fault: Fault, answered: int) -> None:
    faults = [*[Fault.NONE] * answered, fault]
    with OpenAIServer(mind(TRAINED), traits=FULL, faults=faults) as server:
        patience = {"timeout_seconds": 1.0, "deadline_seconds": 2.0} if fault is Fault.HANG else {}
        report = probe(server, **patience)
        assert report.requests == len(server.paths) < 40
    assert report.reachable == bool(answered)
    assert all(one.detail and "\n" not in one.detail for one in report.found)
    assert report.delivery is None


BEYOND = (float("nan"), float("inf"), -(10**400), True)


def first(answer: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return answer | {"choices": [answer["choices"][0] | changes]}


HOSTILE: dict[str, tuple[Any, str]] = {
    "usage that is a list": (lambda a: a | {"usage": []}, "unknown"),
    "counts that are text": (lambda a: a | {"usage": {"prompt_tokens": "7"}}, "unknown"),
    "negative counts": (lambda a: a | {"usage": {"prompt_tokens": -7}}, "unknown"),
    "endless counts": (lambda a: a | {"usage": {"prompt_tokens": 10**400}}, "ignored"),
    "details that are none": (lambda a: a | {"usage": {"prompt_tokens_details": 7}}, "unknown"),
    "choices that are none": (lambda a: a | {"choices": [None]}, "unknown"),
    "a list": (lambda a: [a], "unknown"),
    "logprobs that are none": (lambda a: first(a, logprobs={"content": [{}, 7]}), "yes"),
    "logprobs beyond all numbers": (
        lambda a: first(a, logprobs={"content": [{"logprob": one} for one in BEYOND]}), "yes",
    ),
    "token ids that are none": (lambda a: first(a, token_ids=[None, "x"]), "yes"),
    "calls that are none": (
        lambda a: first(a, message={"content": None, "tool_calls": [{"id": 3}]}), "unknown",
    ),
    "text of many lines": (lambda a: first(a, message={"content": "a\nb\x00\n" * 999}), "yes"),
}  # fmt: skip


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_a_server_says_is_read_with_care(kind: str, clip: Any, frames: Any) -> None:
    distort, images = HOSTILE[kind]
    with OpenAIServer(episode, traits=Traits(render_image=patches, distort=distort)) as server:
        policy = OpenAIPolicy(server.base_url)
        report = policy.probe()
        result = VideoAgent(policy, frames=frames).run(clip, QUESTION)
    assert report.answer("images") == images
    assert all(one.detail and "\n" not in one.detail for one in report.found)
    assert json.loads(result.trajectory.to_line())["stop_reason"]


def test_a_probe_ends_in_time() -> None:
    faults = [*[Fault.NONE] * 3, Fault.HANG]
    with OpenAIServer(mind(TRAINED), traits=FULL, faults=faults) as server:
        report = probe(server, timeout_seconds=1.0, deadline_seconds=1.5)
        assert len(server.requests) < 7
    assert report.found[-1].detail.startswith("not asked")


def test_the_fields_of_every_request_are_sent_too() -> None:
    with OpenAIServer(mind(TRAINED), traits=FULL) as server:
        OpenAIPolicy(server.base_url, extra_body={"top_k": 20}).probe()
        assert {request["top_k"] for request in server.requests} == {20}


def test_nothing_listens() -> None:
    report = OpenAIPolicy(unused_address(), backoff_seconds=0.0).probe()
    assert [(one.capability, one.answer) for one in report.found] == [("chat", "no")]
