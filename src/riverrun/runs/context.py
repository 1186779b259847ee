"""What a node may ask of its run while it runs: the second argument `ctx`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec

from riverrun.base.errors import NodeError
from riverrun.runs.pool import say_in_turn


class Context:
    """The run, as one execution of a node sees it. May be used from any thread.

    Attributes:
        run: Id of the run.
        tenant: Whose run it is.
        node: Name of the node.
        exec: Id of this execution.
        attempt: Which try of it, from 1.
        remaining_steps: How many more executions the run may begin.
    """

    __slots__ = (
        "_emit",
        "_loop",
        "_stopping",
        "_strict",
        "attempt",
        "exec",
        "node",
        "remaining_steps",
        "run",
        "tenant",
    )

    def __init__(
        self,
        *,
        run: str,
        tenant: str,
        node: str,
        exec_id: str,
        attempt: int,
        remaining_steps: int,
        emit: Callable[[str, Any], None],
        strict: bool = True,
    ) -> None:
        self.run = run
        self.tenant = tenant
        self.node = node
        self.exec = exec_id
        self.attempt = attempt
        self.remaining_steps = remaining_steps
        self._emit = emit
        self._strict = strict
        self._stopping = False
        self._loop = asyncio.get_running_loop()

    @property
    def stopping(self) -> bool:
        """Whether this execution was told to end. A sync node that takes long should look now and then."""
        return self._stopping

    def emit(self, name: str, value: object = None) -> None:
        """Tell the readers of the run something (an event `custom`).

        Args:
            name: A name of your choosing.
            value: Any JSON value.

        Raises:
            NodeError: E3008, the name is no text, or the value is not JSON.
        """
        self._check(name, value)
        try:
            here = asyncio.get_running_loop() is self._loop
        except RuntimeError:
            here = False
        if here:
            self._emit(name, value)
        elif not say_in_turn(partial(self._emit, name, value)):
            self._loop.call_soon_threadsafe(self._emit, name, value)

    def tell_stopping(self) -> None:
        """Note that this execution must end; called by the driver."""
        self._stopping = True

    def _check(self, name: object, value: object) -> None:
        # Here, in the node that says it: later it would break the log of the whole run.
        try:
            if not isinstance(name, str):
                raise TypeError(f"the name {name!r} is no text")
            if self._strict:
                msgspec.json.encode(value)
        except (TypeError, ValueError, RecursionError, OverflowError) as error:
            raise NodeError("E3008", f"node {self.node!r} emitted what is not JSON: {error}") from None
