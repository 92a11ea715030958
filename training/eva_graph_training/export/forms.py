"""Every form by the name that `--to` takes."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from eva_graph_training.export.openai_chat import OpenAIChat
from eva_graph_training.export.pivot import Pivot
from eva_graph_training.export.row import Form
from eva_graph_training.export.sharegpt import ShareGpt
from eva_graph_training.export.trl_grpo import TrlGrpo
from eva_graph_training.export.trl_kto import TrlKto
from eva_graph_training.export.trl_sft import TrlSft
from eva_graph_training.export.verl import Verl

_ALL: tuple[Form, ...] = (
    TrlSft(),
    TrlKto(),
    TrlGrpo(),
    ShareGpt(),
    Verl(),
    OpenAIChat(),
    Pivot(),
)
FORMS: Mapping[str, Form] = MappingProxyType({form.name: form for form in _ALL})
