"""nano's tokenizer: a byte-level BPE learned from rehearsals, with Qwen's special tokens.

What varies between conversations is kept apart, so that it can be copied: digits, colours, single
letters; and line ends, so that a turn always starts on a token of its own. The fixed phrases of the
dialect become single tokens, which keeps conversations short.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from eva_graph_training.nano.architecture import CONTEXT_TOKENS
from eva_graph_training.nano.rehearsal import IMAGE, random_rehearsal
from eva_graph_training.world.scene import BORDER_COLOURS

END, PAD, IMAGE_PAD = "<|im_end|>", "<|endoftext|>", "<|image_pad|>"
SPECIAL = (
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>",
    "<|box_start|>", "<|box_end|>", "<|quad_start|>", "<|quad_end|>", "<|vision_start|>",
    "<|vision_end|>", "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>",
)  # fmt: skip
ADDED = (
    "<tool_call>", "</tool_call>", "<answer>", "</answer>", "<tool_response>", "</tool_response>",
)  # fmt: skip
"""Not special: decoding with `skip_special_tokens` keeps them, so the dialect can read them."""
_APART = rf"\d|\n|\b(?:{'|'.join(BORDER_COLOURS)}|[A-Z])\b"
EXTRA_PHRASES = (
    "No more looks are possible. Answer now inside ",
    "Error: ",
    "The quick brown fox jumps over the lazy dog. What is shown in the video? Which of these?",
)


def build_tokenizer(
    chat_template: str, *, vocabulary_size: int, conversations: int = 3000, seed: int = 0
) -> PreTrainedTokenizerFast:
    """Learn the tokenizer; `vocabulary_size` is an upper bound and counts the special tokens."""
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_APART), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    raw.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary_size - len(SPECIAL) - len(ADDED),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
        special_tokens=[],
    )
    raw.train_from_iterator(_texts(conversations, seed), trainer)
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


def _texts(conversations: int, seed: int) -> Iterator[str]:
    rng = np.random.default_rng(seed)
    for _ in range(conversations):
        for role, text in random_rehearsal(rng).messages:
            yield role
            for piece in text.split(IMAGE):
                yield from _without_added(piece)
    yield from EXTRA_PHRASES


def _without_added(text: str) -> list[str]:
    for mark in ADDED:
        text = text.replace(mark, "\0")
    return text.split("\0")


def token_id(tokenizer: PreTrainedTokenizerFast, token: str) -> int:
    """The number of one token of the vocabulary."""
    number = tokenizer.convert_tokens_to_ids(token)
    if not isinstance(number, int):
        raise TypeError(f"{token!r} is not one token")
    return number
