"""Writes the page: one file, or a folder with one file for each episode where one would be too big.

Nothing that a run holds becomes markup: the list is JSON in a data block with every `<` escaped,
an episode is compressed and in base64, and the script builds elements from text alone. A content
security policy admits no other script, no other style, no connection.
"""

from __future__ import annotations

import base64
import html
import json
import re
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from eva_graph.errors import InvalidRequest, TrajectoryError
from eva_graph.viewer.assets import asset, script, source_hash, style

_SLOT = re.compile(r"@@(\w+)@@")
_GENERATOR = '<meta name="generator" content="eva-graph view">'
_TAG_BYTES = 64  # around a chunk
_FOLDER_SOURCES = "'self' file:"  # of the chunks' files, beside the one script


class Chunks:
    """Episodes on their way to the page, kept on disk: memory does not grow with the run."""

    def __init__(self) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (`close` does)
        self._ends = [0]

    def append(self, detail: dict[str, Any], thumbnails: list[str]) -> None:
        """Keep an episode: compressed JSON in base64, a line break, thumbnails in base64."""
        data = zlib.compress(json.dumps(detail, ensure_ascii=True).encode("ascii"), 9)
        text = f"{base64.b64encode(data).decode('ascii')}\n{' '.join(thumbnails)}"
        self._ends.append(self._ends[-1] + self._file.write(text.encode("ascii")))

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __iter__(self) -> Iterator[str]:
        self._file.seek(0)
        for start, end in zip(self._ends, self._ends[1:], strict=False):
            yield self._file.read(end - start).decode("ascii")

    @property
    def total_bytes(self) -> int:
        """Size of all chunks."""
        return self._ends[-1]

    def close(self) -> None:
        """Give the disk space back."""
        self._file.close()


def write_page(out: Path, index: dict[str, Any], chunks: Chunks, *, max_bytes: int) -> Path:
    """Write the page and return the file to open: `out`, or `index.html` in a folder of its name.

    Raises:
        InvalidRequest: a folder of that name holds something else.
        TrajectoryError: it cannot be written.
    """
    head = len(_page(index, in_folder=False)[0])
    try:
        if head + chunks.total_bytes + len(chunks) * _TAG_BYTES <= max_bytes:
            return _write_file(out, index, chunks)
        return _write_folder(out.with_suffix(""), index, chunks)
    except OSError as error:
        raise TrajectoryError(f"cannot write {out}: {error.strerror or error}") from None


def embedded_json(value: Any) -> str:
    """JSON that may stand in a `<script>` block: no character in it can end or open a tag."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _write_file(out: Path, index: dict[str, Any], chunks: Chunks) -> Path:
    before, after = _page(index, in_folder=False)
    out.parent.mkdir(parents=True, exist_ok=True)
    fresh = out.with_name(out.name + ".part")
    try:
        with fresh.open("w", encoding="utf-8", errors="replace", newline="\n") as file:
            file.write(before)
            for number, chunk in enumerate(chunks):
                file.write(f'<script type="text/plain" id="chunk-{number}">{chunk}</script>\n')
            file.write(after)
        fresh.replace(out)
    finally:
        fresh.unlink(missing_ok=True)
    return out


def _write_folder(folder: Path, index: dict[str, Any], chunks: Chunks) -> Path:
    page = folder / "index.html"
    if folder.exists() and not _is_ours(page):
        raise InvalidRequest(f"{folder} exists and holds no page of ours: name another --out")
    shutil.rmtree(folder / "chunks", ignore_errors=True)
    (folder / "chunks").mkdir(parents=True)
    for number, chunk in enumerate(chunks):
        call = f"evaGraphChunk({number},{json.dumps(chunk)});\n"
        (folder / "chunks" / f"{number}.js").write_text(call, encoding="ascii")
    text = "".join(_page(index, in_folder=True))
    page.write_text(text, encoding="utf-8", errors="replace", newline="\n")
    return page


def _is_ours(page: Path) -> bool:
    if not page.is_file():
        return False
    with page.open(encoding="utf-8", errors="replace") as file:
        return _GENERATOR in file.read(4096)


def _page(index: dict[str, Any], *, in_folder: bool) -> tuple[str, str]:
    """The page before and after the chunks."""
    looks, code = style(), script()
    sources = f"{source_hash(code)} {_FOLDER_SOURCES}" if in_folder else source_hash(code)
    policy = (
        f"default-src 'none'; script-src {sources}; style-src {source_hash(looks)}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    slots = {
        "GENERATOR": _GENERATOR,
        "POLICY": policy,
        "TITLE": html.escape(" and ".join(run["name"] for run in index["runs"])),
        "STYLE": looks,
        "INDEX": embedded_json({**index, "in_folder": in_folder}),
        "SCRIPT": code,
    }
    before, _, after = asset("page.html").partition("@@CHUNKS@@")
    return _SLOT.sub(lambda slot: slots[slot[1]], before), after
