"""What a node may ask of the way it is run: another try, a time-out, a cache, or to go on without some branches.

Policies are data. Who obeys them is the driver (tries, time-outs, the cache) or the machine (joins); nothing here
waits, looks at a clock or calls what the user wrote.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct

from riverrun.base.errors import GraphError

Predicate = Callable[[BaseException], bool]
RetryOn = Predicate | type[BaseException] | Sequence[type[BaseException]]


class RetryPolicy(Struct, frozen=True, kw_only=True):
    """Try a node again when it fails. What the failed attempt put out is void (`node.retrying`).

    Attributes:
        initial_interval: Seconds before the second attempt.
        backoff_factor: What the interval is multiplied by after each failure.
        max_interval: Seconds between two attempts, at most.
        max_attempts: Attempts in all, the first included.
        jitter: Whether up to a second of chance is added to each interval.
        retry_on: Which exceptions: a class, several, or a function of the exception. The default takes what may pass
            by itself, not what is wrong in the code.
        before_first_chunk: Try again only while nothing was put out: for readers that cannot take anything back.
    """

    initial_interval: float = 0.5
    backoff_factor: float = 2.0
    max_interval: float = 128.0
    max_attempts: int = 3
    jitter: bool = True
    retry_on: RetryOn | None = None
    before_first_chunk: bool = False

    def takes(self, error: BaseException) -> bool:
        """Say whether the policy is meant for this exception."""
        chosen = self.retry_on
        if chosen is None:
            return may_pass(error)
        if isinstance(chosen, type):
            return isinstance(error, chosen)
        if isinstance(chosen, Sequence):
            return isinstance(error, tuple(chosen))
        return bool(chosen(error))

    def interval(self, failures: int) -> float:
        """Give the seconds before the next attempt, without the chance, after so many failures (from 1)."""
        try:
            grown = self.initial_interval * self.backoff_factor ** (failures - 1)
        except OverflowError:  # doubled a thousand times
            grown = math.inf if self.initial_interval > 0 else 0.0
        return min(self.max_interval, grown)


# What is wrong in the code stays wrong, however often it is tried.
_LASTING = (
    ValueError,
    TypeError,
    ArithmeticError,
    ImportError,
    LookupError,
    NameError,
    SyntaxError,
    RuntimeError,
    ReferenceError,
    StopIteration,
    StopAsyncIteration,
    OSError,
)


def may_pass(error: BaseException) -> bool:
    """Say whether an exception may be gone at the next try: connections and 5xx answers, and whatever is not known."""
    if isinstance(error, ConnectionError | TimeoutError):
        return True
    status = getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(status, int):
        return status >= _SERVER_ERROR or status == _TOO_MANY
    return isinstance(error, Exception) and not isinstance(error, _LASTING)


_SERVER_ERROR = 500
_TOO_MANY = 429


class TimeoutPolicy(Struct, frozen=True, kw_only=True):
    """Cut a node off that takes too long; it fails with E3016, which a retry policy takes by default.

    Attributes:
        run_timeout: Seconds for one attempt as a whole; None for no limit.
        idle_timeout: Seconds without a chunk, an emitted value or a heartbeat; None for no limit.
        first_chunk_timeout: Seconds until the first of these; None for no limit.
    """

    run_timeout: float | None = None
    idle_timeout: float | None = None
    first_chunk_timeout: float | None = None


class CachePolicy(Struct, frozen=True, kw_only=True):
    """Keep what a node made of an input, and give it again for the same input.

    Attributes:
        key_func: Makes the key of an input: text, bytes, or anything hashable; None: the input's JSON, or its pickle
            where it is not JSON. The key is only compared, never read back.
        ttl: Seconds that an outcome is kept; None for as long as there is room.
    """

    key_func: Callable[[Any], Any] | None = None
    ttl: float | None = None


class Join(Struct, frozen=True, kw_only=True):
    """How many of the branches that lead to a node must arrive before it runs. Made by the three functions below.

    Attributes:
        need: It runs as soon as so many have arrived well, and the others are cancelled; None: when all are there.
        least: So many must arrive well, otherwise the run fails (E3017).
    """

    need: int | None
    least: int


def first_success() -> Join:
    """Let a node run as soon as one branch has arrived well; others may fail, and are cancelled."""
    return Join(need=1, least=1)


def quorum(count: int) -> Join:
    """Let a node run as soon as `count` branches have arrived well.

    Args:
        count: From 1.

    Returns:
        The join, for `add_node(join=)`.

    Raises:
        GraphError: E1012, the number is none.
    """
    if type(count) is not int or count < 1:
        raise GraphError("E1012", f"quorum({count!r}): the number of branches is a whole number from 1")
    return Join(need=count, least=count)


def collect() -> Join:
    """Let a node run when every branch has ended, well or not; `ctx.failures` says which have failed, and how."""
    return Join(need=None, least=0)


def read_retries(name: str, given: object, where: str) -> tuple[RetryPolicy, ...]:
    """Take `retry_policy=` of a node: one, several (the first that takes an exception decides), or None.

    Raises:
        GraphError: E1012, it is something else.
    """
    if given is None:
        return ()
    policies = tuple(given) if isinstance(given, list | tuple) else (given,)
    for policy in policies:
        if not isinstance(policy, RetryPolicy) or policy.max_attempts < 1:
            raise GraphError("E1012", f"node {name!r}: retry_policy is {policy!r}", where=where)
    return policies


def read_timeout(name: str, given: Any, where: str) -> TimeoutPolicy | None:
    """Take `timeout=` of a node: seconds, a timedelta, a `TimeoutPolicy` of either, or None.

    Raises:
        GraphError: E1012, it is something else, or not above 0.
    """
    if given is None:
        return None
    policy = given if isinstance(given, TimeoutPolicy) else TimeoutPolicy(run_timeout=given)
    limits = {limit: getattr(policy, limit) for limit in policy.__struct_fields__}
    return TimeoutPolicy(
        **{limit: _seconds(name, value, where) for limit, value in limits.items() if value is not None}
    )


def read_cache(name: str, given: object, where: str) -> CachePolicy | None:
    """Take `cache_policy=` of a node.

    Raises:
        GraphError: E1012, it is something else.
    """
    if given is None or isinstance(given, CachePolicy):
        return given
    raise GraphError("E1012", f"node {name!r}: cache_policy is {given!r}", where=where)


def _seconds(name: str, given: Any, where: str) -> float:
    seconds: Any = given.total_seconds() if hasattr(given, "total_seconds") else given  # a timedelta
    if type(seconds) not in (int, float) or not seconds > 0:  # so that what is not a number is refused as well
        raise GraphError("E1012", f"node {name!r}: timeout is {given!r}, not seconds above 0", where=where)
    return float(seconds)
