"""How rows name frames: a file of the run, a copied file, or the bytes themselves.

Every frame is read from the store once more before a row names it, so its hash is checked.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from eva_graph_tools import FrameRef, FrameStore
from eva_graph_training.errors import DataError
from eva_graph_training.export.chat import ChatMessage
from eva_graph_training.export.row import FrameDelivery, Unfit

FRAMES_FOLDER = "frames"


class FramePlaces:
    """The frames of one run as the rows of one export name them.

    Args:
        store: the run's frames.
        delivery: how they are named.
        out: folder of the export, for frames that are copied.
    """

    def __init__(self, store: FrameStore, delivery: FrameDelivery, out: Path) -> None:
        self.delivery = delivery
        self._store = store
        self._copies = FrameStore(out / FRAMES_FOLDER)

    def address(self, ref: FrameRef) -> str:
        """A path or a `data:` URL.

        Raises:
            FrameMissing: the frame is not in the run any more, or was changed.
            StoreError: a copy cannot be written.
        """
        data = self._store.read(ref)
        match self.delivery:
            case FrameDelivery.INLINE:
                return f"data:{ref.media_type};base64,{base64.b64encode(data).decode('ascii')}"
            case FrameDelivery.COPY:
                self._copies.keep(ref, data)
                inside = self._copies.path(ref).relative_to(self._copies.root)
                return f"{FRAMES_FOLDER}/{inside.as_posix()}"
            case FrameDelivery.PATH:
                return str(self._store.path(ref).absolute())

    def data(self, ref: FrameRef) -> bytes:
        """The encoded bytes. Raises `FrameMissing`."""
        return self._store.read(ref)

    def file(self, ref: FrameRef) -> Path:
        """The frame's file in the run, checked. Raises `FrameMissing`."""
        self._store.read(ref)
        return self._store.path(ref)


def trl_messages(messages: Sequence[ChatMessage], places: FramePlaces) -> list[dict[str, Any]]:
    """Messages as TRL's collators and our chat template take them.

    Every image part carries its own payload: TRL fills placeholders of user turns only.
    """
    return [_trl_message(message, places) for message in messages]


def _trl_message(message: ChatMessage, places: FramePlaces) -> dict[str, Any]:
    content = [
        {"type": "image", "image": places.address(part)}
        if isinstance(part, FrameRef)
        else {"type": "text", "text": part}
        for part in message.parts
    ]
    written: dict[str, Any] = {"role": message.role, "content": content}
    return written if message.trained else written | {"train": False}


def tagged(message: ChatMessage, tags: Sequence[str] = ("<image>",)) -> str:
    """The message as one text with `<image>` where a frame stands.

    Raises:
        Unfit: the text itself holds a tag, so the consumer would look for a picture there.
    """
    for tag in tags:
        if tag in message.text:
            raise Unfit(f"a text holds {tag}, which stands for media here")
    return "".join("<image>" if isinstance(part, FrameRef) else part for part in message.parts)


def open_frame(address: str, folder: Path | None = None) -> Image.Image:
    """The RGB picture behind an address that `FramePlaces` wrote.

    Args:
        address: a path, or a `data:` URL.
        folder: what relative paths start from.

    Raises:
        DataError: there is no picture.
    """
    try:
        if address.startswith("data:"):
            data = base64.b64decode(address.partition(",")[2], validate=True)
            picture: Image.Image = Image.open(io.BytesIO(data)).convert("RGB")
        else:
            with Image.open((folder or Path()) / address) as image:
                picture = image.convert("RGB")
    except (OSError, ValueError) as error:
        raise DataError(f"{address[:120]} is no picture that can be read: {error}") from None
    return picture
