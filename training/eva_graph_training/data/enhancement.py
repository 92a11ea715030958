"""One round of data enhancement: the policy's failures become new questions on unseen videos.

The failures that serve as examples are written down when a round begins, and so is each reply of
the teacher when it comes: a round that was killed goes on with both (arXiv 2603.22918, EVA-RL).

ROUND/failures.jsonl   the examples
ROUND/written.jsonl    what the teacher wrote, by video
ROUND/blind.jsonl      what policy and teacher answered without the video
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from eva_graph.evaluation.questions import EvalQuestion
from eva_graph.policy.protocol import Policy, PolicyRequest
from eva_graph.videos import OpenVideos
from eva_graph_tools import FrameStore, ToolError
from eva_graph_training.data.blind import BlindCheck
from eva_graph_training.data.ledger import Ledger
from eva_graph_training.data.likeness import plain_words, shared_words
from eva_graph_training.data.overview import overview
from eva_graph_training.data.parallel import side_by_side
from eva_graph_training.data.tasks import Task, drawn
from eva_graph_training.data.unseen import UnseenVideo
from eva_graph_training.data.workplace import write_whole
from eva_graph_training.data.writing import Failure, Written, read_reply, writing_request

EXAMPLES_SHOWN: Final = 8
_MAX_NEW_TOKENS: Final = 1024
_MOSTLY_SHARED: Final = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """Who writes, and how.

    Attributes:
        teacher: sees one uniform look at each video.
        policy: the current one; questions that it answers blind are left out, as are the teacher's.
        videos: how videos are opened.
        frames: where the looks' frames go.
        look_budget: visual tokens of a look.
        questions_per_video: asked for.
        threshold: from which value a blind answer counts as right.
        seed: draws the examples shown.
        workers: videos written about at once.
    """

    teacher: Policy
    policy: Policy
    videos: OpenVideos
    frames: FrameStore
    look_budget: int
    questions_per_video: int
    threshold: float
    seed: int
    workers: int


@dataclass(slots=True, kw_only=True)
class Round:
    """What a round brought.

    Attributes:
        number: counted from 1.
        failures: that served as examples.
        videos: written about.
        written: questions in the right form.
        left_out: lines and questions that were not taken, by reason.
        tasks: new questions.
    """

    number: int
    failures: int = 0
    videos: int = 0
    written: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    tasks: list[Task] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """The counts as plain JSON."""
        return {
            "failures": self.failures,
            "videos": self.videos,
            "written": self.written,
            "left_out": dict(sorted(self.left_out.items())),
            "questions": len(self.tasks),
        }


def enhance(
    writer: Writer,
    number: int,
    folder: Path,
    *,
    failed: Sequence[Task],
    unseen: Sequence[UnseenVideo],
    wanted: int,
    advance: Callable[[], None] = lambda: None,
) -> Round:
    """Play one round, or go on with it.

    Args:
        number: of the round, from 1.
        folder: of the round.
        failed: what the policy fails now; a round that was begun keeps the failures it began with.
        unseen: videos to write on, in this order, until there is enough.
        wanted: new questions.
        advance: called for every video.

    Raises:
        PolicyError: teacher or policy failed; start the build again to go on.
        DataError: a file cannot be written.
    """
    examples = _examples(folder / "failures.jsonl", failed)
    done = Round(number=number, failures=len(examples))
    if not examples:
        return done
    written = Ledger(folder / "written.jsonl")
    blind = BlindCheck(folder / "blind.jsonl", threshold=writer.threshold)
    replies = {row["video_id"]: row["text"] for row in written.rows()}

    def write(video: UnseenVideo) -> tuple[UnseenVideo, str | None]:
        if video.video_id not in replies:
            replies[video.video_id] = _ask(writer, video, examples)
            written.append({"video_id": video.video_id, "text": replies[video.video_id]})
        return video, replies[video.video_id]

    # In order and by the batch, not as they come: what is taken must not depend on who is quicker.
    for start in range(0, len(unseen), writer.workers):
        if len(done.tasks) >= wanted:
            break
        batch = unseen[start : start + writer.workers]
        texts = dict(_by_id(side_by_side(write, batch, workers=writer.workers)))
        for video in batch:
            _take(writer, done, video, texts[video.video_id], blind, wanted)
            advance()
    return done


def _by_id(pairs: Iterator[tuple[UnseenVideo, str | None]]) -> Iterator[tuple[str, str | None]]:
    return ((video.video_id, text) for video, text in pairs)


def _examples(path: Path, failed: Sequence[Task]) -> list[Failure]:
    """The failures of the round, as they were when it began."""
    if not path.exists():
        rows = [
            {"question": one.question, "answer": one.options.get(one.answer or "", one.answer)}
            for one in (task.question for task in failed)
        ]
        write_whole(path, "".join(json.dumps(row) + "\n" for row in rows))
    return [Failure(question=row["question"], answer=row["answer"]) for row in Ledger(path).rows()]


def _ask(writer: Writer, video: UnseenVideo, examples: Sequence[Failure]) -> str | None:
    """The teacher's reply; None where the video cannot be looked at."""
    shown = sorted(examples, key=lambda one: drawn(writer.seed, f"{video.video_id}|{one.question}"))
    info = writer.teacher.info
    try:
        with writer.videos.use(video.path) as opened:
            blocks = overview(opened, writer.frames, grid=info.grid, look_budget=writer.look_budget)
            length_seconds = opened.info.duration_seconds
    except ToolError:
        return None
    messages = writing_request(
        shown[:EXAMPLES_SHOWN],
        blocks,
        count=writer.questions_per_video,
        length_seconds=length_seconds,
    )
    request = PolicyRequest(
        messages=messages,
        load_frame=writer.frames.read,
        conversation_id=f"write:{video.video_id}",
        max_new_tokens=_MAX_NEW_TOKENS,
    )
    return writer.teacher.generate(request).text


def _take(
    writer: Writer,
    done: Round,
    video: UnseenVideo,
    text: str | None,
    blind: BlindCheck,
    wanted: int,
) -> None:
    """The questions of one reply that are new and need the video."""
    if text is None:
        done.left_out["the video cannot be looked at"] += 1
        return
    done.videos += 1
    reading = read_reply(text, count=writer.questions_per_video)
    done.left_out += reading.refused
    done.written += len(reading.written)
    kept: list[Written] = []
    for place, one in enumerate(reading.written):
        question = _question(done.number, video, place, one)
        if len(done.tasks) >= wanted:
            done.left_out["more than the round needs"] += 1
        elif any(_same(one, other) for other in kept):
            done.left_out["asks the same as another one"] += 1
        elif _is_blind(writer, blind, question):
            done.left_out["answered without the video"] += 1
        else:
            kept.append(one)
            done.tasks.append(Task(question=question, video_id=video.video_id))


def _same(one: Written, other: Written) -> bool:
    """Whether two questions on one video ask the same.

    One word may make the difference ("red", "blue"); then the answers tell.
    """
    shared = shared_words(one.question, other.question)
    same_answer = plain_words(one.answer) == plain_words(other.answer)
    return shared == 1 or (same_answer and shared >= _MOSTLY_SHARED)


def _question(number: int, video: UnseenVideo, place: int, one: Written) -> EvalQuestion:
    name = video.video_id.removeprefix("sha256:")[:16]
    return EvalQuestion(
        benchmark="enhanced",
        question_id=f"round{number}/{name}-{place}",
        video=video.path,
        question=one.question,
        options={},
        answer=one.answer,
        question_type="enhanced",
    )


def _is_blind(writer: Writer, blind: BlindCheck, question: EvalQuestion) -> bool:
    return blind.solves(question, "teacher", writer.teacher) or blind.solves(
        question, "policy", writer.policy
    )
