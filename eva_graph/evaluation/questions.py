"""A benchmark's question as every part of the evaluation knows it, whatever file it came from.

Nothing is dropped on the way here: a row that cannot be asked or scored is a question that says
why, and what a loader repaired is named beside it, so that a report can count both.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from eva_graph.commands.counted import counted
from eva_graph.known import Reference

Profile: TypeAlias = Literal["corrected", "reference"]
"""`reference` asks and scores like the released harness, quirks kept; `corrected` repairs them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvalQuestion:
    """One question of a benchmark.

    Attributes:
        benchmark: name of the set, e.g. `lvbench`.
        question_id: unique within the loaded questions.
        video: path of the file; where it is `missing`, the name that the annotation gives.
        question: the text to ask; under the reference profile the annotation's own, options in it.
        options: texts by letter; empty: an open question, or none could be made out.
        answer: the right answer; the letter where there are options. None: nobody said.
        time_reference: (start, end) in seconds of the stretches that show the answer.
        subtitles: path of the subtitle file, where there is one.
        duration_bucket: the set's own class of the video's length.
        question_type: the set's own class of the question; several are joined by commas.
        problem: why it cannot be scored; counted, never dropped.
        missing: no file below the videos' folder fits; it cannot be asked.
        verbatim: `question` holds the options already: ask it without any.
        repairs: what was put right in the annotation.
    """

    benchmark: str
    question_id: str
    video: str
    question: str
    options: dict[str, str]
    answer: str | None = None
    time_reference: tuple[tuple[float, float], ...] = ()
    subtitles: str | None = None
    duration_bucket: str | None = None
    question_type: str | None = None
    problem: str | None = None
    missing: bool = False
    verbatim: bool = False
    repairs: tuple[str, ...] = ()

    @property
    def asked_options(self) -> dict[str, str]:
        """The options to give the agent beside `question`."""
        return {} if self.verbatim else self.options

    @property
    def question_types(self) -> tuple[str, ...]:
        """The question's classes one by one."""
        return tuple(self.question_type.split(", ")) if self.question_type else ()


def reference_of(question: EvalQuestion) -> Reference:
    """What a record keeps of a question; the policy never sees it."""
    return Reference(
        question_id=question.question_id,
        expected=question.answer,
        time_reference=question.time_reference,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadSummary:
    """What became of an annotation file's rows.

    Attributes:
        questions: how many there are, whatever is wrong with them.
        videos: different videos, the missing ones included.
        missing_videos: names of the videos that no file fits, in order of appearance.
        unasked: questions about those.
        problems: how many questions cannot be scored, by reason.
        repairs: how many questions were repaired, by repair.
    """

    questions: int
    videos: int
    missing_videos: tuple[str, ...]
    unasked: int
    problems: dict[str, int]
    repairs: dict[str, int]

    @classmethod
    def of(cls, questions: Iterable[EvalQuestion]) -> LoadSummary:
        """Count what loaders wrote down."""
        listed = list(questions)
        missing = [question.video for question in listed if question.missing]
        return cls(
            questions=len(listed),
            videos=len({question.video for question in listed}),
            missing_videos=tuple(dict.fromkeys(missing)),
            unasked=len(missing),
            problems=dict(Counter(one.problem for one in listed if one.problem is not None)),
            repairs=dict(Counter(repair for one in listed for repair in one.repairs)),
        )

    def lines(self) -> list[str]:
        """The same in words, a line each; only what is worth telling."""
        told = [f"{counted(self.questions, 'question')} about {counted(self.videos, 'video')}"]
        if self.missing_videos:
            names = ", ".join(self.missing_videos[:3])
            more = f" and {len(self.missing_videos) - 3:,} more" * (len(self.missing_videos) > 3)
            told.append(
                f"{counted(len(self.missing_videos), 'video')} missing ({names}{more}): "
                f"{counted(self.unasked, 'question')} cannot be asked"
            )
        for reason, count in sorted(self.problems.items()):
            told.append(f"{count:,} cannot be scored: {reason}")
        for repair, count in sorted(self.repairs.items()):
            told.append(f"{count:,} repaired: {repair}")
        return told
