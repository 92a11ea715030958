"""The judge of self-verification: the base model, taught to answer from the frames of one look.

The paper's judge is the base model as it is. A base as small as ours cannot answer questions, so
a copy of it learns to, in the very form in which the reward asks (`rewards.verification`): from
the last round of accepted episodes at multiple-choice questions. It is trained once, before KTO,
never sees the policy that it will judge, and stays frozen.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from datasets.arrow_writer import ParquetWriter
from langchain_core.messages import AnyMessage

from eva_graph.dialects import Question
from eva_graph.trajectory import RunStore
from eva_graph_training.data.workplace import fresh_train_folder
from eva_graph_training.errors import DataError
from eva_graph_training.export.chat import ChatMessage, Part, parts_of
from eva_graph_training.export.frames import FramePlaces, trl_messages
from eva_graph_training.export.row import FrameDelivery
from eva_graph_training.export.trl_sft import SFT_FEATURES
from eva_graph_training.labels.judge import last_frames
from eva_graph_training.miniature.playing import ACCEPTED
from eva_graph_training.rewards.verification import judge_messages
from eva_graph_training.stages.sources import EXPORTED

_ROLES = {"system": "system", "human": "user"}


def write_judge_rows(runs: Sequence[Path], folder: Path, *, most: int) -> dict[str, int]:
    """Rows for SFT in `folder/train`; how many there are.

    Args:
        runs: of the teacher.
        most: rows.

    Raises:
        DataError: no accepted episode answered a multiple-choice question from frames.
        EvaGraphError: a record or a frame cannot be read.
    """
    out = fresh_train_folder(folder)
    out.mkdir(parents=True)
    written = 0
    with ParquetWriter(path=str(out / EXPORTED), features=SFT_FEATURES) as writer:
        for values in _rows(runs, out):
            if written == most:
                break
            writer.write(values)
            written += 1
        if not written:
            raise DataError("no accepted episode answers a multiple-choice question from frames")
        writer.finalize()
    return {"rows": written}


def _parts(message: AnyMessage) -> Iterator[Part]:
    content: Any = message.content
    return parts_of(content)


def _rows(runs: Sequence[Path], out: Path) -> Iterator[dict[str, Any]]:
    for run in runs:
        store = RunStore(run)
        places = FramePlaces(store.frames, FrameDelivery.PATH, out)
        for record in store.records():
            shown = last_frames(record)
            if ACCEPTED not in record.labels or not record.options or not shown:
                continue
            question = Question(text=record.question, options=record.options)
            asked = [
                ChatMessage(role=_ROLES[one.type], parts=tuple(_parts(one)))
                for one in judge_messages(question, shown)
            ]
            reply = f"<answer>{record.expected}</answer>"
            told = [*asked, ChatMessage(role="assistant", parts=(reply,))]
            yield {"messages": trl_messages(told, places), "images": []}
