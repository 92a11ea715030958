"""The graph and GRPO's tool loop play the same scripts alike: ids, loss mask, frames, tool text,
answer and stop reason. See `grpo_parity`, which prints the table.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from grpo_cases import CASES
from grpo_parity import Row, play_all, table
from random_model import random_model, random_qwen3_model

from eva_graph.policy.processor import load_processor


@pytest.mark.parametrize("family", [random_model, random_qwen3_model], ids=["qwen2.5", "qwen3"])
def test_no_row_differs(family, tmp_path: Path) -> None:
    model = family(tmp_path / "model")
    rows = play_all(model, tmp_path)
    assert [row.case.name for row in rows if row.differing] == [], table(rows)
    assert [row.graph.stop_reason for row in rows] == [case.stop_reason for case in CASES]
    tokenizer = load_processor(model).tokenizer
    for row in rows:
        assert spoken(row, tokenizer) == scripted(row, tokenizer)
    assert sum(len(row.graph.frames) for row in rows) > len(CASES)


def spoken(row: Row, tokenizer) -> list[int]:
    """The ids that are learned."""
    played = row.grpo
    return [token for token, ours in zip(played.ids, played.learned, strict=True) if ours]


def scripted(row: Row, tokenizer) -> list[int]:
    """What the script said, as far as it was said."""
    turns = [tokenizer(text + "<|im_end|>")["input_ids"] for text in row.case.script]
    ids = [token for turn in turns[: row.grpo.turns] for token in turn]
    return ids[: len(spoken(row, tokenizer))]
