"""One chat format for SFT, KTO, GRPO and the server, and TRL's parser replaced by our dialect.

TRL's own tool-call parsing would decide differently from the graph about two objects in a block,
malformed calls and an answer beside a call. So the tokenizer *instance*'s `parse_response` is ours:
the raw text is the content, and only where the episode goes on there is one call
`turn(text=<raw text>, context_tokens=<ids so far>)`, which the environment reads with the graph's
own executor.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from transformers import PreTrainedTokenizerBase
from trl.chat_template_utils import (
    is_chat_template_prefix_preserving,
    is_chat_template_stop_token_trained,
    supports_tool_calling,
)

from eva_graph.dialects import Answer, Dialect, EvaDialect, Truncated
from eva_graph.dialects.eva import CLOSINGS
from eva_graph.look import read_outcome
from eva_graph.policy.processor import ImageOnlyProcessor
from eva_graph_training.errors import FormatError

END_OF_TURN = "<|im_end|>"
_TOOL_TURN = "<|im_start|>tool\n"
_ASKED_TO_ANSWER = f"\n{CLOSINGS['answer_now']}\n\nQuestion: "
_RESPONSE_TEMPLATE = {
    # Only TRL's checks at start-up look at it: parsing is `TurnParser`'s.
    "defaults": {"role": "assistant"},
    "start_anchor": "<|im_start|>assistant\n",
    "fields": {"content": {"close_pattern": r"<\|im_end\|>\s*|$", "content": "text"}},
}


class TurnParser:
    """`parse_response` of a tokenizer: decides by the dialect whether the episode goes on."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, dialect: Dialect) -> None:
        self._tokenizer = tokenizer
        self._dialect = dialect
        self._end_id = tokenizer.convert_tokens_to_ids(END_OF_TURN)

    def __call__(
        self, response: Sequence[int], *, prefix: Sequence[int] | None = None, **_: Any
    ) -> dict[str, Any]:
        """The assistant message of sampled ids, in the form TRL's tool loop expects.

        A cut one says so by `finish_reason`: rewards read it as the graph does.

        Args:
            response: sampled ids of one turn; without the end-of-turn token the turn was cut.
            prefix: ids of everything before the turn.
        """
        ids = list(response)
        cut = not ids or ids[-1] != self._end_id
        text = str(self._tokenizer.decode(ids if cut else ids[:-1], skip_special_tokens=True))
        message: dict[str, Any] = {"role": "assistant", "content": text}
        if cut:
            message["finish_reason"] = "length"
        outcome = read_outcome(self._dialect, text, message_id="turn", truncated=cut)
        before = prefix or ()
        if not isinstance(outcome, Answer | Truncated) and not self._has_to_answer(before):
            arguments = {"text": text, "context_tokens": len(before) + len(ids)}
            call = {"name": "turn", "arguments": arguments}
            message["tool_calls"] = [{"type": "function", "function": call}]
        return message

    def _has_to_answer(self, prefix: Sequence[int]) -> bool:
        shown = str(self._tokenizer.decode(list(prefix), skip_special_tokens=False))
        return _ASKED_TO_ANSWER in shown.rpartition(_TOOL_TURN)[2]


def prepare_processor(
    processor: ImageOnlyProcessor, dialect: Dialect | None = None
) -> ImageOnlyProcessor:
    """Give a processor's tokenizer our parser, and check that TRL accepts the format.

    Raises:
        FormatError: the chat template cannot carry tool turns, is not append-only, or does not
            train the end-of-turn token.
    """
    tokenizer = processor.tokenizer
    tokenizer.padding_side = "left"
    tokenizer.response_template = _RESPONSE_TEMPLATE
    tokenizer.parse_response = TurnParser(tokenizer, dialect or EvaDialect())
    checks = {
        "cannot render tool calls": supports_tool_calling,
        "is not prefix-preserving": is_chat_template_prefix_preserving,
        "leaves the end-of-turn token untrained": is_chat_template_stop_token_trained,
    }
    for complaint, check in checks.items():
        if not check(processor):
            raise FormatError(
                f"the chat template {complaint}: use the project's chat_template.jinja"
            )
    return processor
