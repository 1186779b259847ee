"""Break a store on purpose: one call fails before or after its effect, hangs, or its hint is lost.

With `NthFault` for n = 1, 2, 3 … until a scenario passes untouched, every call of it has failed once in each way: what
survives that loop depends on no call's luck.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, Literal, Protocol

from msgspec import Struct

from riverrun.base.errors import RiverrunError, StoreError
from riverrun.log.store import LogStore
from riverrun.testing.layer import Call, StoreLayer

Kind = Literal["before", "after", "hang", "twice"]


class Fault(Struct, frozen=True):
    """What goes wrong with one call.

    Attributes:
        kind: `before` its effect or `after` it the call fails (E4002: the caller cannot know which), or it `hang`s and
            then does its work. A `wait`, which cannot fail, returns at once, loses its hint, or is late. An `append`
            may arrive `twice`, as what is sent anew by a network does; of any other call that says nothing.
        seconds: How long it hangs. `renew` cannot: it is no coroutine, and passes.
    """

    kind: Kind
    seconds: float = 60.0


class FaultPlan(Protocol):
    """Who decides which call fails."""

    def fault_for(self, call: Call) -> Fault | None:
        """Say what goes wrong with this call, None when nothing does."""
        ...


class NoFault:
    """Let everything pass."""

    def fault_for(self, call: Call) -> Fault | None:
        """Say that nothing goes wrong."""


class NthFault:
    """Let the n-th call of a verb go wrong.

    Args:
        n: Which, from 1.
        fault: How.
        verb: Of which verb; None: of all together.

    Attributes:
        hit: The verb that went wrong; None while there were fewer calls.
    """

    def __init__(self, n: int, fault: Fault, verb: str | None = None) -> None:
        self._left = n
        self._fault = fault
        self._verb = verb
        self.hit: str | None = None

    def fault_for(self, call: Call) -> Fault | None:
        """Count the call, and say what goes wrong with it."""
        if self._verb not in (None, call.verb):
            return None
        self._left -= 1
        if self._left:
            return None
        self.hit = call.verb
        return self._fault


class FaultyStore(StoreLayer):
    """A store whose calls go wrong as planned.

    Args:
        store: The good one.
        plan: Which calls, and how.

    Attributes:
        injected: How many went wrong so far.
    """

    def __init__(self, store: LogStore, plan: FaultPlan) -> None:
        super().__init__(store)
        self._plan = plan
        self.injected = 0

    async def around(self, call: Call) -> Any:
        """Carry out a call, or what is planned for it.

        Raises:
            StoreError: E4002, as planned.
            RiverrunError: What the verb raises.
        """
        fault = self._plan.fault_for(call)
        if fault is None:
            return await call(self.inner)
        self.injected += 1
        if call.verb == "wait":
            return await self._mislead(call, fault)
        if fault.kind == "before":
            raise failed(call)
        if fault.kind == "hang":
            await asyncio.sleep(fault.seconds)
        given = await call(self.inner)
        if fault.kind == "after":
            raise failed(call)
        if fault.kind == "twice" and call.verb == "append":
            with suppress(RiverrunError):  # nobody waits for the second answer
                await call(self.inner)
        return given

    def around_now(self, call: Call) -> Any:
        """Carry out `renew`, or what is planned for it.

        Raises:
            StoreError: E4002, as planned.
        """
        fault = self._plan.fault_for(call)
        if fault is None:
            return call(self.inner)
        self.injected += 1
        if fault.kind == "before":
            raise failed(call)
        given = call(self.inner)
        if fault.kind == "after":
            raise failed(call)
        return given

    async def _mislead(self, call: Call, fault: Fault) -> None:
        """Give a hint that is early, lost or late: all that a hint may be."""
        if fault.kind == "after":
            await asyncio.sleep(call.argument("timeout"))
        elif fault.kind == "twice":
            await call(self.inner)
        elif fault.kind == "hang":
            await call(self.inner)
            await asyncio.sleep(min(fault.seconds, call.argument("timeout")))


def failed(call: Call) -> StoreError:
    """Give the error of a call whose outcome its caller cannot know."""
    return StoreError("E4002", f"the call of {call.verb} was made to fail")
