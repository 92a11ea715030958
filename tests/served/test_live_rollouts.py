"""GRPO in the graph against a real vLLM: exact rollouts, pushed weights, log-probabilities."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import httpx2
import pytest
import torch
from grpo_recipes import small, uncertain_nano, write_questions
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from vllm_server import vllm_serving

from eva_graph import VideoAgent
from eva_graph.blocks import frame_block
from eva_graph.errors import PolicyUnavailable
from eva_graph.policy.openai_compatible import OpenAIPolicy
from eva_graph.policy.processor import load_model
from eva_graph.policy.protocol import PolicyRequest
from eva_graph.state import StopReason
from eva_graph.trajectory import RunStore
from eva_graph_tools import FrameStore, Video
from eva_graph_training.format import prepare_processor
from eva_graph_training.live.agreement import Agreement, agreement
from eva_graph_training.live.push import VllmWeights
from eva_graph_training.live.stage import live_parts
from eva_graph_training.live.weights import write_weights
from eva_graph_training.recipe import Recipe
from eva_graph_training.stages.grpo import grpo_trainer, train_grpo
from eva_graph_training.stages.grpo_arguments import Room
from eva_graph_training.stages.logs import read_log
from eva_graph_training.stages.run import StageRun

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(1800)]

STEPS = 3


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return uncertain_nano(tmp_path_factory.mktemp("start") / "model")


@pytest.fixture(scope="module")
def questions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_questions(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def trained_url(start: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of its own: its weights change, and the last test ends it."""
    folder = tmp_path_factory.mktemp("trained")
    with vllm_serving(
        start, media=folder, log=folder / "log.txt", context_tokens=4096, training=True
    ) as url:
        yield url


@pytest.fixture
def recipe(start: Path, questions: Path, trained_url: str, tmp_path: Path) -> Recipe:
    live = [
        "grpo.generation.engine=graph", f"grpo.generation.server={trained_url}",
        f"grpo.max_steps={STEPS}", "grpo.learning_rate=1.0e-3", "grpo.generation.concurrency=4",
    ]  # fmt: skip
    return small(tmp_path / "work", start, questions, live)


@contextmanager
def somebody_else_asking(url: str, clip: Path) -> Iterator[list[str]]:
    """Another user of the server, all the while: how its episodes ended."""
    ended: list[str] = []
    done = threading.Event()

    def ask() -> None:
        agent = VideoAgent(OpenAIPolicy(url))
        while not done.is_set():
            result = agent.run(clip, "What letter is on the sign at 00:03?")
            ended.append(result.error or str(result.stop_reason))

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield ended
    finally:
        done.set()
        thread.join()


def played(recipe: Recipe, model: Any, against: Any) -> Agreement:
    """The server's episodes on the recipe's questions, compared with a model."""
    run = StageRun.of(recipe, "grpo")
    room = Room.of(recipe, run.start)
    processor = prepare_processor(run.processor())
    parts = live_parts(run, recipe.grpo.generation, processor, room, model)
    trainer: Any = grpo_trainer(run)
    rows = list(trainer.train_dataset)[:2]
    rollouts = parts.source.rollouts(rows, [0] * len(rows), 0)
    return agreement(against, processor, rollouts, temperature=1.0, precision=nullcontext)


def test_the_trainer_s_weights_play(recipe, trained_url, start, clip, capsys):
    with somebody_else_asking(trained_url, clip) as ended:
        trained = train_grpo(recipe)
    folder = recipe.folder("grpo")
    log = [line for line in read_log(folder / "log.jsonl") if "server/logprob_difference" in line]
    gaps = [line["server/logprob_difference"] for line in log]
    again = [line["server/played_again"] for line in log]
    records = list(RunStore(folder / "rollouts").records())
    with capsys.disabled():
        print(f"\nmean difference of log-probabilities by step: {gaps}; played again: {again}; "
              f"{len(records)} episodes, {len(ended)} of somebody else")  # fmt: skip
    assert trained.steps == STEPS
    assert len(gaps) == STEPS
    assert max(gaps) <= 0.01
    assert len(records) >= 8 * STEPS
    assert {record.expected for record in records} != {None}
    assert ended
    assert {StopReason(each) for each in ended}, "an error is no stop reason"
    assert [path.name for path in (folder / "pushed").iterdir()] == [f"step-{STEPS - 1:06}"]
    before, after = load_model(start), load_model(trained.model)
    moved = [name for (name, old), new in zip(before.named_parameters(), after.parameters(),
             strict=True) if not torch.equal(old, new)]  # fmt: skip
    assert any("visual" in name for name in moved)
    assert any("language_model" in name for name in moved)


def test_server_and_trainer_agree_before_and_after_an_update(recipe, trained_url, start, capsys):
    old: Any = load_model(start)
    new: Any = load_model(start)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in new.parameters():  # also the vision tower and the tied word vectors
            noise = torch.randn(weight.shape, generator=generator)
            weight.add_(noise * weight.abs().mean() * 0.1)
    server, out = VllmWeights(trained_url), Path(recipe.work)
    found = {}
    for name, model, other in (("before", old, new), ("after", new, old)):
        write_weights(model, model.state_dict(), out / name, torch.float32)
        server.load(out / name)
        found[name] = played(recipe, model, model), played(recipe, model, other)
    with capsys.disabled():
        for name, (same, different) in found.items():
            print(f"\n{name}: same weights {same}, other weights {different}")
    for same, different in found.values():
        assert same.mean <= 0.01
        assert different.mean > 10 * same.mean


def test_without_cleared_caches_the_server_is_lost(trained_url, start, clip, tmp_path):
    """Why every push clears them: a frame that was seen under the old weights is seen again."""
    store, policy = FrameStore(tmp_path / "frames"), OpenAIPolicy(trained_url)
    with Video.open(clip) as video:
        frame = frame_block(store.put(video.frames_at([3.0], resize=1.0)[0], video.video_id))
    request = PolicyRequest(
        messages=[HumanMessage("Look."), AIMessage("Yes."), ToolMessage([frame], tool_call_id="t")],
        load_frame=store.read,
        conversation_id="c",
        max_new_tokens=8,
    )
    model: Any = load_model(start)
    write_weights(model, model.state_dict(), tmp_path / "weights", torch.float32)
    server = VllmWeights(trained_url)
    for _ in range(2):
        server.load(tmp_path / "weights")
        assert policy.generate(request).token_ids
    body = {"method": "reload_weights", "kwargs": {"weights_path": str(tmp_path / "weights")}}
    root = trained_url.removesuffix("/v1")
    assert httpx2.post(f"{root}/collective_rpc", json=body, timeout=120).status_code == 200
    with pytest.raises(PolicyUnavailable):
        policy.generate(request)
