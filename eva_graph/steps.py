"""What a run tells while it happens: one `Step` for each thing a node did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

NodeName = Literal["summary", "plan", "action", "reflection"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One node's news.

    `data` holds, by node: `summary`; `plan` and `calls`; `looks` (tool, applied arguments, frames,
    visual tokens, notes, error); `reflection`. The node that ends the run also tells `answer`,
    `stop_reason`, `error` and `evidence`.
    """

    node: NodeName
    turn: int
    trajectory_id: str
    data: Mapping[str, Any]

    @classmethod
    def from_event(cls, event: object) -> Step | None:
        """The step in a part of LangGraph's `custom` stream; None for other people's parts."""
        if not isinstance(event, dict) or "eva_graph" not in event:
            return None
        data = {
            key: value
            for key, value in event.items()
            if key not in ("eva_graph", "turn", "trajectory_id")
        }
        return cls(
            node=event["eva_graph"],
            turn=event["turn"],
            trajectory_id=event["trajectory_id"],
            data=data,
        )

    def to_event(self) -> dict[str, Any]:
        """The part that `from_event` reads."""
        return {
            "eva_graph": self.node,
            "trajectory_id": self.trajectory_id,
            "turn": self.turn,
            **self.data,
        }
