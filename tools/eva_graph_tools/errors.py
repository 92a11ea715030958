"""Exceptions of the video tools; each message is one line that says what to do.

    EvaGraphError                 root of every error this project raises on purpose
    ├── StoreError                frames cannot be written (disk full, no permission, …)
    └── ToolError                 text for the policy and an entry in the log
        ├── UnsupportedMedia      not a video that can be opened (missing, empty, no video, …)
        ├── DecodeError           a video, but these frames cannot be decoded (damaged, closed, …)
        │   └── DecodeTimeout     … not within `timeout_seconds`
        ├── CannotCopy            a range that can only be cut by encoding it again
        ├── SeekOutOfRange        a time outside the video
        ├── InvalidArguments      tool arguments that cannot be applied
        └── FrameMissing          a stored frame is gone or does not match its hash

A message never carries a native file:line prefix and never a line break; what cannot be shown of a
name (control characters, bytes that are no text) is replaced.
"""


class EvaGraphError(Exception):
    """Root of the project's errors. The message is one line that says what to do."""

    def __init__(self, message: str) -> None:
        line = " ".join(message.split())
        super().__init__("".join(char if char.isprintable() else "\ufffd" for char in line))


class StoreError(EvaGraphError):
    """The frame store's folder cannot be written; nothing a policy could mend."""


class ToolError(EvaGraphError, RuntimeError):
    """A tool call failed for a reason that the caller or the policy can act on.

    A RuntimeError too: of other types LangGraph's servers keep the message from their clients, and
    its default retry policy would try again.
    """


class UnsupportedMedia(ToolError):
    """The file is missing, not a regular file, not a video, or of a kind that is not read."""


class DecodeError(ToolError):
    """The video opened, but the frames asked for cannot be decoded."""


class DecodeTimeout(DecodeError):
    """A call took longer than its `timeout_seconds`; its decoder is not used again."""


class CannotCopy(ToolError):
    """Packets cannot be copied: the container does not take them, or they have no times."""


class SeekOutOfRange(ToolError):
    """A time lies outside the video."""


class InvalidArguments(ToolError):
    """Tool arguments of the wrong type or without a meaningful application."""


class FrameMissing(ToolError):
    """A frame reference cannot be read: its bytes are gone, evicted or not what was stored."""
