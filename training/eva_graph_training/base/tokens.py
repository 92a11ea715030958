"""nano's tokenizer: a byte-level BPE learned from the world's conversations and lessons.

What varies between conversations is kept apart, so that it can be copied: digits, colours, single
letters; and line ends, so that a turn always starts on a token of its own. The fixed phrases of the
dialect become single tokens, which keeps conversations short.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from eva_graph_training.base.lessons import IMAGE, draw_lesson
from eva_graph_training.nano.architecture import CONTEXT_TOKENS
from eva_graph_training.nano.tokens import ADDED, END, EXTRA_PHRASES, PAD, SPECIAL
from eva_graph_training.world.plot import COLOURS
from eva_graph_training.world.telling import NOUNS

VOCABULARY_SIZE: Final = 1024
_LESSONS: Final = 600
_APART: Final = rf"\d|\n|\b(?:{'|'.join(COLOURS)}|[A-Z])\b"


def learn_tokenizer(texts: Iterable[str], chat_template: str) -> PreTrainedTokenizerFast:
    """Learn the tokenizer from message texts; `IMAGE` marks are left out.

    It has at most `VOCABULARY_SIZE` tokens, the special ones among them.
    """
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_APART), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    raw.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY_SIZE - len(SPECIAL) - len(ADDED),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
        special_tokens=[],
    )
    raw.train_from_iterator(_corpus(texts), trainer)
    raw.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in SPECIAL])
    raw.add_tokens([AddedToken(text, special=False, normalized=False) for text in ADDED])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=raw,
        eos_token=END,
        pad_token=PAD,
        model_max_length=CONTEXT_TOKENS,
        clean_up_tokenization_spaces=False,
    )
    tokenizer.chat_template = chat_template
    return tokenizer


def _corpus(texts: Iterable[str]) -> Iterator[str]:
    rng = np.random.default_rng(0)
    for text in texts:
        yield from _pieces(text)
    for _ in range(_LESSONS):
        for role, text in draw_lesson(rng).messages:
            yield role
            yield from _pieces(text)
    for noun in NOUNS:
        yield from [f"The word for {noun} is "] * 3
    yield from EXTRA_PHRASES


def _pieces(text: str) -> list[str]:
    """What stands between the tokens that are added whole."""
    for mark in (*ADDED, IMAGE):
        text = text.replace(mark, "\0")
    return text.split("\0")
