"""The composition root: an ASGI program that serves graphs, standalone or mounted in a program of the user's.

Nothing is opened when it is made: that is done in its lifespan, or by the first request where a host does not run the
lifespans of what it mounts.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI

from riverrun.agents.adopt import ACCEPTED, adopt
from riverrun.base.errors import GraphError, InputError, LoadError
from riverrun.graph.plan import Plan
from riverrun.log.store import LogStore
from riverrun.server.answers import Unframed, answer_errors
from riverrun.server.console import Console
from riverrun.server.gate import Authenticate, Gate
from riverrun.server.guard import Guard
from riverrun.server.keys import StaticKeys
from riverrun.server.program import Program
from riverrun.server.routes import Routes
from riverrun.server.runtime import Runtime
from riverrun.server.settings import DEFAULT_STORE, ServerSettings, load
from riverrun.server.sockets import Sockets
from riverrun.server.streams import Streams


def create_app(
    graphs: Mapping[str, Any],
    *,
    store: str | LogStore = DEFAULT_STORE,
    settings: ServerSettings | None = None,
    tenant_of: Callable[[Mapping[str, Any]], str] | None = None,
    authenticate: Authenticate | None = None,
) -> FastAPI:
    """Make an ASGI program that starts, runs and streams graphs (PROTOCOL.md).

    Serve it with any ASGI server, or mount it: `app.mount("/agents", create_app({"review": graph}))`. FastAPI does not
    run the lifespan of a mounted program: it then opens its store with the first request, and only from then on takes
    over runs that a crash left behind. To open and close it with the host, write in the host's lifespan:

        async with agents.state.riverrun:
            yield

    Alone, it answers only to the names of this machine when it is reached over the loopback. Mounted, the host's names
    are the host's business, unless `allowed_hosts` is set. Pages of other sites are refused in both cases, unless they
    are in `allowed_origins`.

    Args:
        graphs: What can be run, by the name that requests use: compiled graphs, or whatever `adopt` takes, such as
            agents of other libraries and functions.
        store: Where runs live: `sqlite:///file`, `memory:`, or a store that stays the caller's to close.
        settings: Limits and intervals; by default from the environment (`RIVERRUN_…`). Its `store`, `host` and `port`
            are for who starts a server, and are not looked at here.
        tenant_of: Says whose request it is, from the ASGI scope (a name of letters, digits, `_`, `-`, at most 64), for
            a program behind one that knows its users already; by default everybody is one tenant.
        authenticate: Says who a connection comes from: `async (connection) -> Principal(tenant, scopes)`, or None for
            nobody, who is refused on every route (PROTOCOL.md §11). By default the `keys` of the settings do it
            (RIVERRUN_KEYS); without keys nobody is asked.

    Returns:
        The program. `app.state.riverrun` is its `Runtime`: `open`, `close`, `leave`, `statistics`.

    Raises:
        InputError: E6006, a setting of the environment cannot be taken, or two ways to know the tenant were given;
            E6004, the file of the keys cannot be read.
        LoadError: E6002, a name leads to something that cannot be run.
        GraphError: E1018, the library of an agent is not there or too old; E1019, an agent is a class, or a graph that
            was not compiled; E1006, a function cannot be called.
    """
    plans = {name: _plan(name, graph) for name, graph in graphs.items()}
    settings = settings or load()
    authenticate = _one_way(authenticate, settings, tenant_of)
    runtime = Runtime(plans, store, settings, tenant_of=tenant_of, asks_who=authenticate is not None)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with runtime:
            yield

    app = Program(
        title="Riverrun",
        version="1",
        description="Start runs of agent graphs and read their logs. PROTOCOL.md says what travels.",
        lifespan=lifespan,
        # Pages that load scripts from elsewhere are no part of a server; the document itself is a route of ours.
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    app.state.riverrun = runtime
    answer_errors(app)
    app.add_ours(Unframed)
    # A browser sends no key when it opens a page, so where keys are asked for the page itself asks for one; any other
    # way to know somebody also stands in front of the page (docs/decisions/024-console.md).
    if settings.console and not isinstance(authenticate, StaticKeys):
        app.add_ours(Console)
    if authenticate is not None:
        app.add_ours(Gate, authenticate)
    if settings.console and isinstance(authenticate, StaticKeys):
        app.add_ours(Console)
    # Outermost: what it refuses reaches nothing else.
    app.add_ours(Guard, settings.allowed_hosts, settings.allowed_origins)
    Routes(runtime).add_to(app)
    Streams(runtime, shared=authenticate is None and tenant_of is None).add_to(app)
    Sockets(runtime).add_to(app)
    return app


def _one_way(authenticate: Authenticate | None, settings: ServerSettings, tenant_of: object) -> Authenticate | None:
    """Give the one way in which this program knows who asks; with two, one of them would be ignored in silence."""
    if settings.keys is not None:
        if authenticate is not None:
            mend = "Leave out keys (RIVERRUN_KEYS), or the function."
            raise InputError("E6006", "there are keys and a function `authenticate`", where="authenticate", mend=mend)
        authenticate = StaticKeys(settings.keys.get_secret_value())
    if authenticate is not None and tenant_of is not None:
        mend = "Leave out `tenant_of`: the principal says the tenant."
        raise InputError("E6006", "who authenticates says the tenant as well", where="tenant_of", mend=mend)
    return authenticate


def _plan(name: str, graph: object) -> Plan:
    try:
        return adopt(graph)
    except GraphError as error:
        if error.code != "E1017":
            raise
        what = f"{name!r} is a {type(graph).__name__} and not a compiled graph"
        mend = f"Pass what compile() gave back, or {ACCEPTED}."
        raise LoadError("E6002", what, where="create_app", mend=mend) from None
