"""GRPO in the graph against a real vLLM: exact rollouts, pushed weights, equal log-probabilities."""

from __future__ import annotations

import json
import os
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from vllm_server import vllm_serving

from eva_graph.errors import PolicyUnavailable
from eva_graph.policy.openai_compatible import OpenAIPolicy
from eva_graph.policy.processor import load_model
from eva_graph.policy.resolve import EMBEDDED_FOLDER
from eva_graph.trajectory import RunStore
from eva_graph_training.live.agreement import Agreement, agreement
from eva_graph_training.live.push import VllmWeights
from eva_graph_training.live.weights import write_weights
from eva_graph_training.recipe import Recipe, load_recipe
from eva_graph_training.rollouts import Rollout
from eva_graph_training.stages import grpo
from eva_graph_training.stages.grpo import grpo_trainer, train_grpo
from eva_graph_training.stages.logs import read_log
from eva_graph_training.stages.run import StageRun
from eva_graph_training.world.sets import WorldSetPlan, video_file, world_set

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(1800)]

CONTEXT_TOKENS = 4096
TEMPERATURE = 1.4
PLAN = WorldSetPlan(first_seed=82_000_000, short_videos=2, long_videos=0, events_per_short=1)
