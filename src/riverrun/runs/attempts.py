"""A node with policies: tried again, cut off, kept, or handled by its error handler.

What a policy decides becomes a signal of the machine, so the log tells of every attempt. It does not know how one
attempt is run (`perform`), nor the lanes (`driver`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextvars import Context as Variables
from typing import Any, Protocol

from riverrun.base.errors import Busy, Interrupted, NodeError, RiverrunError
from riverrun.base.ids import jitter
from riverrun.graph.node import Node
from riverrun.graph.policies import RetryPolicy, TimeoutPolicy
from riverrun.graph.step import RunNode
from riverrun.runs.cache import InMemoryCache, cache_key
from riverrun.runs.perform import Outcome

_NOT_OF_THE_NODE = (asyncio.CancelledError, KeyboardInterrupt, GeneratorExit, Interrupted)


class Host(Protocol):
    """The driver, as far as attempts need it."""

    async def once(self, order: RunNode) -> Outcome:
        """Run one attempt."""
        ...

    async def handle(self, order: RunNode, error: BaseException) -> Outcome:
        """Run the error handler in place of the node."""
        ...

    def again(self, order: RunNode, reason: str, error: BaseException, delay: float) -> RunNode:
        """Void what was put out, and give the order for the next attempt."""
        ...

    def heard(self, exec_id: str) -> dict[str | None, list[Any]]:
        """Give what an execution has put out so far, by key."""
        ...

    def written(self, exec_id: str) -> list[dict[str, Any]]:
        """Give the updates that an execution has made on its way."""
        ...

    def update(self, exec_id: str, update: Mapping[str, Any]) -> None:
        """Make an update in the name of an execution."""
        ...

    def say(self, exec_id: str, key: str | None, value: object) -> None:
        """Put out a chunk in the name of an execution."""
        ...

    def watch(self, exec_id: str, deadline: Deadline | None) -> None:
        """Tell a deadline of everything that an execution says, or no more."""
        ...

    def monotonic(self) -> float:
        """Give the monotonic time in seconds."""
        ...


class Kept:
    """An outcome in the cache: what the node wrote and chose, and what it had put out."""

    def __init__(self, outcome: Outcome, said: dict[str | None, list[Any]], written: list[dict[str, Any]]) -> None:
        self.outcome = outcome
        self.said = said
        self.written = written


class Deadline:
    """When an attempt is cut off; moved on by whatever the node says.

    Args:
        policy: How long it may take, stay silent, and begin to speak.
        loop: The running loop.
    """

    def __init__(self, policy: TimeoutPolicy, loop: asyncio.AbstractEventLoop) -> None:
        self._policy = policy
        self._loop = loop
        self._begun = self._last = loop.time()
        self._spoke = False
        self.scope: asyncio.Timeout | None = None

    @property
    def when(self) -> float | None:
        """The loop's time at which the attempt is cut off if nothing is said until then; None for never."""
        return min((when for when, _ in self._limits()), default=None)

    @property
    def why(self) -> str:
        """Say which limit comes first."""
        return min(self._limits(), default=(0.0, "its time-out"))[1]

    def touch(self) -> None:
        """Take note that the node said something."""
        self._last, self._spoke = self._loop.time(), True
        if self.scope is not None and not self.scope.expired():
            # In no context: a timer that was called off keeps that, and with it the run, until its time is over.
            Variables().run(self.scope.reschedule, self.when)

    def _limits(self) -> list[tuple[float, str]]:
        policy = self._policy
        limits = [(self._begun, policy.run_timeout, "run_timeout"), (self._last, policy.idle_timeout, "idle_timeout")]
        if not self._spoke:
            limits.append((self._begun, policy.first_chunk_timeout, "first_chunk_timeout"))
        return [(since + left, f"{name} of {left:g} s") for since, left, name in limits if left is not None]


async def run_by_policy(host: Host, order: RunNode, cache: InMemoryCache) -> Outcome:
    """Run a node until it has an outcome, or no policy helps any more.

    Args:
        host: The driver.
        order: The first attempt.
        cache: Where outcomes are kept.

    Returns:
        What it gave back, or its error handler, or the cache.

    Raises:
        Exception: What the last attempt raised.
    """
    key = cache_key(order.node, order.state) if order.node.cache is not None else None
    kept = None if key is None else cache.get(key, host.monotonic())
    if isinstance(kept, Kept):
        return _repeat(host, order, kept)
    outcome = await _try(host, order)
    if key is not None and order.node.cache is not None:
        said = host.heard(order.exec_id)
        cache.put(key, Kept(outcome, said, host.written(order.exec_id)), order.node.cache.ttl, host.monotonic())
    return outcome


async def _try(host: Host, order: RunNode) -> Outcome:
    while True:
        try:
            return await within(host, order)
        except _NOT_OF_THE_NODE:
            raise
        except BaseException as error:  # noqa: BLE001  # user code: whatever it raises is the node's failure
            delay = next_delay(order.node, error, order.failed + 1, spoke=bool(host.heard(order.exec_id)))
            failure = error
        if delay is None:
            if order.node.handler is None:
                raise failure
            order = host.again(order, "handled", failure, 0.0)
            return await host.handle(order, failure)
        order = host.again(order, "failed", failure, delay)
        await asyncio.sleep(delay)


async def within(host: Host, order: RunNode) -> Outcome:
    """Run one attempt, cut off by its time-out if it has one.

    Args:
        host: The driver.
        order: The attempt.

    Returns:
        What it gave back.

    Raises:
        NodeError: E3016, it was cut off.
        Exception: What it raised.
    """
    policy = order.node.timeout
    if policy is None:
        return await host.once(order)
    deadline = Deadline(policy, asyncio.get_running_loop())
    host.watch(order.exec_id, deadline)
    try:
        async with asyncio.timeout(None) as deadline.scope:
            Variables().run(deadline.scope.reschedule, deadline.when)  # as in `Deadline.touch`
            return await host.once(order)
    except TimeoutError as error:
        if deadline.scope is None or not deadline.scope.expired():
            raise
        what = f"node {order.node.name!r} was cut off by its {deadline.why}"
        raise NodeError("E3016", what, where=order.node.where) from error
    finally:
        host.watch(order.exec_id, None)


def next_delay(node: Node, error: BaseException, failures: int, *, spoke: bool) -> float | None:
    """Say after how many seconds a node is tried again.

    Args:
        node: Which one.
        error: What it raised.
        failures: How many attempts have failed, this one included.
        spoke: Whether it put something out.

    Returns:
        Seconds, or None: not any more.
    """
    policy = next((each for each in node.retries if _takes(each, error)), None)
    if policy is None or failures >= policy.max_attempts or (spoke and policy.before_first_chunk):
        return None
    asked_for = error.retry_after if isinstance(error, Busy) else 0.0
    if asked_for > policy.max_interval:
        return None  # nobody would wait so long; the error says how long
    chance = jitter() if policy.jitter else 0.0
    return max(policy.interval(failures), asked_for) + chance


def _takes(policy: RetryPolicy, error: BaseException) -> bool:
    if isinstance(error, RiverrunError) and policy.retry_on is None:
        # The others say that the node gave back what it may not, and will again.
        return error.code == "E3016" or error.temporary
    return policy.takes(error)


def _repeat(host: Host, order: RunNode, kept: Kept) -> Outcome:
    """Say again what was said, in one piece per message, and give the outcome."""
    for key, pieces in kept.said.items():
        text = all(isinstance(piece, str) for piece in pieces)
        for value in ["".join(pieces)] if text and pieces else pieces:
            host.say(order.exec_id, key, value)
    for written in kept.written:
        host.update(order.exec_id, written)
    update = dict(kept.outcome.update)
    return Outcome(update=update, streamed=kept.outcome.streamed, goto=kept.outcome.goto, cached=True)
