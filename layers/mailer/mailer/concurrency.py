"""Concurrent work in threads, with order kept where it must be."""

from __future__ import annotations

from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
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
    The first exception that an item raises is raised again once all threads have ended.
    """
    groups: defaultdict[Hashable, list[int]] = defaultdict(list)
    for index, item in enumerate(items):
        key = ordering_key(item)
        groups[(None, index) if key is None else (key, None)].append(index)
    results: dict[int, Result] = {}

    def run(group: list[int]) -> None:
        for index in group:
            results[index] = function(items[index])

    with ThreadPoolExecutor(max_workers=min(WORKERS, len(groups)) or 1) as pool:
        for _done in pool.map(run, groups.values()):
            pass
    return [results[index] for index in range(len(items))]
