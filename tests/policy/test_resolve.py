"""What `policy=` may be."""

from __future__ import annotations

import subprocess
import sys

import pytest
from langchain_core.language_models import GenericFakeChatModel
from openai_server import OpenAIServer, unused_address
from random_model import random_model

from eva_graph.errors import InvalidRequest, MissingExtra
from eva_graph.policy import in_process
from eva_graph.policy.in_process import TransformersPolicy
from eva_graph.policy.langchain_chat import ChatModelPolicy
from eva_graph.policy.openai_compatible import OpenAIPolicy
from eva_graph.policy.resolve import resolve_policy
from eva_graph.testing import ScriptedPolicy


def test_a_url_is_a_server():
    with OpenAIServer() as server:
        policy = resolve_policy(server.base_url, max_retries=0)
        assert isinstance(policy, OpenAIPolicy)
        assert policy.info.name == "scripted-vl"
        assert resolve_policy(server.base_url, "other").info.name == "other"


def test_a_folder_is_a_model(tmp_path):
    folder = random_model(tmp_path / "model")
    assert isinstance(resolve_policy(folder), TransformersPolicy)
    assert isinstance(resolve_policy(str(folder)), TransformersPolicy)


def test_the_folder_of_a_training_stage_is_the_model_in_it(tmp_path):
    random_model(tmp_path / "grpo" / "model")
    assert (
        resolve_policy(tmp_path / "grpo").info.name
        == resolve_policy(tmp_path / "grpo" / "model").info.name
    )


def test_a_chat_model_is_wrapped():
    assert isinstance(resolve_policy(GenericFakeChatModel(messages=iter([]))), ChatModelPolicy)


def test_a_policy_is_itself_and_not_asked():
    scripted, unreachable = ScriptedPolicy([]), OpenAIPolicy(unused_address())
    assert resolve_policy(scripted) is scripted
    assert resolve_policy(unreachable) is unreachable


@pytest.mark.parametrize("spec", ["runs/nowhere", "localhost:8000/v1", 7, object()])
def test_anything_else_is_one_line(spec):
    with pytest.raises(InvalidRequest) as caught:
        resolve_policy(spec)
    assert "\n" not in str(caught.value)


def test_a_model_name_needs_a_server():
    with pytest.raises(InvalidRequest, match="URL"):
        resolve_policy(ScriptedPolicy([]), "eva")


def test_without_torch_the_install_command_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(in_process, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r'pip install "eva-graph\[nano\]"'):
        resolve_policy(tmp_path)


def test_no_policy_loads_torch_before_it_is_called(tmp_path):
    folder = random_model(tmp_path / "model")
    program = f"""
import sys
from eva_graph.policy.resolve import resolve_policy
resolve_policy({str(folder)!r}).info
resolve_policy("http://127.0.0.1:1/v1")
assert "torch" not in sys.modules and "transformers" not in sys.modules
"""
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True)
