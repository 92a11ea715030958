"""The agent for `langgraph dev`, Studio and `RemoteGraph`: `langgraph.json` names `make_graph`.

The server's environment says everything that a client may not:

    EVA_GRAPH_MEDIA_ROOT   folder whose videos may be asked about; unset: none
    EVA_GRAPH_POLICY       a server's URL or a model folder; unset: the embedded nano
    EVA_GRAPH_MODEL        model name at that server; unset: asked from it
    EVA_GRAPH_DIALECT      eva, native or auto; unset: eva
    EVA_GRAPH_RECORD       run directory that keeps every trajectory; unset: none is kept

The server brings its own checkpointer: the graph is compiled without one.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import replace
from functools import cache

from eva_graph.graph import VideoGraph, compile_graph, wire
from eva_graph.served_media import ServedRecorders, ServedVideos, media_root

POLICY_VARIABLE = "EVA_GRAPH_POLICY"
MODEL_VARIABLE = "EVA_GRAPH_MODEL"
DIALECT_VARIABLE = "EVA_GRAPH_DIALECT"
RECORD_VARIABLE = "EVA_GRAPH_RECORD"


def served_graph(environment: Mapping[str, str]) -> VideoGraph:
    """The graph as an environment describes it.

    Raises:
        EvaGraphError: a variable is at fault; one line that says what to do.
    """
    wiring = wire(
        environment.get(POLICY_VARIABLE) or None,
        model=environment.get(MODEL_VARIABLE) or None,
        dialect=environment.get(DIALECT_VARIABLE) or "eva",
    )
    served = replace(
        wiring,
        videos=ServedVideos(media_root(environment)),
        recorders=ServedRecorders(environment.get(RECORD_VARIABLE) or None),
    )
    return compile_graph(served)


async def make_graph() -> VideoGraph:
    """The graph of this process. Raises as `served_graph` does.

    Servers ask for it in their event loop, where nothing may block, and anew for every run.
    """
    return await asyncio.to_thread(_graph_of_process)


@cache
def _graph_of_process() -> VideoGraph:
    return served_graph(os.environ)
