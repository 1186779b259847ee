"""What nodes with a cache policy made of their inputs, kept for the next execution with the same input.

It lives in one process and is bounded; losing it costs time only. It does not know what is kept or why.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import msgspec

from riverrun.graph.node import Node


class InMemoryCache:
    """Keep outcomes by key; the longest unused goes first.

    Args:
        size: How many are kept at most.
    """

    def __init__(self, size: int = 1000) -> None:
        self._size = size
        self._kept: OrderedDict[Any, tuple[float | None, Any]] = OrderedDict()

    def get(self, key: object, now: float) -> Any:
        """Give what was kept under a key; None where there is nothing, or not any more.

        Args:
            key: As in `put`.
            now: The monotonic time in seconds.
        """
        found = self._kept.get(key)
        if found is None:
            return None
        until, value = found
        if until is not None and now >= until:
            del self._kept[key]
            return None
        self._kept.move_to_end(key)
        return value

    def put(self, key: object, value: object, ttl: float | None, now: float) -> None:
        """Keep something.

        Args:
            key: Anything hashable.
            value: What is kept.
            ttl: For so many seconds; None for as long as there is room.
            now: The monotonic time in seconds.
        """
        self._kept[key] = (None if ttl is None else now + ttl, value)
        self._kept.move_to_end(key)
        while len(self._kept) > self._size:
            self._kept.popitem(last=False)

    def clear(self) -> None:
        """Forget everything."""
        self._kept.clear()


def cache_key(node: Node, state: Any) -> object:
    """Name what a node is given, so that equal inputs have equal names.

    Args:
        node: A node with a cache policy.
        state: What it is given.

    Returns:
        Something hashable; None when the input cannot be named and nothing may be kept.
    """
    policy = node.cache
    if policy is None:
        return None
    if policy.key_func is not None:
        return node.name, node.where, policy.key_func(state)
    try:
        named: object = msgspec.json.encode(state, order="deterministic")
    except (TypeError, ValueError):
        import pickle  # noqa: PLC0415  # 2 ms of every `import riverrun`, and hardly ever needed

        try:
            named = pickle.dumps(state)  # only compared, never loaded
        except Exception:  # noqa: BLE001  # whatever cannot be pickled says so in its own way
            return None
    return node.name, node.where, named
