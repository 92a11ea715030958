"""What a reward may look at of one finished rollout, wherever it was played.

The graph's record and TRL's tool loop give equal attempts: the answer is read by the dialect as the
graph reads it, and a rollout that ends on a call that was not run, on a cut message or without an
answer has none. A look that the policy never got to see (TRL drops a reply that does not fit) does
not count.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import AIMessage

from eva_graph.dialects import Answer, Dialect, Question, Truncated
from eva_graph.ending import cited_evidence
from eva_graph.errors import InvalidRequest, TrajectoryError
from eva_graph.evaluation.stretches import Stretch
from eva_graph.known import Reference
from eva_graph.look import LookReply, read_outcome
from eva_graph.look_record import call_record
from eva_graph.state import EvidenceDict, StopReason
from eva_graph.trajectory import Trajectory
from eva_graph.trajectory.schema import CallRecord
from eva_graph_tools import FrameRef
from eva_graph_training.errors import DataError
from eva_graph_training.labels.facts import Facts, Look


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What an environment did in one rollout.

    Attributes:
        question: what was asked.
        reference: what is known of the right answer.
        dialect: how turns are read.
        replies: what was shown after an assistant turn, by its number from 1.
        load_frame: encoded bytes of a frame; raises `FrameMissing`.
    """

    question: Question
    reference: Reference
    dialect: Dialect
    replies: Mapping[int, LookReply]
    load_frame: Callable[[FrameRef], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One finished rollout as rewards see it.

    Attributes:
        question: text and, for multiple choice, options by letter.
        reference: expected answer, question id, stretches that show the answer.
        answer: what the policy answered; None: it did not.
        stop_reason: why it ended; None: it was never finished.
        looks: calls that ran and showed frames, in order: requested and applied range in `call`,
            true times in `frames`.
        evidence: (start, end) in seconds of what the answer rests on, as the graph cites it.
        visual_tokens: of all frames shown, each counted once.
        turns: assistant messages.
        load_frame: encoded bytes of a frame; raises `FrameMissing`.
    """

    question: Question
    reference: Reference
    answer: str | None
    stop_reason: StopReason | None
    looks: tuple[Look, ...]
    evidence: tuple[Stretch, ...]
    visual_tokens: int
    turns: int
    load_frame: Callable[[FrameRef], bytes] = field(compare=False, repr=False)

    @property
    def last_round(self) -> tuple[FrameRef, ...]:
        """Frames of the last turn that showed any."""
        last = self.looks[-1].turn if self.looks else None
        return tuple(frame for look in self.looks if look.turn == last for frame in look.frames)

    @classmethod
    def of_record(cls, record: Trajectory, load_frame: Callable[[FrameRef], bytes]) -> Attempt:
        """The attempt of a recorded episode; `load_frame` is the `read` of its run's frames.

        Raises:
            TrajectoryError: the record names a frame, an evidence, a time reference or a stop
                reason that is none.
        """
        try:
            evidence = tuple(
                (float(one["start_seconds"]), float(one["end_seconds"])) for one in record.evidence
            )
            reference = Reference(
                expected=record.expected,
                question_id=record.question_id,
                time_reference=tuple(record.time_reference),
            )
            reason = None if record.stop_reason is None else StopReason(record.stop_reason)
        except (KeyError, TypeError, ValueError, InvalidRequest) as error:
            raise TrajectoryError(f"record {record.trajectory_id}: {error!r}") from None
        return cls(
            question=Question(text=record.question, options=record.options),
            reference=reference,
            answer=record.answer,
            stop_reason=reason,
            looks=Facts(record=record).looks,
            evidence=evidence,
            visual_tokens=record.usage.visual_tokens,
            turns=len(record.turns),
            load_frame=load_frame,
        )

    @classmethod
    def of_rollout(cls, account: Account, completion: Sequence[Mapping[str, Any]]) -> Attempt:
        """The attempt of a rollout in TRL's tool loop.

        Args:
            account: of the environment that played it.
            completion: the messages after the prompt, as TRL gives them to reward functions.

        Raises:
            DataError: the messages are not those of the environment's tool loop.
        """
        roles = [message["role"] for message in completion]
        shown = roles.count("tool")
        seen = {turn: reply for turn, reply in account.replies.items() if turn <= shown}
        forced = seen[max(seen)].forced if seen else None
        answer, reason = _ending(account.dialect, completion, forced)
        if len(account.replies) > shown:
            reason = StopReason.CONTEXT_OVERFLOW  # TRL took back the reply that did not fit
        cited: list[EvidenceDict] = []
        if answer is not None:
            messages = [message for reply in seen.values() for message in reply.messages]
            cited = cited_evidence([*messages, AIMessage(_text(completion[-1]))])
        return cls(
            question=account.question,
            reference=account.reference,
            answer=answer,
            stop_reason=reason,
            looks=tuple(_looks(seen)),
            evidence=tuple((one["start_seconds"], one["end_seconds"]) for one in cited),
            visual_tokens=sum(
                call.visual_tokens for reply in seen.values() for call in reply.results
            ),
            turns=roles.count("assistant"),
            load_frame=account.load_frame,
        )


def _ending(
    dialect: Dialect, completion: Sequence[Mapping[str, Any]], forced: StopReason | None
) -> tuple[str | None, StopReason]:
    """Answer and stop reason, as the graph would have set them."""
    last = completion[-1] if completion else {}
    if last.get("role") != "assistant" or last.get("tool_calls"):
        return None, StopReason.NO_ANSWER
    cut = last.get("finish_reason") == "length"
    outcome = read_outcome(dialect, _text(last), message_id="last", truncated=cut)
    if isinstance(outcome, Truncated):
        return None, StopReason.TRUNCATED
    if not isinstance(outcome, Answer):
        return None, StopReason.NO_ANSWER
    return outcome.text, forced or StopReason.ANSWERED


def _looks(replies: Mapping[int, LookReply]) -> Iterator[Look]:
    for turn, reply in replies.items():
        for result in reply.results:
            if result.frames:
                call = CallRecord.model_validate(call_record(result))
                yield Look.of(turn, call, result.frames)


def _text(message: Mapping[str, Any]) -> str:
    content = message["content"]
    if not isinstance(content, str):
        raise DataError(
            f"an assistant message holds a {type(content).__name__}, not the policy's raw text: "
            "prepare the processor with eva_graph_training.format.prepare_processor"
        )
    return content
