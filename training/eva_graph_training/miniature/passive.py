"""Data of the passive baselines: evenly spread frames in one message, and the answer alone.

The frames and the text are those that `eva-graph eval --baseline uniform:tokens=N` shows; what
answers here is the key, so that a model learns to answer in exactly that form.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from eva_graph.blocks import blocks_of, frame_of
from eva_graph.dialects import Question
from eva_graph.errors import PolicyError
from eva_graph.evaluation import (
    EvalQuestion,
    EvaluationPlan,
    EvaluationSettings,
    ask_videos,
    evaluate,
    make_asker,
)
from eva_graph.policy.protocol import Completion, PolicyInfo, PolicyRequest
from eva_graph.policy.resolve import resolve_policy
from eva_graph.videos import OpenVideos
from eva_graph_training.data.tasks import video_id_of
from eva_graph_training.data.workplace import RUN, fresh_train_folder
from eva_graph_training.export.exporting import ExportRequest, export
from eva_graph_training.export.forms import FORMS
from eva_graph_training.export.selection import Split

_AT_ONCE = 2
Asked = tuple[str, str]
"""The video's identity, and the question with its options."""


class AnswerKey:
    """Writes the right answer to every question that it knows.

    Args:
        answers: what it knows.
        info: of the model that is to learn from it, whose patches decide on the frames' sizes.
    """

    def __init__(self, answers: Mapping[Asked, str], info: PolicyInfo) -> None:
        self.info = info
        self._answers = answers

    def generate(self, request: PolicyRequest) -> Completion:
        """The answer in its tags. Raises `PolicyError` for a question that it does not know."""
        blocks = blocks_of(request.messages[-1])
        frame = next((found for block in blocks if (found := frame_of(block))), None)
        prompt = str(blocks[-1].get("text", "")).strip()
        answer = None if frame is None else self._answers.get((frame.video_id, prompt))
        if answer is None:
            raise PolicyError(f"the key has no answer to {prompt!r:.120}")
        return Completion(text=f"<answer>{answer}</answer>")

    async def agenerate(self, request: PolicyRequest) -> Completion:
        """Like `generate`; there is nothing to wait for."""
        return self.generate(request)


def uniform(visual_tokens: int, resize: float) -> str:
    """The baseline that shows that many visual tokens, as `--baseline` names it."""
    return f"uniform:tokens={visual_tokens}@{resize:g}"


def show_passively(
    folder: Path, model: Path, baseline: str, questions: Sequence[EvalQuestion]
) -> dict[str, int]:
    """Record every question with its frames and its answer, and export rows for SFT.

    Args:
        folder: `run/` and `train/` go there.
        model: folder of the model that will be trained.
        baseline: as `uniform` names it.
        questions: with answers.

    Raises:
        EvaGraphError: a question cannot be shown, or a record not be written.
    """
    info = resolve_policy(str(model)).info
    settings = EvaluationSettings(benchmark="custom", model="answer-key", baseline=baseline)
    plan = EvaluationPlan(settings=settings, questions=tuple(questions))
    asker = make_asker(settings, AnswerKey(_answers(questions), info), folder / RUN)
    asked = partial(ask_videos, asker=asker, concurrency=_AT_ONCE)
    evaluate(plan, folder / RUN, asked)
    export(
        ExportRequest(
            runs=[folder / RUN],
            form=FORMS["trl-sft"],
            out=fresh_train_folder(folder),
            split=Split(train_fraction=1.0),
        )
    )
    return {"questions": len(questions)}


def _answers(questions: Sequence[EvalQuestion]) -> dict[Asked, str]:
    videos = OpenVideos()
    ids = {name: video_id_of(name, videos) or "" for name in {one.video for one in questions}}
    return {
        (ids[one.video], Question(text=one.question, options=one.options).prompt): one.answer or ""
        for one in questions
    }
