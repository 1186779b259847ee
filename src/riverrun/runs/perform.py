"""Run one node: call what the user wrote, pump its streams, and turn whatever happens into signals.

One of the four places with a broad `except`: an exception of user code becomes an `ErrorInfo` that names the node and
the line, and nothing of it leaks further. It does not know the schedule, the log or other nodes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from riverrun.base.errors import Interrupted, NodeError, RiverrunError
from riverrun.events.kinds import ErrorInfo, Send
from riverrun.graph.machine import error_info
from riverrun.graph.node import Command, Node, manner_of
from riverrun.graph.plan import Router
from riverrun.graph.state import Schema, State
from riverrun.graph.step import Failure
from riverrun.runs.context import Context, running
from riverrun.runs.pool import Aside, Pool
from riverrun.runs.whose import line_of

# A producer that never waits is made to let others on after this many chunks, so that what it said can be read.
_CHUNKS_IN_A_ROW = 32


# Values of these types are no streams.
_PLAIN = frozenset({str, int, float, bool, type(None), list, dict, tuple})


class Outlet(Protocol):
    """Where a node's output goes: the driver."""

    def chunk(self, exec_id: str, key: str | None, value: object) -> None:
        """Take a chunk."""
        ...

    def update(self, exec_id: str, update: Mapping[str, Any]) -> None:
        """Take an update."""
        ...

    @property
    def full(self) -> bool:
        """Whether to wait (`room`) before going on."""
        ...

    async def room(self) -> None:
        """Wait until there is room."""
        ...


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a node gave back, its streams already pumped."""

    update: dict[str, Any]
    streamed: tuple[str, ...] = ()
    goto: tuple[str | Send, ...] = ()
    leaves: bool = False
    cached: bool = False


class _Escaped(Exception):
    """What a stream raised that a task group would not take for an error."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(error)
        self.error = error


class Execution:
    """One execution of one node.

    Args:
        node: What to run.
        exec_id: Which execution.
        schema: Keys of the state.
        outlet: Where chunks and updates go.
        pool: Threads for sync code.
        strict: Refuse values that are not JSON.
        leaving: Keys of the graph around its own, which a `Command` for that is checked by.
    """

    def __init__(  # what one execution needs to know of its run
        self,
        node: Node,
        exec_id: str,
        schema: Schema,
        outlet: Outlet,
        pool: Pool,
        *,
        strict: bool,
        leaving: Schema | None = None,
    ) -> None:
        self._node = node
        self._exec_id = exec_id
        self._schema = schema
        self._outlet = outlet
        self._pool = pool
        self._strict = strict
        self._leaving = leaving
        self._unopened: dict[str, object] = {}

    async def run(self, state: State, context: Context) -> Outcome:
        """Run the node to its end.

        Args:
            state: What it sees; a copy of its own.
            context: What it may ask.

        Returns:
            What it gave back.

        Raises:
            NodeError: E3002, E3003 or E3008, it gave back what a node may not give back.
            Exception: Whatever the user's code raised.
        """
        begun = begin(self._node, state, context, self._pool)
        return await self.take(await begun if self._node.manner in ("async", "sync") else begun)

    async def handle(self, state: State, context: Context, failure: Failure) -> Outcome:
        """Call the error handler of the node; what it gives back counts as the node's.

        Args:
            state: What the node saw.
            context: As in `run`.
            failure: What no policy took.

        Returns:
            What it gave back.

        Raises:
            NodeError: As `run`.
            Exception: Whatever the handler raised.
        """
        handler = self._node.handler
        if handler is None:
            raise failure.error
        running.set(context)
        wants = self._node.handler_wants
        arguments = (state, *[failure if what == "error" else context.give(what) for what in wants])
        if manner_of(handler) == "sync":
            return await self.take(await self._pool.run(handler, *arguments))
        return await self.take(handler(*arguments))

    async def take(self, result: Any) -> Outcome:
        """Take what the user's code gave back: pump its streams, check its updates.

        Args:
            result: What it gave back.

        Returns:
            What it comes to.

        Raises:
            NodeError: As `run`.
            Exception: Whatever a stream raised.
        """
        if hasattr(result, "__await__"):
            # A sync function around an async one gives back what must be awaited: lambdas and decorators do.
            result = await result
        goto: tuple[str | Send, ...] = ()
        leaves = False
        if isinstance(result, Command):
            goto, leaves, writes = result.targets, result.graph == Command.PARENT, result.writes
            self._schema = self._leaving if leaves and self._leaving is not None else self._schema
            for write in writes[:-1]:
                self._update(write)
            result = writes[-1] if writes else None
        elif isinstance(result, list | tuple) and result and all(isinstance(each, Command) for each in result):
            return await self._take_all(result)
        if result is None:
            return Outcome(update={}, goto=goto, leaves=leaves)
        if isinstance(result, Mapping):
            try:
                return await self._take_mapping(result, goto, leaves=leaves)
            finally:
                await self._close_unopened()
        stream = self._as_stream(result)
        if stream is None:
            raise self._error("E3002", f"gave back {_name(result)}, not a mapping, a stream, a Command or None")
        await self._pump(self._node.key, stream, updates=True)
        return Outcome(
            update={}, streamed=() if self._node.key is None else (self._node.key,), goto=goto, leaves=leaves
        )

    async def _take_all(self, commands: Sequence[Command[Any]]) -> Outcome:
        """Take several commands as one: what they write, in order, and all that they choose."""
        goto: list[str | Send] = []
        for command in commands[:-1]:
            for write in command.writes:
                self._update(write)
            goto += command.targets
        last = await self.take(commands[-1])
        return msgspec.structs.replace(last, goto=(*goto, *last.goto))

    async def _take_mapping(self, result: Mapping[str, Any], goto: tuple[str | Send, ...], *, leaves: bool) -> Outcome:
        update: dict[str, Any] = {}
        streams: dict[str, AsyncIterator[Any]] = {}
        for key, value in result.items():
            stream = self._as_stream(value)
            if stream is None:
                if asyncio.iscoroutine(value):
                    raise self._unawaited(key, value)
                update[key] = value
            else:
                streams[key] = stream
                self._unopened[key] = value
        self._check_keys(result)
        self._check(update)
        if len(streams) == 1:
            for key, stream in streams.items():
                await self._pump(key, stream)
        elif streams:
            await self._pump_all(streams)
        return Outcome(update=update, streamed=tuple(streams), goto=goto, leaves=leaves)

    def _unawaited(self, key: str, value: Coroutine[Any, Any, Any]) -> NodeError:
        """Say that an `await` is missing: what an async call gives is nobody's value, least of all one to keep."""
        name: str = getattr(value, "__qualname__", type(value).__name__)
        value.close()  # or Python warns of it as well, somewhere else
        error = self._error("E3008", f"gave back under {key!r} the coroutine {name}(), which nobody awaited")
        error.mend = f"Write await: {{{key!r}: await {name.rpartition('.')[2]}(…)}}."
        return error

    async def _pump_all(self, streams: Mapping[str, AsyncIterator[Any]]) -> None:
        """Pump several streams of one node at once, so that none waits for another."""
        try:
            async with asyncio.TaskGroup() as group:
                for key, stream in streams.items():
                    group.create_task(self._pump_apart(key, stream))
        except BaseExceptionGroup as failed:
            first = failed.exceptions[0]
        else:
            return
        raise first.error if isinstance(first, _Escaped) else first  # out here: it keeps the cause that it has

    async def _pump_apart(self, key: str, stream: AsyncIterator[Any]) -> None:
        """Pump one stream in a task of its own.

        A task group takes a cancellation that a stream lets out for a good end, and an exit for that of the loop.
        """
        try:
            await self._pump(key, stream)
        except (asyncio.CancelledError, SystemExit, Interrupted) as error:
            raise _Escaped(error) from None

    async def _pump(self, key: str | None, stream: AsyncIterator[Any], *, updates: bool = False) -> None:
        outlet, exec_id = self._outlet, self._exec_id
        in_a_row = 0
        if key is not None:
            self._unopened.pop(key, None)
        try:
            async for value in stream:
                if updates and isinstance(value, Mapping):
                    self._update(value)
                elif type(value) is Aside:
                    value.call()
                elif type(value) not in _PLAIN and (nested := self._as_stream(value)) is not None:
                    await self._pump(key, nested, updates=updates)
                else:
                    if self._strict:
                        self._check(value)
                    outlet.chunk(exec_id, key, value)
                in_a_row += 1
                if outlet.full:
                    await outlet.room()
                    in_a_row = 0
                elif in_a_row == _CHUNKS_IN_A_ROW:
                    await asyncio.sleep(0)
                    in_a_row = 0
        finally:
            # A stream that is left early is closed, so that whatever feeds it hears of it.
            close = getattr(stream, "aclose", None)
            if close is not None:
                await close()

    def _update(self, write: Any) -> None:
        """Take an update that the node made before its last one."""
        if not isinstance(write, Mapping):
            raise self._error("E3002", f"gave back {_name(write)} as an update, not a mapping")
        self._check_keys(write)
        self._check(write)
        self._outlet.update(self._exec_id, write)

    async def _close_unopened(self) -> None:
        """Close the streams that were given back but never begun, so that whatever feeds them hears of it."""
        while self._unopened:
            _, stream = self._unopened.popitem()
            if hasattr(stream, "aclose"):
                await stream.aclose()
            elif hasattr(stream, "close"):
                stream.close()

    def _as_stream(self, value: object) -> AsyncIterator[Any] | None:
        if hasattr(value, "__aiter__"):
            stream: AsyncIterator[Any] = value.__aiter__()
            return stream
        # Only what iterates by itself: lists, texts and mappings are values.
        if isinstance(value, Iterator):
            return self._pool.pull(value)
        return None

    def _check_keys(self, update: Mapping[str, Any]) -> None:
        for key in update:
            if not isinstance(key, str):
                raise self._error("E3002", f"gave back a mapping with the key {key!r}, which is not a name")
        unknown = self._schema.unknown(update)
        if unknown:
            known = ", ".join(self._schema.keys) or "none"
            raise self._error("E3003", f"wrote key {unknown[0]!r}; the keys are: {known}")

    def _check(self, value: object) -> None:
        if self._strict:
            check_json(self._node, value)

    def _error(self, code: str, what: str) -> NodeError:
        return _error(self._node, code, what)


def begin(node: Node, state: State, context: Context, pool: Pool) -> Any:
    """Call what the user wrote.

    Args:
        node: Its node.
        state: What it sees; a copy of its own.
        context: What it may ask.
        pool: Threads for sync code.

    Returns:
        What must be awaited, where the node is `async` or `sync`; else what `Execution.take` takes.
    """
    running.set(context)
    if node.manner == "async" and not (node.wants or node.wants_named):
        return node.function(state)
    arguments = (state, *[context.give(what) for what in node.wants])
    named = {name: context.give(what) for name, what in node.wants_named} if node.wants_named else {}
    if node.manner == "sync":
        return pool.run(node.function, *arguments, **named)
    return node.function(*arguments, **named)


def is_plain(result: Any, schema: Schema) -> bool:
    """Say whether this is an update of known keys in which nothing streams: most are.

    Args:
        result: What a node gave back.
        schema: The keys.
    """
    if type(result) is not dict:  # exact types: what was derived from one of them may be anything
        return False
    keys = schema.keys
    for key, value in result.items():  # noqa: SIM110  # a generator would cost 0.2 µs of every node
        if type(value) not in _PLAIN or key not in keys:
            return False
    return True


def check_json(node: Node, value: object) -> None:
    """Refuse what a log could not hold.

    Args:
        node: Who gave it back.
        value: What.

    Raises:
        NodeError: E3008, it is not JSON.
    """
    if isinstance(value, str) and value.isascii():
        return
    try:
        msgspec.json.encode(value)
    except (TypeError, ValueError, RecursionError, OverflowError) as error:
        raise _error(node, "E3008", f"gave back a value that is not JSON: {error}") from None


def _error(node: Node, code: str, what: str) -> NodeError:
    return NodeError(code, f"node {node.name!r} {what}", where=node.where)


async def ask_routers(
    routers: tuple[Router, ...], state: State, known: Mapping[str, object], context: Callable[[], Context]
) -> tuple[str | Send, ...]:
    """Ask routers where a node leads.

    A sync router is called here, on the event loop: it looks at the state and answers. Through the pool, a loop of a
    thousand steps cost 114 µs per step instead of 26.

    Args:
        routers: In the order they were declared.
        state: The state after the node; each router gets a copy.
        known: The nodes of the graph.
        context: Makes what a router may ask, for one that asks.

    Returns:
        Names of nodes, END, and calls.

    Raises:
        NodeError: E3006, an answer leads nowhere.
        Exception: Whatever the user's code raised.
    """
    targets: tuple[str | Send, ...] = ()
    for router in routers:
        if router.wants:
            given = context()
            running.set(given)
            answer = router.function(dict(state), *[given.give(what) for what in router.wants])
        else:
            answer = router.function(dict(state))
        if hasattr(answer, "__await__"):
            answer = await answer
        resolved = router.resolve(answer, known)
        targets = (*targets, *resolved) if targets else resolved
    return targets


def describe(error: BaseException, node: str) -> ErrorInfo:
    """Say what readers may know of an exception in a node: code, message, place; never a stack trace.

    Args:
        error: What was raised.
        node: Name of the node.

    Returns:
        The description.
    """
    if isinstance(error, RiverrunError):
        return error_info(error)
    # Python re-raises a StopIteration as its cause.
    line = line_of(error.__traceback__) or (line_of(error.__cause__.__traceback__) if error.__cause__ else "")
    place = f", {line}" if line else ""
    message = f"node {node!r} raised {type(error).__name__}: {error}"
    return ErrorInfo(code="E3001", message=message, where=f"node {node!r}{place}", kind=type(error).__name__)


def _name(value: object) -> str:
    return type(value).__name__
