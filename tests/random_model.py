"""An untrained nano: right in every shape, knows nothing. Equal seeds give equal weights."""

from __future__ import annotations

from pathlib import Path


def random_model(folder: Path, *, seed: int = 0) -> Path:
    """Write a model folder in float32 and return it."""
    import torch
    from transformers.utils import logging

    from eva_graph.policy.processor import chat_template
    from eva_graph_training.nano.folder import new_model, save_folder
    from eva_graph_training.nano.tokens import build_tokenizer

    logging.disable_progress_bar()
    tokenizer = build_tokenizer(chat_template(), vocabulary_size=700, conversations=50)
    model = new_model(tokenizer, seed)
    with torch.no_grad():  # fresh weights only repeat the last word: let the layers speak up
        model.get_input_embeddings().weight.normal_(0, 0.2)
        for weight in model.model.language_model.layers.parameters():
            if weight.ndim == 2:
                weight.normal_(0, 0.2)
    save_folder(model, tokenizer, folder, torch.float32)
    return folder
