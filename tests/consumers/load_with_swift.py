"""Run by a Python that has ms-swift: its loader and its Qwen2.5-VL template on a `sharegpt` export.

Prints one JSON object. Arguments: folder of the export, model folder.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys

folder, model_folder = sys.argv[1:]
os.environ["ROOT_IMAGE_DIR"] = folder

with contextlib.redirect_stdout(sys.stderr):
    from swift.dataset import load_dataset

    rows, _ = load_dataset([f"{folder}/train.jsonl"], strict=True, use_hf=True)
    found = [{"messages": row["messages"], "images": row["images"]} for row in rows]
print(json.dumps(found))
