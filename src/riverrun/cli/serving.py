"""`riverrun dev` and `riverrun serve`: load graphs and serve them, until Ctrl-C.

`dev` takes everything from its options and shows what to try; `serve` takes its settings from the environment
(`RIVERRUN_…`) and logs plainly. Which transports and stores there are is the server's business.
"""

from __future__ import annotations

import json
import logging
import os
import shlex
import sys
from collections.abc import Callable, Mapping
from importlib.resources import files
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import ROUNDED
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from riverrun.base.errors import InputError
from riverrun.cli import output
from riverrun.cli.defaults import STORE
from riverrun.cli.sample import sample_input
from riverrun.cli.target import load
from riverrun.face.compiled import CompiledGraph

if TYPE_CHECKING:  # no other command waits for a web server to load
    from riverrun.server.settings import ServerSettings

_Target = Annotated[str, typer.Argument(help="module:graph, path/file.py:graph, or a module: all its graphs.")]
_Json = Annotated[bool, typer.Option("--json", help="Say in JSON when it listens: url and pid.")]
_Name = Annotated[str | None, typer.Option("--name", help="Serve the only graph under this name.")]
_NoAuth = Annotated[
    bool, typer.Option("--no-auth", help="Let other machines reach it although nobody is asked who they are.")
]
_DEV_PORT = 8787

_Graphs = Mapping[str, CompiledGraph]
_Announce = Callable[[str, "ServerSettings", _Graphs], None]


def dev(
    target: _Target,
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", "-p", min=0, max=65535, help="0 takes any free one.")] = _DEV_PORT,
    store: Annotated[str, typer.Option("--store", envvar="RIVERRUN_STORE", help="Where runs live, or memory:")] = STORE,
    lease: Annotated[float | None, typer.Option("--lease", help="Seconds a dead worker keeps its runs.")] = None,
    name: _Name = None,
    no_auth: _NoAuth = False,
    as_json: _Json = False,
) -> None:
    """Serve graphs on this machine while they are made; shows what to try."""
    graphs = _named(load(target), name)
    announce = _announce_to_people if output.for_people() else _announce_plainly
    given = {"host": host, "port": port, "store": store, "lease_seconds": lease}
    _serve(graphs, given, _announce_json if as_json else announce, no_auth=no_auth)


def serve(
    target: _Target,
    host: Annotated[
        str | None, typer.Option("--host", help="Address to listen on; else RIVERRUN_HOST, 127.0.0.1.")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option("--port", "-p", min=0, max=65535, help="0 takes any free one; else RIVERRUN_PORT, 8000."),
    ] = None,
    store: Annotated[
        str | None, typer.Option("--store", help=f"Where runs live; else RIVERRUN_STORE, {STORE}.")
    ] = None,
    name: _Name = None,
    no_auth: _NoAuth = False,
    as_json: _Json = False,
) -> None:
    """Serve graphs in production: settings from the environment (RIVERRUN_…), a plain log on standard error.

    Beyond this machine it listens only with keys (RIVERRUN_KEYS=key:tenant:scopes,… or @file), or with --no-auth.
    """
    graphs = _named(load(target), name)
    logging.basicConfig(
        level=os.environ.get("RIVERRUN_LOG_LEVEL", "INFO").upper(),
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
        stream=sys.stderr,
    )
    given = {"host": host, "port": port, "store": store}
    _serve(graphs, given, _announce_json if as_json else _announce_plainly, no_auth=no_auth)


def _named(graphs: dict[str, CompiledGraph], name: str | None) -> dict[str, CompiledGraph]:
    if name is None:
        return graphs
    if len(graphs) > 1:
        what = f"--name is for one graph, and there are {len(graphs)}: {', '.join(sorted(graphs))}"
        raise InputError("E6006", what, mend="Name the graph: module:graph.")
    return dict(zip([name], graphs.values(), strict=True))


def _serve(graphs: _Graphs, given: Mapping[str, object], announce: _Announce, *, no_auth: bool) -> None:
    # Here, so that no other command waits for a web server to load.
    from riverrun.server.app import create_app  # noqa: PLC0415
    from riverrun.server.serve import serve as serve_app  # noqa: PLC0415
    from riverrun.server.settings import load as load_settings  # noqa: PLC0415

    settings = load_settings(**given)
    serve_app(
        create_app(graphs, store=settings.store, settings=settings),
        settings.host,
        settings.port,
        announce=lambda url: announce(url, settings, graphs),
        shutdown_timeout=settings.shutdown_timeout,
        no_auth=no_auth,
    )


def _announce_json(url: str, _: ServerSettings, __: _Graphs) -> None:
    output.say_json({"event": "listening", "url": url, "pid": os.getpid()})


def _announce_plainly(url: str, settings: ServerSettings, graphs: _Graphs) -> None:
    output.say(f"riverrun serves {', '.join(graphs)} on {url} (store {settings.store}, pid {os.getpid()})")


def _announce_to_people(url: str, settings: ServerSettings, graphs: _Graphs) -> None:
    shown = Table.grid(padding=(0, 2))
    shown.add_column(style="dim", justify="right", no_wrap=True)
    shown.add_column(overflow="fold")
    shown.add_row("server", Text(url, "bold cyan"))
    if settings.console:
        built = (files("riverrun") / "_console" / "index.html").is_file()
        shown.add_row(
            "console", Text(f"{url}/console", "bold cyan") if built else Text("not built: make console", "dim")
        )
    shown.add_row("store", settings.store)
    for name, graph in graphs.items():
        steps = len(graph.plan.nodes)
        shown.add_row("graph", Text.assemble((name, "bold"), f"  {steps} node{'s' * (steps != 1)}"))
    shown.add_row("routes", f"{url}/openapi.json")
    screen = output.console()
    title = Text("riverrun dev", "bold")
    screen.print(Panel(shown, title=title, title_align="left", box=ROUNDED, border_style="cyan", expand=False))
    first = next(iter(graphs))
    from riverrun.server.inputs import input_schema  # noqa: PLC0415  # as in `_serve`

    given = sample_input(input_schema(graphs[first].plan))
    screen.print(Text("try it", "dim"))
    screen.print(
        Text(f"  riverrun run {shlex.quote(first)} --url {url} --input {shlex.quote(_written(given))}"), soft_wrap=True
    )
    # The same for any program: start a run and see its events, in one request.
    headers = "-H content-type:application/json -H accept:text/event-stream"
    body = shlex.quote(_written({"graph": first, "input": given}))
    screen.print(Text(f"  curl -N {url}/v1/runs \\\n    {headers} \\\n    -d {body}"), soft_wrap=True)
    screen.print(Text("Ctrl-C ends it; runs go on from their last event when it is started again.\n", "dim"))


def _written(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
