"""Run by a Python that has LLaMA-Factory: its loader, converter and encoder on a `sharegpt` export.

Prints one JSON object. Arguments: folder of the export, model folder.
"""

from __future__ import annotations

import json
import os
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import transformers

from eva_graph.policy.processor import load_processor


def prepared(model_folder: str) -> Any:
    """A processor with the attributes that LLaMA-Factory sets when it loads one."""
    processor = load_processor(model_folder)
    for name, value in {
        "image_max_pixels": 12_845_056, "image_min_pixels": 56 * 56,
        "image_do_pan_and_scan": False, "crop_to_patches": False,
    }.items():  # fmt: skip
        setattr(processor, name, value)
        setattr(processor.image_processor, name, value)
    return processor


def main(folder: str, model_folder: str) -> None:
    transformers.is_torch_available()  # it looks torchaudio up before the name is taken
    sys.modules["torchaudio"] = ModuleType("torchaudio")  # its wheels want CUDA; no row has sound
    from llamafactory.data.loader import _get_merged_dataset
    from llamafactory.data.processor.supervised import SupervisedDatasetProcessor
    from llamafactory.data.template import get_template_and_fix_tokenizer

    data_args = SimpleNamespace(
        dataset_dir=folder, media_dir=folder, streaming=False, preprocessing_num_workers=None,
        overwrite_cache=True, max_samples=None, mix_strategy="concat", template="qwen2_vl",
        train_on_prompt=False, mask_history=False, cutoff_len=100_000, tool_format=None,
        default_system=None, enable_thinking=True, preserve_thinking=False,
    )  # fmt: skip
    model_args = SimpleNamespace(cache_dir=os.environ["HF_HOME"], hf_hub_token=None)
    training_args = SimpleNamespace(local_process_index=0, seed=0)
    rows = _get_merged_dataset(["eva_graph_train"], model_args, data_args, training_args, "sft")
    processor = prepared(model_folder)
    tokenizer = processor.tokenizer
    encoder = SupervisedDatasetProcessor(
        template=get_template_and_fix_tokenizer(tokenizer, data_args),
        tokenizer=tokenizer, processor=processor, data_args=data_args,
    )  # fmt: skip
    found = []
    for row in rows:
        images = row["_images"] or []
        ids, labels = encoder._encode_data_example(
            row["_prompt"], row["_response"], row["_system"], row["_tools"], images, [], []
        )
        found.append(
            {
                "roles": [message["role"] for message in row["_prompt"] + row["_response"]],
                "images": images,
                "pads": ids.count(processor.image_token_id),
                "learned": tokenizer.decode([label for label in labels if label != -100]),
            }
        )
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
