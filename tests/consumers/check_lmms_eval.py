"""A local video task run by lmms-eval's own evaluator against the agent. Not in the default suite.

lmms-eval wants torchvision and an older PyAV, so it is installed without what it depends on, in an
environment of its own that has this project (`docs/evaluation.md` says how). Then:

    EVA_GRAPH_LMMS_EVAL=that/bin/python pytest tests/consumers/check_lmms_eval.py
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from episodes import answer, look, span
from openai_server import OpenAIServer

from eva_graph.testing import make_clip
from eva_graph.trajectory import RunStore

TASK = """
task: colours
dataset_path: json
dataset_kwargs:
  data_files:
    test: FOLDER/rows.jsonl
test_split: test
output_type: generate_until
doc_to_visual: !function colours.visual
doc_to_text: !function colours.text
doc_to_target: answer
generation_kwargs:
  max_new_tokens: 16
metric_list:
  - metric: exact_match
    aggregation: mean
    higher_is_better: true
"""
FUNCTIONS = """
def visual(doc):
    return [doc["video"]]


def text(doc, lmms_eval_specific_kwargs=None):
    return doc["question"] + "\\nA. red\\nB. blue\\nAnswer with the letter."
"""


def reply_to(body: dict[str, Any]) -> str:
    """A look, then "A"."""
    turns = sum(message["role"] == "assistant" for message in body["messages"])
    return answer("A") if turns else look(span(0, 4, 2))


@pytest.fixture
def task(tmp_path: Path) -> Path:
    folder = tmp_path / "tasks"
    folder.mkdir()
    rows = []
    for number, letter in enumerate("AABA"):
        video = folder / f"clip{number}.mp4"
        make_clip(video, seconds=4 + number, size=(112, 84), fps=2)
        question = f"Question number {number}: which colour comes first?"
        rows.append({"video": str(video), "question": question, "answer": letter})
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "colours.yaml").write_text(TASK.replace("FOLDER", str(folder)))
    (folder / "colours.py").write_text(FUNCTIONS)
    return folder


def test_evaluated_by_lmms_eval(task: Path, tmp_path: Path) -> None:
    run, out = tmp_path / "run", tmp_path / "out"
    with OpenAIServer(reply_to) as server:
        done = subprocess.run(
            [
                os.environ["EVA_GRAPH_LMMS_EVAL"], "-m", "lmms_eval", "--model", "eva_graph",
                "--model_args", f"policy={server.base_url},record={run}", "--tasks", "colours",
                "--include_path", str(task), "--output_path", str(out), "--log_samples",
            ],
            capture_output=True, text=True, check=False,
            env={**os.environ, "HF_HOME": str(tmp_path / "hub"), "HF_HUB_OFFLINE": "1"},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-3000:]
    (written,) = out.rglob("*_results.json")
    results = json.loads(written.read_text())["results"]["colours"]
    assert results["exact_match,none"] == 0.75
    records = list(RunStore(run).records())
    assert {record.answer for record in records} == {"A"}
    assert len(records) == 4
    assert all(
        record.question.endswith("A. red\nB. blue\nAnswer with the letter.") for record in records
    )
    assert all(record.options == {} and record.usage.frames == 2 for record in records)
