"""How many tokens a conversation takes with a model's own processor, without decoding a picture.

The text is rendered by the project's chat template and encoded by the model's tokenizer; a frame
counts as many tokens as the model's image processor makes of its size. So the length is what TRL's
collators produce, and a row that is too long is left out whole: a cut would break an image, or take
the answer out of the loss.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from eva_graph.trajectory import Trajectory
from eva_graph.trajectory.token_chain import non_canonical_turns
from eva_graph_tools import FrameRef
from eva_graph_training.export.chat import ChatMessage, frames_of

if TYPE_CHECKING:
    from eva_graph.policy.processor import ImageOnlyProcessor

END_OF_TURN = "<|im_end|>"


class TokenCounter:
    """Counts with one processor.

    Raises (when made):
        InvalidRequest: the folder holds no model of a supported family.
    """

    def __init__(self, folder: str | Path) -> None:
        from eva_graph.policy.processor import load_processor

        self._processor: ImageOnlyProcessor = load_processor(folder)

    def count(self, messages: Sequence[ChatMessage]) -> int:
        """Tokens of the whole conversation, every image pad counted."""
        chat = [{"role": message.role, "content": _content(message)} for message in messages]
        text: str = self._processor.tokenizer.apply_chat_template(chat, tokenize=False)
        refs = frames_of(messages)
        placeholders = len(refs)  # the rendered text holds one pad a frame
        return len(self._encode(text)) - placeholders + sum(map(self._pads, refs))

    def non_canonical(self, record: Trajectory) -> int:
        """Turns whose sampled ids are not those that their text is encoded to."""
        return sum(
            list(turn.tokens.token_ids) not in self._canonical(turn.text)
            for turn in record.turns
            if turn.tokens is not None
        )

    def _canonical(self, text: str) -> Iterable[list[int]]:
        """The encodings of a turn: ended by the policy, or cut by the token limit."""
        return self._encode(text + END_OF_TURN), self._encode(text)

    def _encode(self, text: str) -> list[int]:
        ids: list[int] = self._processor.tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    def _pads(self, ref: FrameRef) -> int:
        image = self._processor.image_processor
        pads: int = image.get_number_of_image_patches(ref.height, ref.width) // image.merge_size**2
        return pads


def broken_prefixes(record: Trajectory) -> int:
    """Turns that a server read back as other ids than were sampled: known without a tokenizer.

    A prompt that departs from the ids before it because a person edited a call is none of them.
    """
    return len(non_canonical_turns(record))


def _content(message: ChatMessage) -> list[dict[str, str]]:
    return [
        {"type": "image"} if isinstance(part, FrameRef) else {"type": "text", "text": part}
        for part in message.parts
    ]
