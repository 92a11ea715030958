"""The operation `cut`, and the call of it that `Video.cut` makes."""

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eva_graph_tools.cutting.encoding import encode
from eva_graph_tools.cutting.output import format_of
from eva_graph_tools.cutting.request import Cut, CutRequest
from eva_graph_tools.cutting.stream_copy import copy
from eva_graph_tools.cutting.target import new_file
from eva_graph_tools.deadline import Deadline
from eva_graph_tools.errors import InvalidArguments
from eva_graph_tools.reader import Reader, Reply

if TYPE_CHECKING:
    from eva_graph_tools.operations import Media  # which registers this module's operation

MAX_CUT_BYTES = 64 * 1024**3


def cut(media: "Media", arguments: Mapping[str, Any], deadline: Deadline) -> Reply:
    """Write a range of the video to a file. Arguments: those of `CutRequest`."""
    request = CutRequest.from_json(arguments)
    try:
        deadline.check()
        return (encode if request.exact else copy)(media, request, deadline)
    except BaseException:
        # The caller removes it too, but may have done so, being late, before it was made.
        request.path.unlink(missing_ok=True)
        raise


def make_cut(
    reader: Reader,
    start_seconds: float,
    end_seconds: float,
    path: Path,
    *,
    exact: bool,
    overwrite: bool = False,
    max_bytes: int = MAX_CUT_BYTES,
    timeout_seconds: float | None = None,
) -> Cut:
    """See `Video.cut`; the times lie within the video."""
    if not (math.isfinite(start_seconds) and start_seconds < end_seconds):
        raise InvalidArguments(
            f"the range ends ({end_seconds:g} s) where it starts ({start_seconds:g} s) or before"
        )
    request = CutRequest(
        start_seconds=start_seconds,
        end_seconds=end_seconds,
        path=path,
        format_name=format_of(path),
        exact=exact,
        max_bytes=max_bytes,
    )
    with new_file(path.absolute(), source=reader.opened.path, overwrite=overwrite) as part:
        arguments = replace(request, path=part).to_json()
        reply = reader.perform("cut", arguments, timeout_seconds=timeout_seconds)
    return Cut(
        path=path,
        start_seconds=reply.values["start_seconds"],
        end_seconds=reply.values["end_seconds"],
        exact=exact,
    )
