"""A video agent that plans before it perceives, as a LangGraph state machine.

Importing this loads neither torch nor a model client; they come with the policy that needs them.
"""

from __future__ import annotations

from importlib.metadata import version

from eva_graph.agent import VideoAgent
from eva_graph.dialects.turn import Look, Plan
from eva_graph.errors import EvaGraphError
from eva_graph.graph import build_graph
from eva_graph.known import Reference
from eva_graph.memory import VideoMemory
from eva_graph.result import Evidence, RunResult, Turn
from eva_graph.state import AgentInput, AgentOutput, Context, StopReason
from eva_graph.steps import Step
from eva_graph.trajectory import Trajectory
from eva_graph.videos import OpenVideos

__version__ = version("eva-graph")

__all__ = [
    "AgentInput",
    "AgentOutput",
    "Context",
    "EvaGraphError",
    "Evidence",
    "Look",
    "OpenVideos",
    "Plan",
    "Reference",
    "RunResult",
    "Step",
    "StopReason",
    "Trajectory",
    "Turn",
    "VideoAgent",
    "VideoMemory",
    "__version__",
    "build_graph",
]
