"""`trl-sft`: whole answered episodes for TRL's own SFTTrainer and its own vision collator.

A row is `{"messages": […], "images": []}`. TRL counts the images of the column against user turns
only, so it stays empty (its presence turns vision mode on) and tool parts carry their own payload.
The columns are typed in the Parquet file: inferred, Arrow gives every text part an `image` key, and
templates draw an image there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from datasets import Features, Image, Json, List

from eva_graph.trajectory import Trajectory
from eva_graph_training.export.chat import learned, transcript
from eva_graph_training.export.frames import FramePlaces, trl_messages
from eva_graph_training.export.row import FormFile, FrameDelivery, Row, Unfit

SFT_FEATURES = Features({"messages": List(Json()), "images": List(Image())})


class TrlSft:
    """Answered episodes; edited turns carry `train: false`, which the chat template reads."""

    name = "trl-sft"
    consumer = "TRL's SFTTrainer with `assistant_only_loss=True` and `max_length=None`"
    deliveries = (FrameDelivery.PATH, FrameDelivery.INLINE)
    re_encodes = True
    how_to_load = """\
from datasets import load_dataset
from trl import SFTConfig, SFTTrainer

from eva_graph.policy.processor import load_model, load_processor

rows = load_dataset("parquet", data_files="train.parquet", split="train")
config = SFTConfig(assistant_only_loss=True, max_length=None)  # a cut would break an image
processor = load_processor(FOLDER)
SFTTrainer(model=load_model(FOLDER), args=config, train_dataset=rows, processing_class=processor)
"""

    def files(self) -> Sequence[FormFile]:
        """One Parquet file a side."""
        return [FormFile(kind="parquet", features=SFT_FEATURES)]

    def rows(self, record: Trajectory, places: FramePlaces) -> Iterable[Row]:
        """One row. Raises `Unfit` where there is no answer, or no turn is left to learn."""
        if record.answer is None:
            raise Unfit("no answer")
        messages = transcript(record)
        if not learned(messages):
            raise Unfit("every turn was edited by a person")
        values = {"messages": trl_messages(messages, places), "images": []}
        yield Row(values=values, conversation=messages)

    def companions(self, sides: Sequence[str]) -> Mapping[str, str]:
        """None."""
        return {}
