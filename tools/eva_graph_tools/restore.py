"""Making a missing frame again from its reference and its video."""

import hashlib

from eva_graph_tools.errors import FrameMissing
from eva_graph_tools.frames import FrameRef, encode
from eva_graph_tools.store import FrameStore
from eva_graph_tools.timecode import format_seconds
from eva_graph_tools.video import Video


def restore(store: FrameStore, ref: FrameRef, video: Video) -> bytes:
    """Decode a frame again, check its hash and keep it in the store; returns the encoded bytes.

    Raises:
        FrameMissing: `video` is another one, or the frame no longer comes out the same.
        DecodeError: the frame cannot be decoded.
    """
    at = format_seconds(ref.pts_seconds)
    if video.video_id != ref.video_id:
        raise FrameMissing(
            f"the frame at {at} s is of another video than {video.path.name}: "
            "give the video that it was taken from"
        )
    size = (ref.width, ref.height)
    frame = video.frames_at([ref.pts_seconds], size=size, box=ref.box)[0]
    data = encode(frame, ref.encoding)
    if hashlib.sha256(data).hexdigest() != ref.sha256:
        raise FrameMissing(
            f"the frame at {at} s of {video.path.name} no longer decodes to the same bytes: "
            "use the library versions of the record, or its own frames"
        )
    store.keep(ref, data)
    return data
