"""Real Chromium for tests and benchmarks: which one, and how it is started.

`apt-get install chromium` brings it on Debian; EVA_GRAPH_CHROMIUM names another executable.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser with a fresh profile.

    Raises:
        RuntimeError: none is installed.
    """
    named = os.environ.get("EVA_GRAPH_CHROMIUM")
    executable = named or next(filter(None, map(shutil.which, _NAMES)), None)
    if executable is None:
        raise RuntimeError("apt-get install chromium, or name one in EVA_GRAPH_CHROMIUM")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=[*_FLAGS])
        try:
            yield browser
        finally:
            browser.close()
