"""The blind check: is a question answered right without any look at the video?

The policy is asked once, at temperature 0, with the question alone: no tool, no frame, no length.
What it said is kept, so nothing is asked twice. A question that is answered so teaches guessing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from langchain_core.messages import HumanMessage, SystemMessage

from eva_graph.dialects import Question
from eva_graph.dialects.parsing import read_corrected
from eva_graph.dialects.turn import Answer
from eva_graph.evaluation.questions import EvalQuestion
from eva_graph.evaluation.scoring import score
from eva_graph.policy.protocol import Policy, PolicyRequest
from eva_graph_tools import FrameMissing, FrameRef
from eva_graph_training.data.ledger import Ledger

BLIND_SYSTEM: Final = (
    "You cannot see the video. Answer the question from its text alone, with your best guess, "
    "inside <answer></answer>: only the option's letter where there are options, else a few words."
)
_MAX_NEW_TOKENS: Final = 256


class BlindCheck:
    """Asks without the video; what was said is kept in a file of JSON lines. Safe for threads."""

    def __init__(self, path: Path, *, threshold: float) -> None:
        """Read what was said before.

        Args:
            path: the file.
            threshold: from which value an open answer counts as right.

        Raises:
            DataError: the file is damaged.
        """
        self._ledger = Ledger(path)
        self._threshold = threshold
        self._said: dict[tuple[str, str], str | None] = {
            (row["policy"], row["question_id"]): row["answer"] for row in self._ledger.rows()
        }

    def solves(self, question: EvalQuestion, name: str, policy: Policy) -> bool:
        """Whether a policy, called `name` in the file, is right without looking.

        Raises:
            PolicyError: it failed; the question can be asked again.
            DataError: what it said cannot be written.
        """
        key = (name, question.question_id)
        if key not in self._said:
            answer = ask_blind(question, policy)
            self._ledger.append({"policy": name, "question_id": key[1], "answer": answer})
            self._said[key] = answer
        return self.has_solved(question, name)

    def has_solved(self, question: EvalQuestion, name: str) -> bool:
        """Whether what the policy once said is right; False where it was never asked."""
        said = self._said.get((name, question.question_id))
        return score(question, said).value >= self._threshold


def ask_blind(question: EvalQuestion, policy: Policy) -> str | None:
    """What the policy answers without the video; None where it gives no answer.

    Raises:
        PolicyError: it failed.
    """
    prompt = Question(text=question.question, options=question.asked_options).prompt
    completion = policy.generate(
        PolicyRequest(
            messages=[SystemMessage(content=BLIND_SYSTEM), HumanMessage(content=prompt)],
            load_frame=_no_frame,
            conversation_id=f"blind:{question.question_id}",
            max_new_tokens=_MAX_NEW_TOKENS,
        )
    )
    outcome = read_corrected(completion.text, truncated=completion.finish_reason == "length")
    return outcome.text if isinstance(outcome, Answer) else None


def _no_frame(ref: FrameRef) -> bytes:
    raise FrameMissing(f"{ref.uri}: a blind question shows no frames")
