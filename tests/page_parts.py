"""What a page of the viewer holds, unpacked without a browser."""

from __future__ import annotations

import base64
import json
import re
import zlib
from pathlib import Path
from typing import Any, NamedTuple


class Parts(NamedTuple):
    """What a page holds, unpacked."""

    index: dict[str, Any]
    episodes: list[dict[str, Any]]
    thumbnails: list[list[bytes]]


def parts_of(page: Path) -> Parts:
    """The list, the episodes and the thumbnails of a page or of a page's folder."""
    text = page.read_text(encoding="utf-8")
    block = re.search(r'<script type="application/json" id="index">(.*?)</script>', text)
    assert block is not None
    chunks = re.findall(r'<script type="text/plain" id="chunk-\d+">(.*?)</script>', text, re.DOTALL)
    files = sorted((page.parent / "chunks").glob("*.js"), key=lambda file: int(file.stem))
    for file in files if not chunks else ():
        call = re.fullmatch(r"evaGraphChunk\(\d+,(.*)\);\n", file.read_text())
        assert call is not None
        chunks.append(json.loads(call[1]))
    halves = [chunk.split("\n") for chunk in chunks]
    return Parts(
        json.loads(block[1]),
        [json.loads(zlib.decompress(base64.b64decode(half[0]))) for half in halves],
        [[base64.b64decode(each) for each in half[1].split()] for half in halves],
    )
