"""What the next look may cost, and whether the turn after it has to answer. Pure arithmetic.

Three knobs: the look budget of one call, the episode's visual budget, and the policy's context.
The context rule acts before a server would refuse: what is free, less room for the answer, caps
the look; when no further turn would fit, the look's message asks for the answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from langchain_core.messages import AnyMessage

from eva_graph.blocks import blocks_of, frame_of
from eva_graph.state import Context, Spent, StopReason
from eva_graph_tools import VisualGrid

ANSWER_ROOM_TOKENS = 512
"""Kept free for the text around a look and for the answer (an eighth of a small context)."""
TURN_ROOM_TOKENS = 1024
"""A turn that looks again needs at least this much beside it (a quarter of a small context)."""
FRAME_TEXT_TOKENS = 12
"""A frame's label and the tags around it, beside its visual tokens."""
CHARACTERS_PER_TOKEN = 3  # cautious for English and JSON; only used where nothing better is known
_TOKENS_PER_MESSAGE = 8
_TOKENS_PER_IMAGE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Budgets of one episode; the graph and the training environment share them."""

    max_turns: int = 6
    look_budget: int = 12_000
    episode_visual_budget: int | None = None
    context_tokens: int | None = None
    grid: VisualGrid = field(default_factory=VisualGrid)
    forces_answer: bool = True
    """False for the reference profile, which knows only the look budget."""

    @classmethod
    def of(
        cls, context: Context, grid: VisualGrid, *, context_tokens: int | None, forces_answer: bool
    ) -> Limits:
        """The limits of a run with a policy."""
        return cls(
            max_turns=context.max_turns,
            look_budget=context.look_budget,
            grid=grid,
            episode_visual_budget=context.episode_visual_budget,
            context_tokens=context_tokens,
            forces_answer=forces_answer,
        )

    def visual_left(self, spent: Spent) -> int | None:
        """Visual tokens that the episode may still spend; None: no such limit."""
        if self.episode_visual_budget is None or not self.forces_answer:
            return None
        return max(0, self.episode_visual_budget - spent["visual_tokens"])

    def context_left(self, spent: Spent) -> int | None:
        """Tokens that the frames of the next look and their labels may use; None: no limit."""
        if self.context_tokens is None or not self.forces_answer:
            return None
        kept = self._room(ANSWER_ROOM_TOKENS, 8)
        return max(0, self.context_tokens - spent["context_tokens"] - kept)

    def forced(self, spent: Spent, *, smallest_look: int) -> StopReason | None:
        """Why the next turn has to answer.

        Args:
            spent: what the episode has used, the look and its message included.
            smallest_look: visual tokens of the cheapest look at this video.
        """
        if not self.forces_answer:
            return None
        if spent["turns"] + 1 >= self.max_turns:
            return StopReason.FORCED
        visual = self.visual_left(spent)
        if visual is not None and visual < smallest_look:
            return StopReason.BUDGET
        free = self.context_left(spent)
        if free is not None and free < self._room(TURN_ROOM_TOKENS, 4):
            return StopReason.CONTEXT_OVERFLOW
        return None

    def _room(self, tokens: int, share: int) -> int:
        return tokens if self.context_tokens is None else min(tokens, self.context_tokens // share)


def estimate_tokens(messages: Sequence[AnyMessage], grid: VisualGrid) -> int:
    """Tokens of messages, from characters and frame sizes; errs on the large side."""
    total = 0
    for message in messages:
        total += _TOKENS_PER_MESSAGE
        for block in blocks_of(message):
            frame = frame_of(block)
            if frame is None:
                total += len(str(block.get("text", ""))) // CHARACTERS_PER_TOKEN
            else:
                total += grid.visual_tokens(frame.width, frame.height) + _TOKENS_PER_IMAGE
    return total
