"""`trl-kto`: whole episodes with one label each, for TRL's KTOTrainer and our collator.

The completion is everything after the question, tool turns and their images included. TRL's vision
collator looks for images in the prompt alone and learns every completion token; ours
(`eva_graph_training.collate`) keeps the images and masks everything that the policy did not write.
The trainer reads rows in the order they come, so `kto_dataset` interleaves the labels.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from datasets import Features, Image, Json, List, Value

from eva_graph.trajectory import Trajectory
from eva_graph_training.export.chat import learned, opening, transcript, written_in_phases
from eva_graph_training.export.frames import FramePlaces, trl_messages
from eva_graph_training.export.row import FormFile, FrameDelivery, Row, Unfit

KTO_FEATURES = Features(
    {
        "prompt": List(Json()),
        "completion": List(Json()),
        "label": Value("bool"),
        "images": List(Image()),
        "video_id": Value("string"),
    }
)

NOT_LABELLED = "not labelled yet, or fit for neither side"


class TrlKto:
    """Episodes that are decided to be desirable or not; those written in phases are refused."""

    name = "trl-kto"
    consumer = "TRL's KTOTrainer with eva_graph_training.collate.TrajectoryCollator"
    deliveries = (FrameDelivery.PATH, FrameDelivery.INLINE)
    re_encodes = True
    how_to_load = """\
from trl import KTOConfig, KTOTrainer

from eva_graph.policy.processor import load_model, load_processor
from eva_graph_training.collate import TrajectoryCollator
from eva_graph_training.dataset import kto_dataset

processor = load_processor(FOLDER)
config = KTOConfig(beta=0.1, max_length=None, per_device_train_batch_size=4)
trainer = KTOTrainer(
    model=load_model(FOLDER), args=config, train_dataset=kto_dataset("train.parquet"),
    processing_class=processor, data_collator=TrajectoryCollator(processor),
)
"""

    def files(self) -> Sequence[FormFile]:
        """One Parquet file a side."""
        return [FormFile(kind="parquet", features=KTO_FEATURES)]

    def rows(self, record: Trajectory, places: FramePlaces) -> Iterable[Row]:
        """One row. Raises `Unfit`."""
        if record.desirable is None:
            raise Unfit(NOT_LABELLED)
        if written_in_phases(record):
            raise Unfit("written in phases: parts of its turns were not sampled by one call")
        messages = transcript(record)
        prompt = opening(messages)
        if not learned(messages):
            raise Unfit("every turn was edited by a person")
        values = {
            "prompt": trl_messages(prompt, places),
            "completion": trl_messages(messages[len(prompt) :], places),
            "label": record.desirable,
            "images": [],
            "video_id": record.video.video_id,
        }
        yield Row(values=values, conversation=messages)

    def companions(self, sides: Sequence[str]) -> Mapping[str, str]:
        """None."""
        return {}
