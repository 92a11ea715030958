"""The part of a trajectory record that says who wrote the turns, and the base of all its parts."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict


class RecordModel(BaseModel):
    """Refuses unknown fields; every field is written, also where it holds its default."""

    model_config = ConfigDict(
        extra="forbid",
        use_attribute_docstrings=True,
        json_schema_serialization_defaults_required=True,
    )


class ProbeRecord(RecordModel):
    """What a probe of the server found, and what it advised."""

    found: dict[str, Literal["yes", "no", "ignored", "unknown"]]
    """By capability, e.g. `tool_images`; `ignored`: accepted without effect."""
    images_in: Literal["tool", "user", "user_only"] | None
    """The message in which images were seen; None: in none."""
    dialect: Literal["eva", "native"]
    instructions: bool
    calls: Literal["turn", "phase"]
    patch_pixels: int | None
    """Side of one visual token, as the server's prices of two pictures give it."""
    logprobs_kind: Literal["raw", "processed"] | None
    requests: int


class PolicyRecord(RecordModel):
    """Which policy wrote the turns, and how it was sampled."""

    name: str
    backend: str
    patch_pixels: int
    min_pixels: int
    max_pixels: int
    context_tokens: int | None = None
    probe: ProbeRecord | None = None
    """None: the server was not probed."""
