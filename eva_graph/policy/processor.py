"""Loading a Qwen2.5-VL or Qwen3-VL folder for work with single images, without torchvision.

The stock processors also build a video processor, which needs torchvision; our frames are images,
so that part is left out. Every folder is given the project's one chat template: for these families
it writes the text of their own templates, and it also marks what is trained. This module needs the
`nano` extra: import it only where a model is really loaded.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModelForImageTextToText,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.models.qwen2_5_vl.processing_qwen2_5_vl import Qwen2_5_VLProcessor
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.processing_utils import ProcessorMixin

from eva_graph.errors import InvalidRequest
from eva_graph.policy.families import CHAT_TEMPLATE as CHAT_TEMPLATE
from eva_graph.policy.families import SUPPORTED_MODELS as SUPPORTED_MODELS
from eva_graph_tools import VisualGrid


class ImageOnlyProcessor(Qwen2_5_VLProcessor):
    """Tokenizer and image processor of a Qwen VL model. Images are PIL images; no videos."""

    def __init__(
        self,
        image_processor: Qwen2VLImageProcessorPil | None = None,
        tokenizer: PreTrainedTokenizerBase | None = None,
        chat_template: str | None = None,
        **_: Any,
    ) -> None:
        if tokenizer is None:
            raise TypeError("an image-only processor needs a tokenizer")
        self.image_token, self.video_token = "<|image_pad|>", "<|video_pad|>"
        self.image_token_id = tokenizer.convert_tokens_to_ids(self.image_token)
        self.video_token_id = tokenizer.convert_tokens_to_ids(self.video_token)
        ProcessorMixin.__init__(self, image_processor, tokenizer, chat_template=chat_template)


def load_processor(path: str | Path) -> ImageOnlyProcessor:
    """The processor of a model folder.

    Raises:
        InvalidRequest: the folder is missing or holds no model of a supported family.
    """
    _check(path)
    tokenizer = AutoTokenizer.from_pretrained(path)
    template = chat_template()
    tokenizer.chat_template = template
    image_processor = Qwen2VLImageProcessorPil.from_pretrained(path)
    return ImageOnlyProcessor(image_processor, tokenizer, chat_template=template)


def load_model(path: str | Path, dtype: str = "float32") -> PreTrainedModel:
    """The model of a folder in evaluation mode; `dtype` names a torch type, whatever is stored.

    Raises:
        InvalidRequest: the folder is missing or holds no model of a supported family.
    """
    _check(path)
    model = AutoModelForImageTextToText.from_pretrained(path, dtype=getattr(torch, dtype))
    loaded: PreTrainedModel = model.eval()
    return loaded


def visual_grid(processor: ImageOnlyProcessor) -> VisualGrid:
    """The patches and pixel bounds of a processor: the cost rule of its looks."""
    image = processor.image_processor
    return VisualGrid(
        patch_pixels=image.patch_size * image.merge_size,
        min_pixels=image.size["shortest_edge"],
        max_pixels=image.size["longest_edge"],
    )


def chat_template() -> str:
    """The one chat template of inference, training and the server."""
    return CHAT_TEMPLATE.read_text(encoding="utf-8")


def _check(path: str | Path) -> None:
    folder = Path(path)
    if not (folder / "config.json").is_file():
        raise InvalidRequest(f"{folder} is no model folder: it holds no config.json")
    kind = AutoConfig.from_pretrained(folder).model_type
    if kind not in SUPPORTED_MODELS:
        raise InvalidRequest(
            f"{folder} holds a {kind} model; in process run only {', '.join(SUPPORTED_MODELS)}, "
            "serve others with vLLM and pass its URL"
        )
