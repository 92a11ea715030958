"""Every error that a user or an operator can meet, each one line that says what to do.

EvaGraphError
├── ToolError                  text for the policy, an entry in the log (eva_graph_tools)
├── StoreError                 frames cannot be written: disk full, … (eva_graph_tools)
├── PolicyError                could not write a turn: ends the episode, keeps the trajectory
│   ├── PolicyUnavailable      refused, hung, cut off, or 5xx/429 until retries were spent
│   ├── PolicyRejected         answered 4xx: the request itself is at fault
│   │   └── ContextOverflow    the prompt is longer than the policy's context
│   ├── PolicyProtocolError    answered with something that is no chat completion
│   └── ContinuationUnsupported  cannot continue a message (`calls="phase"` falls back)
├── MissingExtra               an optional dependency is not installed; names the install command
├── InvalidRequest             the caller's own arguments are at fault
└── TrajectoryError            a record or journal cannot be read or written
"""

from __future__ import annotations

from eva_graph_tools.errors import EvaGraphError


class PolicyError(EvaGraphError):
    """The policy could not write a turn.

    `requests` counts the HTTP requests that were spent on it, retries included.
    """

    def __init__(self, message: str, *, requests: int = 0) -> None:
        super().__init__(message)
        self.requests = requests


class PolicyUnavailable(PolicyError):
    """The server refused, hung, broke off or answered 5xx/429 until the retries were spent."""


class PolicyRejected(PolicyError):
    """The server answered 4xx: sending the same request again cannot help."""


class ContextOverflow(PolicyRejected):
    """The prompt (and its images) is longer than the policy's context."""


class PolicyProtocolError(PolicyError):
    """The server answered with something that is not a chat completion."""


class ContinuationUnsupported(PolicyError):
    """The policy cannot continue an assistant message that was begun."""


class MissingExtra(EvaGraphError):
    """An optional dependency is not installed; the message names the command that installs it."""


class InvalidRequest(EvaGraphError, RuntimeError):
    """An argument given by the caller is at fault; the message says what is allowed.

    A RuntimeError too, for the reason that `ToolError` gives.
    """


class TrajectoryError(EvaGraphError):
    """A trajectory record, journal or run directory cannot be read or written."""


__all__ = [
    "ContextOverflow",
    "ContinuationUnsupported",
    "EvaGraphError",
    "InvalidRequest",
    "MissingExtra",
    "PolicyError",
    "PolicyProtocolError",
    "PolicyRejected",
    "PolicyUnavailable",
    "TrajectoryError",
]
