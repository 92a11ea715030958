"""The model families that the project's one chat template is made for. Loads nothing heavy."""

from __future__ import annotations

from pathlib import Path

CHAT_TEMPLATE = Path(__file__).with_name("chat_template.jinja")
"""For these families it writes the text of their own templates, and marks what is trained."""
SUPPORTED_MODELS = ("qwen2_vl", "qwen2_5_vl", "qwen3_vl")
"""`model_type` of their configurations."""
