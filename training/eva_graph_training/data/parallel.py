"""Work on many items side by side, as many at once as there are workers, until there is enough."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def side_by_side(
    work: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    workers: int,
    enough: Callable[[], bool] = lambda: False,
) -> Iterator[Result]:
    """Results as they come. No item is begun while a worker is missing or once there is enough.

    Raises:
        whatever the first failing item raises; what is under way is finished before that.
    """
    waiting = iter(items)
    with ThreadPoolExecutor(workers, thread_name_prefix="data") as pool:
        running: set[Future[Result]] = set()
        while True:
            free = 0 if enough() else workers - len(running)
            running |= {pool.submit(work, item) for item in islice(waiting, free)}
            if not running:
                return
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()
