"""The teacher that writes new questions from a policy's failures, for data enhancement.

It reads the failed questions that a request shows, finds out what kinds they are of, and asks
questions of those kinds about the plot of the video that the request shows. Blind, it knows
nothing.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import islice

import numpy as np
from langchain_core.messages import AnyMessage

from eva_graph.blocks import blocks_of, frame_of, text_of
from eva_graph.policy.protocol import Completion, PolicyInfo, PolicyRequest
from eva_graph_training.data.writing import WRITE_SYSTEM
from eva_graph_training.world.asking import ask
from eva_graph_training.world.plot import Plot
from eva_graph_training.world.wording import Kind, read_question

_WANTED = re.compile(r"Write (\d+) questions")
_FAILED = re.compile(r'^\{"question": ".*\}$', re.MULTILINE)
_BLIND = "It cannot be known without the video."


class WritingTeacher:
    """Writes about videos of known plots.

    Args:
        plots: the plot behind each video, by its `video_id`.
    """

    def __init__(self, plots: Mapping[str, Plot]) -> None:
        self.info = PolicyInfo(name="world-writer", backend="scripted")
        self._plots = plots

    def generate(self, request: PolicyRequest) -> Completion:
        """New questions as JSON lines where they are asked for, else that it cannot be known."""
        if text_of(request.messages[0]) != WRITE_SYSTEM:
            return Completion(text=_BLIND)
        return Completion(text=self._written(request.messages[-1]))

    async def agenerate(self, request: PolicyRequest) -> Completion:
        """Like `generate`; there is nothing to wait for."""
        return self.generate(request)

    def _written(self, request: AnyMessage) -> str:
        text = text_of(request)
        frame = next(found for block in blocks_of(request) if (found := frame_of(block)))
        rng = np.random.default_rng(int(hashlib.sha256(text.encode()).hexdigest()[:8], 16))
        kinds = failed_kinds(_FAILED.findall(text))
        made = (
            ask(self._plots[frame.video_id], kind, rng, choice=False)
            for kind in rng.permutation(kinds * 2)
        )
        wanted = int(_WANTED.findall(text)[-1])
        lines = [
            json.dumps({"question": one.text, "answer": one.answer})
            for one in islice((one for one in made if one is not None), wanted)
        ]
        return "\n".join(lines)


def failed_kinds(rows: Sequence[str]) -> list[Kind]:
    """The kinds of failed questions, one for each; those of other worlds are passed over."""
    kinds: Counter[Kind] = Counter()
    for row in rows:
        try:
            kinds[read_question(json.loads(row)["question"]).kind] += 1
        except (ValueError, KeyError, TypeError):
            continue
    return list(kinds.elements())
