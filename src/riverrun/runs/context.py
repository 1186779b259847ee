"""What a node may ask of its run while it runs: the parameter `ctx`, and the plain functions that mean the same.

A node that was given `ctx` needs no other way. `interrupt`, `get_stream_writer` and `get_config` find the running node
by a context variable, so that code deep inside it need not be handed anything; outside a node they raise.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import Context as Variables
from contextvars import ContextVar, copy_context
from functools import partial
from typing import Any, Protocol

import msgspec
from msgspec import Struct, field

from riverrun.base.errors import Interrupted, NodeError
from riverrun.events.kinds import Json, NodeEvent, Question
from riverrun.graph.step import NOTE, Failure, RunNode
from riverrun.runs.pool import say_in_turn


class RunFacts(Struct, frozen=True, kw_only=True):
    """What all nodes of a run are told alike.

    Attributes:
        run: Id of the run.
        tenant: Whose run it is.
        thread: The conversation it belongs to, if any.
        context: What its start gave its nodes to read.
        limit: How many executions it may begin.
        config: What its start gave as configuration.
        store: What its graph was compiled with as a memory beyond the run; None for nothing.
        strict: Whether values must be JSON.
    """

    run: str
    tenant: str
    thread: str | None = None
    context: Json = None
    limit: int = 0
    config: Mapping[str, Any] = {}
    store: Any = None
    strict: bool = True


class Ear(Protocol):
    """Who hears what a node says beside its output: the driver."""

    def emit(self, exec_id: str, name: str, value: object) -> None:
        """Tell the readers of the run something."""
        ...

    def heartbeat(self, exec_id: str) -> None:
        """Take note that the node is alive."""
        ...

    def relay(self, exec_id: str, call: str, event: NodeEvent) -> None:
        """Take an event of a graph that the node called."""
        ...

    @property
    def calls(self) -> dict[str, Any]:
        """Graphs that nodes have called and that wait for answers, by the place of the call."""
        ...

    @property
    def full(self) -> bool:
        """Whether to wait (`room`) before going on."""
        ...

    async def room(self) -> None:
        """Wait until there is room."""
        ...


class Deaf:
    """An ear that hears nothing: for routers that are asked outside a run."""

    full = False
    calls: dict[str, Any] = {}  # noqa: RUF012  # nothing is ever put in

    def emit(self, exec_id: str, name: str, value: object) -> None:
        """Hear nothing."""

    def heartbeat(self, exec_id: str) -> None:
        """Hear nothing."""

    def relay(self, exec_id: str, call: str, event: NodeEvent) -> None:
        """Hear nothing."""

    async def room(self) -> None:
        """Wait for nothing."""


class Context(Struct, eq=False):
    """The run, as one execution of a node sees it. May be used from any thread.

    Attributes:
        run: Id of the run.
        tenant: Whose run it is.
        thread: The conversation it belongs to, if any.
        node: Name of the node.
        exec: Id of this execution.
        attempt: Which try of it, from 1.
        remaining_steps: How many more executions the run may begin.
        context: What the run was started with as its context; an instance of the graph's context schema, if it has one.
        config: The configuration of the run: `configurable` (with `thread_id`), `recursion_limit`, and what its start
            gave.
        store: What the graph was compiled with as its store.
        failures: Branches that failed and should have arrived here (`join=`).
    """

    # One is made for every execution, and most nodes ask nothing: what can be looked up is looked up when it is asked
    # for, and C sets the fields (together 0.9 µs of a node).
    _facts: RunFacts
    _order: RunNode
    _ear: Ear
    remaining_steps: int
    _asked: int = 0
    _called: int = 0
    _stopping: bool = False
    _over: bool = False
    _followers: list[Callable[[], None]] | None = None
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)

    def __repr__(self) -> str:
        return f"Context({self.exec!r}, run={self.run!r})"  # nothing of what the run was given

    @property
    def run(self) -> str:
        """Id of the run."""
        return self._facts.run

    @property
    def tenant(self) -> str:
        """Whose run it is."""
        return self._facts.tenant

    @property
    def thread(self) -> str | None:
        """The conversation it belongs to, if any."""
        return self._facts.thread

    @property
    def node(self) -> str:
        """Name of the node."""
        return self._order.node.name

    @property
    def exec(self) -> str:
        """Id of this execution."""
        return self._order.exec_id

    @property
    def attempt(self) -> int:
        """Which try of it, from 1."""
        return self._order.attempt

    @property
    def failures(self) -> tuple[Failure, ...]:
        """Branches that failed and should have arrived here."""
        return self._order.failures

    @property
    def context(self) -> Any:
        """What the run was started with as its context."""
        return self._facts.context

    @property
    def config(self) -> Mapping[str, Any]:
        """The configuration of the run; a new mapping each time, so that no node can change another one's."""
        facts = self._facts  # put together when it is asked for: 0.4 KiB of an idle run that asks nothing
        configurable = dict(facts.config.get("configurable") or {})
        if facts.thread is not None:
            configurable["thread_id"] = facts.thread
        return {"recursion_limit": facts.limit, **facts.config, "configurable": configurable}

    @property
    def store(self) -> Any:
        """What the graph was compiled with as its store."""
        return self._facts.store

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
        if _is_here(self._loop):
            self._say(name, value)
        elif not say_in_turn(partial(self._say, name, value)):
            self._loop.call_soon_threadsafe(self._say, name, value)
            if self._ear.full:
                asyncio.run_coroutine_threadsafe(self._ear.room(), self._loop).result()

    async def room(self) -> None:
        """Wait while the log's buffer is full, so that a node that emits much does not run ahead of it.

        What is streamed waits by itself, and so does `emit` in a thread.
        """
        if self._ear.full:
            await self._ear.room()

    @property
    def noted(self) -> Json:
        """What an attempt before this one kept with `note`; None for nothing."""
        return self._order.note

    def note(self, value: Json) -> None:
        """Keep something for the next attempt of this execution, whoever makes it: a retry, an answer, another worker.

        What a node begins outside and could go on with (the task of a remote agent, a file that was uploaded) is not
        lost with the worker. Readers see it as an event `riverrun.note`; secrets do not belong there.

        Args:
            value: Any JSON value; it takes the place of what was kept before.

        Raises:
            NodeError: E3008, the value is not JSON.
        """
        self.emit(NOTE, value)

    def stream_writer(self, value: object) -> None:
        """Tell the readers something without a name, as LangGraph's writer does.

        Raises:
            NodeError: E3008, the value is not JSON.
        """
        self.emit("", value)

    def heartbeat(self) -> None:
        """Say that the node is alive, so that an `idle_timeout` begins anew."""
        if _is_here(self._loop):
            self._beat()
        else:
            self._loop.call_soon_threadsafe(self._beat)

    def interrupt(self, value: Json = None, *, type: Any = None) -> Any:  # noqa: A002  # it names a type
        """Ask whoever runs this graph something, and wait for the answer, for as long as it takes.

        The first time it ends the execution here. Once the answer is there the node runs again from its beginning, and
        this gives the answer; what the node put out before is void. Several questions are told apart by their order.

        Args:
            value: What is asked: any JSON value.
            type: What the answer must be: anything that msgspec can check, or a pydantic class; None for anything. An
                answer that does not fit is asked for again, with what was wrong.

        Returns:
            The answer, as an instance of `type` if that was given.

        Raises:
            NodeError: E3008, the value is not JSON.
            Interrupted: The answer is not there yet; let it pass.
        """
        self._asked = place = self._asked + 1
        answers = self._order.answers
        if place > len(answers):
            self._check("", value)
            raise Interrupted(place, value, _schema_of(type))
        answer = answers[place - 1]
        try:
            return answer if type is None else _convert(answer, type)
        except ValueError as error:  # both libraries derive theirs from it
            raise Interrupted(place, value, _schema_of(type), str(error)) from None

    def pass_on(self, question: Question) -> Any:
        """Ask what a graph that this node called asks: what its answer must be, and what was wrong with the last, too.

        Args:
            question: As the called graph asks it.

        Returns:
            The answer, as it was given.

        Raises:
            Interrupted: The answer is not there yet; let it pass.
        """
        self._asked = place = self._asked + 1
        answers = self._order.answers
        if place > len(answers):
            raise Interrupted(place, question.value, question.schema, question.problem)
        return answers[place - 1]

    def call(self) -> Call:
        """Begin a call of another graph; its events become events of this run."""
        self._called += 1
        return Call(self._ear, self._loop, self.exec, self.attempt, self._called)

    def _say(self, name: str, value: object) -> None:
        if not self._over:
            self._ear.emit(self.exec, name, value)

    def _beat(self) -> None:
        if not self._over:
            self._ear.heartbeat(self.exec)

    def tell_over(self) -> None:
        """Note that another attempt has taken the place of this one: its late words are not those of the next."""
        self._over = True
        self.tell_stopping()

    def tell_stopping(self) -> None:
        """Note that this execution must end; called by the driver."""
        self._stopping = True
        for follower in self._followers or ():
            follower()

    @contextmanager
    def followed(self, follower: Callable[[], None]) -> Iterator[None]:
        """Have something called, in the loop of the run, if this execution is told to end within the `with`.

        Args:
            follower: What ends with it although nobody can cancel it: a graph in a thread of its own.
        """
        if _is_here(self._loop):  # it is cancelled with the node
            yield
            return
        self._followers = followers = self._followers or []
        followers.append(follower)
        try:
            if self._stopping:
                follower()
            yield
        finally:
            followers.remove(follower)

    def give(self, what: str) -> Any:
        """Give one of the things that a node may ask for by the name of a parameter."""
        if what == "config":
            return self.config
        if what == "writer":
            return self.stream_writer
        return self.store if what == "store" else self

    def _check(self, name: object, value: object) -> None:
        # Here, in the node that says it: later it would break the log of the whole run.
        try:
            if not isinstance(name, str):
                raise TypeError(f"the name {name!r} is no text")
            if self._facts.strict:
                msgspec.json.encode(value)
        except (TypeError, ValueError, RecursionError, OverflowError) as error:
            raise NodeError("E3008", f"node {self.node!r} emitted what is not JSON: {error}") from None


class Call:
    """A graph that a node called.

    Args:
        ear: The driver of the node's run.
        loop: Where that runs.
        exec_id: The execution that calls.
        attempt: Which try of it.
        ordinal: Which of its calls, from 1.
    """

    def __init__(self, ear: Ear, loop: asyncio.AbstractEventLoop, exec_id: str, attempt: int, ordinal: int) -> None:
        self._ear = ear
        self._loop = loop
        self._exec = exec_id
        self._place = f"{exec_id}~{ordinal}"
        # A later attempt calls anew: other ids, so that what is void and what counts cannot be taken for one another.
        self._id = self._place if attempt == 1 else f"{exec_id}~{ordinal}.{attempt}"

    def relay(self, event: NodeEvent) -> None:
        """Let an event of the called graph become one of the run."""
        if _is_here(self._loop):
            self._ear.relay(self._exec, self._id, event)
        else:
            self._loop.call_soon_threadsafe(self._ear.relay, self._exec, self._id, event)

    def recall(self) -> Any:
        """Give the run that this call began in an earlier attempt, if it waits for an answer here."""
        loop, run = self._ear.calls.pop(self._place, (None, None))
        return run if loop is self._loop and _is_here(self._loop) else None

    def keep(self, run: Any) -> None:
        """Keep a run that waits for an answer, for the attempt that brings it."""
        if _is_here(self._loop):
            self._ear.calls[self._place] = (self._loop, run)  # a run cannot go on in another loop


def interrupt(value: Json = None, *, type: Any = None) -> Any:  # noqa: A002  # it names a type
    """Ask whoever runs this graph something: `ctx.interrupt` of the node that runs here.

    Raises:
        NodeError: E3008, the value is not JSON; E3020, no node runs here.
        Interrupted: The answer is not there yet; let it pass.
    """
    return current("interrupt").interrupt(value, type=type)


def get_stream_writer() -> Callable[[object], None]:
    """Give a function that tells the readers of the run a value: `ctx.stream_writer` of the node that runs here.

    Raises:
        NodeError: E3020, no node runs here.
    """
    return current("get_stream_writer").stream_writer


def get_config() -> Mapping[str, Any]:
    """Give the configuration of the run: `ctx.config` of the node that runs here.

    Raises:
        NodeError: E3020, no node runs here.
    """
    return current("get_config").config


def current(who: str) -> Context:
    """Give the context of the node that runs here.

    Args:
        who: The function that asks, for the message.

    Raises:
        NodeError: E3020, no node runs here, or in a thread that did not take the context variables along.
    """
    context = running.get()
    if context is None:
        raise NodeError("E3020", f"{who} was called where no node runs")
    return context


# Set for each execution by `riverrun.runs.perform`.
running: ContextVar[Context | None] = ContextVar("riverrun-context", default=None)


def unchanged(variables: Variables) -> bool:
    """Say whether the context variables are here what they were, but for which node is running.

    Args:
        variables: As they were, in this context or in the one that it was made from.
    """
    here = copy_context()
    if len(here) != len(variables):
        return False
    for variable, value in here.items():  # a loop: two or three are there, and each branch of a fork asks
        if variable is not running and variables.get(variable, here) is not value:
            return False
    return True


def _is_here(loop: asyncio.AbstractEventLoop) -> bool:
    """Say whether this is called where that loop runs, and not in another thread."""
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False


def _schema_of(kind: Any) -> Json:
    if kind is None:
        return None
    if hasattr(kind, "model_json_schema"):  # pydantic, which is not imported here
        return kind.model_json_schema()
    return msgspec.json.schema(kind)


def _convert(answer: Json, kind: Any) -> Any:
    if hasattr(kind, "model_validate"):
        return kind.model_validate(answer)
    return msgspec.convert(answer, kind)
