"""`sharegpt`: the layout that LLaMA-Factory and ms-swift both read.

A row is `{"messages": [{"role", "content"}…], "images": [path…]}` with one `<image>` in the text
for each picture, in order. Tool turns have the role `tool`, which ms-swift knows by name and
LLaMA-Factory by the `observation_tag` of the `dataset_info.json` that is written beside the rows.
LLaMA-Factory learns every assistant turn and has no switch for one, so episodes with an edited turn
are refused here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

from eva_graph.trajectory import Trajectory
from eva_graph_training.export.chat import ChatMessage, frames_of, transcript
from eva_graph_training.export.frames import FramePlaces, tagged
from eva_graph_training.export.row import FormFile, FrameDelivery, Row, Unfit

_MEDIA_TAGS = ("<image>", "<video>", "<audio>")
_TAGS = {
    "role_tag": "role",
    "content_tag": "content",
    "user_tag": "user",
    "assistant_tag": "assistant",
    "observation_tag": "tool",
    "function_tag": "tool_call",
    "system_tag": "system",
}


class ShareGpt:
    """Answered episodes whose every turn may be learned."""

    name = "sharegpt"
    consumer = "LLaMA-Factory (`formatting: sharegpt`) and ms-swift"
    deliveries = (FrameDelivery.PATH, FrameDelivery.COPY)
    re_encodes = True
    how_to_load = """\
llamafactory-cli train --dataset_dir THIS_FOLDER --dataset eva_graph_train --template qwen2_vl ...
ROOT_IMAGE_DIR=THIS_FOLDER swift sft --dataset THIS_FOLDER/train.jsonl --model_type qwen2_5_vl ...
"""

    def files(self) -> Sequence[FormFile]:
        """One JSON-lines file a side."""
        return [FormFile(kind="jsonl")]

    def rows(self, record: Trajectory, places: FramePlaces) -> Iterable[Row]:
        """One row. Raises `Unfit`."""
        if record.answer is None:
            raise Unfit("no answer")
        messages = transcript(record)
        if any(not message.trained for message in messages):
            raise Unfit(
                "a turn was edited or made for the policy; its loss cannot be switched off here"
            )
        values = {
            "messages": [_message(message) for message in messages],
            "images": [places.address(frame) for frame in frames_of(messages)],
        }
        yield Row(values=values, conversation=messages)

    def companions(self, sides: Sequence[str]) -> Mapping[str, str]:
        """LLaMA-Factory's `dataset_info.json`, one data set a side."""
        info = {
            f"eva_graph_{side}": {
                "file_name": f"{side}.jsonl",
                "formatting": "sharegpt",
                "columns": {"messages": "messages", "images": "images"},
                "tags": _TAGS,
            }
            for side in sides
        }
        return {"dataset_info.json": json.dumps(info, indent=2) + "\n"}


def _message(message: ChatMessage) -> dict[str, str]:
    return {"role": message.role, "content": tagged(message, _MEDIA_TAGS)}
