"""Concurrent work in threads, with order kept where it must be."""

from __future__ import annotations

from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Lock
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    Item = TypeVar("Item")
    Result = TypeVar("Result")

WORKERS = 20  # SES takes 20 requests a second


def ordered_map(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    ordering_key: Callable[[Item], Hashable] = lambda _item: None,
) -> list[Result]:
    """Return `function` of each item, in the order of `items`, computed by up to 20 threads.

    Items with the same ordering key run one after another, in order; those whose key is None, at any time.
    After an exception no other group of items begins, and it is raised again once all threads have ended.
    """
    groups: defaultdict[Hashable, list[int]] = defaultdict(list)
    for index, item in enumerate(items):
        key = ordering_key(item)
        groups[(None, index) if key is None else (key, None)].append(index)
    waiting, turn, failed = iter(groups.values()), Lock(), Event()
    results: dict[int, Result] = {}

    def next_group() -> list[int] | None:
        with turn:
            return None if failed.is_set() else next(waiting, None)

    def run(_worker: int) -> None:
        try:
            while group := next_group():
                for index in group:
                    results[index] = function(items[index])
        except BaseException:
            failed.set()
            raise

    workers = min(WORKERS, len(groups))
    # One future for each thread, since one for each item costs more than a small item does.
    with ThreadPoolExecutor(max_workers=workers or 1) as pool:
        for _done in pool.map(run, range(workers)):
            pass
    return [results[index] for index in range(len(items))]
