"""The loss mask against the turns that may be learned, read from the rows' own text.

Every stretch of learned tokens has to be one assistant turn, word for word, with the end-of-turn
token. The masks come from the chat template's marks or from TRL's loop; neither is asked here.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from eva_graph.policy.processor import ImageOnlyProcessor
from eva_graph_training.checks.rows import RowView
from eva_graph_training.checks.runs import Run, runs_of
from eva_graph_training.errors import BatchFault
from eva_graph_training.format import END_OF_TURN

_OPENER = "<|im_start|>assistant\n"
_TOOL_REPLY = ("\n<|im_start|>tool\n", _OPENER)
_SHOWN_CHARACTERS = 40


def learned_mask(batch: Mapping[str, Any]) -> torch.Tensor:
    """Which tokens the loss covers, as bool: B x T, or B x C (the last C columns) in GRPO."""
    if "labels" in batch:
        labels: torch.Tensor = batch["labels"]
        return labels != -100
    mask: torch.Tensor = batch["completion_mask"].bool()
    return mask & batch["tool_mask"].bool() if "tool_mask" in batch else mask


def require_turns(
    rows: Sequence[RowView],
    batch: Mapping[str, Any],
    processor: ImageOnlyProcessor,
    *,
    words: bool,
) -> None:
    """Check that the loss of an SFT or KTO batch covers the learned turns and nothing else.

    Args:
        rows: what the batch was made of.
        batch: `input_ids`, and `labels` or `completion_mask`.
        processor: of the model that is trained.
        words: compare the words too, not only the number of turns.

    Raises:
        BatchFault: it covers something else; the message names the row and the words.
    """
    ids = batch["input_ids"]
    for number, (row, runs) in enumerate(zip(rows, runs_of(learned_mask(batch)), strict=True)):
        if not row.learned:
            raise BatchFault(f"{row.name} has no turn that may be learned: leave it out")
        _require_count(row.name, len(runs), len(row.learned))
        for turn, (run, text) in enumerate(zip(runs, row.learned, strict=True)):
            if words:
                _require_words(f"{row.name}, turn {turn}", ids[number], run, text, processor)


def require_policy_turns(
    rows: Sequence[RowView], batch: Mapping[str, Any], processor: ImageOnlyProcessor
) -> None:
    """Check that the loss of a GRPO batch covers what the policy sampled and nothing else.

    Sampled words may be anything, so the parts around them are compared: each stretch outside the
    loss is a whole tool reply.

    Args:
        rows: one view a rollout; `learned` holds a text for each turn of the policy.
        batch: `completion_ids`, `completion_mask` and perhaps `tool_mask` (B x C).
        processor: of the model that is trained.

    Raises:
        BatchFault: it covers something else; the message names the rollout.
    """
    present = batch["completion_mask"].bool()
    mask = learned_mask(batch)
    learned, replies = runs_of(mask), runs_of(present & ~mask)
    for number, row in enumerate(rows):
        if not bool(present[number].any()):
            continue  # cut by the length limit, and masked for that reason
        _require_count(row.name, len(learned[number]), len(row.learned))
        for start, end in replies[number]:
            text = _decoded(batch["completion_ids"][number, start:end], processor)
            if not (text.startswith(_TOOL_REPLY[0]) and text.endswith(_TOOL_REPLY[1])):
                raise BatchFault(
                    f"{row.name}: the loss leaves out {_shown(text)}, which is no whole tool reply"
                )


def _require_count(name: str, found: int, expected: int) -> None:
    if found == expected:
        return
    if not found:
        cause = "the loss covers nothing: the chat template marks no assistant turn"
    else:
        cause = "the loss covers what the policy did not write, or leaves out what it wrote"
    raise BatchFault(f"{name}: {expected} turns may be learned, {found} are: {cause}")


def _require_words(
    name: str, ids: torch.Tensor, run: Run, text: str, processor: ImageOnlyProcessor
) -> None:
    start, end = run
    learned = _decoded(ids[start:end], processor)
    if learned != _plain(text + END_OF_TURN):
        raise BatchFault(
            f"{name}: the loss covers {_shown(learned)}, the turn is {_shown(text)}: it covers "
            "what the policy did not write, or leaves out what it wrote"
        )
    if not _decoded(ids[max(start - 8, 0) : start], processor).endswith(_OPENER):
        raise BatchFault(f"{name}: the loss covers {_shown(learned)} where no turn begins")


def _decoded(ids: torch.Tensor, processor: ImageOnlyProcessor) -> str:
    return _plain(str(processor.tokenizer.decode(ids, clean_up_tokenization_spaces=False)))


def _plain(text: str) -> str:
    """Tokenizers of this family write composed characters."""
    return unicodedata.normalize("NFC", text)


def _shown(text: str) -> str:
    if len(text) <= _SHOWN_CHARACTERS:
        return repr(text)
    return repr(text[: _SHOWN_CHARACTERS // 2] + "…" + text[-_SHOWN_CHARACTERS // 2 :])
