"""Let a CUDA build of torchvision be imported beside a CPU-only torch.

Its C++ library does not load there, yet its import still registers fake kernels for two of that
library's operators and fails because nobody declared them. Declaring their schemas first leaves
the pure-Python part usable (transforms, which transformers' Qwen2-VL video processor asks for);
decoding images with `torchvision.io` stays broken, and vLLM does not use it.

A `.pth` file imports this module at every interpreter start, so torch is loaded only once somebody
asks for torchvision.
"""

import sys
from importlib.abc import MetaPathFinder

SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
kept_alive = []


class _BeforeTorchvision(MetaPathFinder):
    def find_spec(self, fullname, path=None, target=None):
        if fullname == "torchvision":
            sys.meta_path.remove(self)
            import torch

            library = torch.library.Library("torchvision", "FRAGMENT")
            library.define(f"nms{SCHEMA}")
            library.define(f"qnms{SCHEMA}")
            kept_alive.append(library)  # dropping the object would drop the declarations


sys.meta_path.insert(0, _BeforeTorchvision())
