"""Completeness self-verification: a frozen judge answers from what the policy saw last.

The judge gets the question, its options and the frames of the attempt's last round, never the
policy's answer, at temperature 0; the same look at the same question is judged once. A judge whose
server fails gives no verdict: such an attempt is left out of its group, counted, and never scored
as wrong. TimeSearch-R (arXiv 2511.05489) re-answers from all frames; EVA takes the last round's.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from langchain_core.messages import AnyMessage, HumanMessage, SystemMessage

from eva_graph.blocks import text_block
from eva_graph.dialects import Answer, Question
from eva_graph.dialects.parsing import read_corrected
from eva_graph.errors import PolicyError
from eva_graph.policy.protocol import Policy, PolicyRequest
from eva_graph_tools import FrameRef
from eva_graph_training.labels.judge import labelled_frames
from eva_graph_training.rewards.attempt import Attempt

_SYSTEM = (
    "You answer a multiple-choice question about a video from a few of its frames. "
    "Reply with the option's letter alone."
)
_NEW_TOKENS: Final = 64
_AT_ONCE: Final = 8
_REMEMBERED: Final = 20_000
_FAILURES_IN_A_ROW: Final = 20
"""So many failures, each after the policy's own retries, are no passing trouble."""

_Key: TypeAlias = tuple[str, ...]


@dataclass(slots=True, kw_only=True)
class JudgeCounts:
    """What became of the looks that were to be judged.

    Attributes:
        asked: judged by a call.
        remembered: the same look at the same question, judged already.
        failed: no verdict, the judge's server or model failed.
    """

    asked: int = 0
    remembered: int = 0
    failed: int = 0


class SelfVerification:
    """A policy as the judge of attempts at multiple choice. Not for use by several threads.

    Args:
        policy: the judge, e.g. the base model of the policy that is trained; never trained itself.
    """

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._known: OrderedDict[_Key, str] = OrderedDict()
        self._failures_in_a_row = 0
        self.counts = JudgeCounts()

    def answers(self, attempts: Sequence[Attempt]) -> list[str | None]:
        """The judge's answer to each attempt's question; None: it failed.

        Raises:
            PolicyError: it failed twenty times in a row.
            FrameMissing: a frame that was shown is gone.
        """
        keys = [_key(attempt) for attempt in attempts]
        pairs = zip(keys, attempts, strict=True)
        new = {key: attempt for key, attempt in pairs if key not in self._known}
        failed = self._ask(new)
        answers = [None if key in failed else self._known[key] for key in keys]
        asked = len(new) - len(failed)
        self.counts.asked += asked
        self.counts.failed += len(failed)
        self.counts.remembered += len(answers) - answers.count(None) - asked
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return answers

    def _ask(self, new: Mapping[_Key, Attempt]) -> set[_Key]:
        """Judge new looks side by side; those that failed are returned."""
        if not new:
            return set()
        with ThreadPoolExecutor(min(len(new), _AT_ONCE), thread_name_prefix="judge") as pool:
            replies = dict(zip(new, pool.map(self._reply, new.values()), strict=True))
        for key, reply in replies.items():
            if isinstance(reply, PolicyError):
                self._stop_if_hopeless(reply)
            else:
                self._failures_in_a_row = 0
                self._known[key] = reply
        return set(replies) - set(self._known)

    def _reply(self, attempt: Attempt) -> str | PolicyError:
        request = PolicyRequest(
            messages=judge_messages(attempt.question, attempt.last_round),
            load_frame=attempt.load_frame,
            conversation_id=f"judge:{hash(_key(attempt))}",
            max_new_tokens=_NEW_TOKENS,
        )
        try:
            return _answer(self._policy.generate(request).text)
        except PolicyError as error:
            return error

    def _stop_if_hopeless(self, error: PolicyError) -> None:
        self._failures_in_a_row += 1
        if self._failures_in_a_row >= _FAILURES_IN_A_ROW:
            raise PolicyError(
                f"the judge failed {self._failures_in_a_row} times in a row: {error}"
            ) from error


def judge_messages(question: Question, shown: Sequence[FrameRef]) -> list[AnyMessage]:
    """What a judge is asked: the question after the frames, each with its true time."""
    parts: list[Any] = [*labelled_frames(shown), text_block(f"\n{question.prompt}")]
    return [SystemMessage(content=_SYSTEM), HumanMessage(content=parts)]


def _key(attempt: Attempt) -> _Key:
    frames = [f"{frame.sha256} {frame.pts_seconds}" for frame in attempt.last_round]
    return attempt.question.prompt, *frames


def _answer(reply: str) -> str:
    """The judge may be a policy of ours, which answers in tags."""
    outcome = read_corrected(reply, truncated=False)
    return outcome.text if isinstance(outcome, Answer) else reply
