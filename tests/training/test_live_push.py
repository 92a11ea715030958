"""Weights on their way to a server: what is written, asked for, and said when it fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from openai_server import unused_address
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file
from weights_server import HEALTHY, NOBODY, WeightsServer

from eva_graph.policy.processor import load_model
from eva_graph_training.errors import TrainingError
from eva_graph_training.live.push import VllmWeights
from eva_graph_training.live.weights import WEIGHTS_FILE, write_weights


@pytest.mark.parametrize("suffix", ["", "/", "/v1", "/v1/"])
def test_caches_go_between_pause_and_resume(tmp_path: Path, suffix: str) -> None:
    with WeightsServer() as server:
        VllmWeights(server.url + suffix, api_key="secret").load(tmp_path / "step")
    assert server.asked == list(HEALTHY)
    weights = {"weights_path": str(tmp_path / "step")}
    assert server.bodies == [None, {"method": "reload_weights", "kwargs": weights}, *[None] * 3]
    assert set(server.keys) == {"Bearer secret"}


@pytest.mark.parametrize(
    ("route", "answer", "said", "resumed"),
    [
        ("/pause?mode=wait", NOBODY, "eva-graph serve MODEL --training", False),
        ("/collective_rpc", (500, "no\nsuch folder"), "with 500: no such folder", True),
        ("/collective_rpc", NOBODY, "VLLM_SERVER_DEV_MODE=1", True),
        ("/reset_encoder_cache", (503, ""), "no reason given", True),
        ("/reset_prefix_cache", (200, '{"success": false}'), "did not clear", True),
        ("/reset_prefix_cache", (200, "<html>"), "did not clear", True),
        ("/resume", (500, "stuck"), "/resume with 500: stuck", True),
    ],
)
def test_a_failure_is_one_line_and_nobody_is_left_waiting(
    route: str, answer: tuple[int, str], said: str, resumed: bool, tmp_path: Path
) -> None:
    with WeightsServer({**HEALTHY, route: answer}) as server:
        with pytest.raises(TrainingError) as raised:
            VllmWeights(server.url).load(tmp_path)
        assert said in str(raised.value)
        assert "\n" not in str(raised.value)
    assert ("/resume" in server.asked) == resumed


def test_a_server_that_breaks_everywhere_says_the_first_cause(tmp_path: Path) -> None:
    dead = {"/pause?mode=wait": (200, "{}"), "/collective_rpc": (500, "engine dead")}
    with (
        WeightsServer(dead) as server,
        pytest.raises(TrainingError, match="collective_rpc with 500: engine dead"),
    ):
        VllmWeights(server.url).load(tmp_path)


def test_nobody_there(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"cannot be reached for /pause"):
        VllmWeights(unused_address()).load(tmp_path)


def test_written_weights_are_the_live_ones_by_their_live_names(
    model_folder: Path, tmp_path: Path
) -> None:
    model: Any = load_model(model_folder)
    write_weights(model, model.state_dict(), tmp_path / "step", torch.float32)
    found = load_file(tmp_path / "step" / WEIGHTS_FILE)
    expected = model.state_dict()
    assert set(found) == set(expected), "the tied head too: vLLM keeps a packed copy of it"
    assert all(torch.equal(found[name], value) for name, value in expected.items())
    assert [path.name for path in tmp_path.iterdir()] == ["step"]
    write_weights(model, model.state_dict(), tmp_path / "step", torch.bfloat16)
    assert {each.dtype for each in load_file(tmp_path / "step" / WEIGHTS_FILE).values()} == {
        torch.bfloat16
    }


def test_an_adapter_is_merged_into_copies(model_folder: Path, tmp_path: Path) -> None:
    base: Any = load_model(model_folder)
    settings = LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM")
    adapted: Any = get_peft_model(base, settings)
    with torch.no_grad():
        for name, weight in adapted.named_parameters():
            if "lora_B" in name:
                weight.normal_(0, 0.1, generator=torch.Generator().manual_seed(len(name)))
    before = {name: value.clone() for name, value in adapted.state_dict().items()}
    write_weights(adapted, adapted.state_dict(), tmp_path / "step", torch.float32)
    found = load_file(tmp_path / "step" / WEIGHTS_FILE)
    assert all(torch.equal(before[name], value) for name, value in adapted.state_dict().items())
    merged = adapted.merge_and_unload().state_dict()
    assert set(found) == set(merged)
    for name, value in merged.items():
        torch.testing.assert_close(found[name], value, rtol=0, atol=1e-6)
    plain = load_model(model_folder).state_dict()
    assert not torch.equal(found["model.visual.blocks.0.attn.qkv.weight"],
                           plain["model.visual.blocks.0.attn.qkv.weight"])  # fmt: skip


def test_a_folder_that_cannot_be_written(model_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    model: Any = load_model(model_folder)
    with pytest.raises(TrainingError, match="cannot write"):
        write_weights(model, model.state_dict(), tmp_path / "file" / "step", torch.float32)
