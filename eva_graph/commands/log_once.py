"""The package's warnings on a console, each of them once: long work repeats them per episode."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console


class _Once(logging.Handler):
    def __init__(self, console: Console) -> None:
        super().__init__(logging.WARNING)
        self._console = console
        self._told: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Print what was not printed yet."""
        message = record.getMessage()
        if message not in self._told:
            self._told.add(message)
            self._console.print(message, style="yellow", markup=False, soft_wrap=True)


@contextmanager
def warnings_once(console: Console) -> Iterator[None]:
    """Show each different warning of `eva_graph` once, above a progress bar where there is one."""
    log, handler = logging.getLogger("eva_graph"), _Once(console)
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
