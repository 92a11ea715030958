"""Run by a Python that has verl: its `RLHFDataset` and `collate_fn` on a `verl` export.

Prints one JSON object. Arguments: a Parquet file, model folder.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys

file, model_folder = sys.argv[1:]

with contextlib.redirect_stdout(sys.stderr):
    from omegaconf import OmegaConf
    from verl.utils.dataset.rl_dataset import RLHFDataset, collate_fn

    from eva_graph.policy.processor import load_processor

    processor = load_processor(model_folder)
    config = OmegaConf.create(
        {
            "cache_dir": os.environ["HF_HOME"], "prompt_key": "prompt", "image_key": "images",
            "return_raw_chat": True,
            # The filter opens pictures with qwen_vl_utils, which imports torchvision for videos.
            "filter_overlong_prompts": False,
        }
    )  # fmt: skip
    rows = RLHFDataset(
        data_files=file, tokenizer=processor.tokenizer, config=config, processor=processor
    )
    found = []
    for number in range(len(rows)):
        row = rows[number]
        chat = row["raw_prompt"]
        parts = [p for m in chat if isinstance(m["content"], list) for p in m["content"]]
        images = [part["image"] for part in parts if part["type"] == "image"]
        text = processor.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
        encoded = processor(text=[text], images=images or None)  # as its agent loop does
        found.append(
            {
                "roles": [message["role"] for message in chat],
                "images": [list(image.size) for image in images],
                "pads": list(encoded["input_ids"][0]).count(processor.image_token_id),
                "source": row["data_source"],
                "reward_model": row["reward_model"],
                "turn": row["extra_info"]["turn"],
            }
        )
    batch = collate_fn([rows[number] for number in range(len(rows))])
    assert len(batch["raw_prompt"]) == len(rows)
print(json.dumps(found))
