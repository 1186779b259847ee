"""The command `riverrun`: puts the commands together, and turns whatever ends one of them into an exit status.

0 it worked · 1 an error, told with its code · 2 the command line cannot be taken · 130 Ctrl-C.
`RIVERRUN_TRACEBACK=1` lets errors through with their stack, for whoever works on Riverrun itself.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated

import typer
from typer.main import get_command

from riverrun.base.errors import InputError, RiverrunError
from riverrun.cli.demo import demo
from riverrun.cli.explain import explain
from riverrun.cli.failure import defect, tell
from riverrun.cli.output import error_console, say
from riverrun.cli.run import run
from riverrun.cli.runs import runs
from riverrun.cli.serving import dev, serve

app = typer.Typer(
    name="riverrun",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich" if sys.stdout.isatty() else None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Run agent graphs and stream them to any number of readers: a run is a log.",
)
app.command()(demo)
app.command()(dev)
app.command()(serve)
app.command()(run)
app.add_typer(runs, name="runs")
app.command(help="Say what an error code means and how to mend it.")(explain)


def _show_version(wanted: bool) -> None:
    if wanted:
        try:
            say(f"riverrun {version('riverrun')}")
        except PackageNotFoundError:
            say("riverrun (not installed)")
        raise typer.Exit


@app.callback()
def top(
    _: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Run agent graphs and stream them to any number of readers: a run is a log."""


def invoke(arguments: Sequence[str]) -> int:
    """Run a command line.

    Args:
        arguments: Without the name of the program.

    Returns:
        The exit status.
    """
    # Asked of the words themselves, because an error in them comes before any option has been understood.
    as_json = "--json" in arguments
    try:
        status = get_command(app).main(list(arguments), prog_name="riverrun", standalone_mode=False)
    except KeyboardInterrupt:
        return _interrupted()
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else 1
    except Exception as error:
        if os.environ.get("RIVERRUN_TRACEBACK") == "1":
            raise
        return _failed(error, as_json=as_json)
    if status == 130:
        return _interrupted()
    return status if isinstance(status, int) else 0


def main() -> None:
    """Run the command line of this process and end it."""
    sys.exit(invoke(sys.argv[1:]))


def _interrupted() -> int:
    screen = error_console()
    if screen.is_terminal:
        screen.print("[dim]ended by Ctrl-C[/]")
    return 130


def _failed(error: Exception, *, as_json: bool) -> int:
    if isinstance(error, RiverrunError):
        tell(error, as_json=as_json)
        return 1
    if hasattr(error, "format_message"):  # how typer says that a command line cannot be taken
        shown = getattr(error, "ctx", None)
        path = shown.command_path if shown is not None else "riverrun"
        if type(error).__name__ == "NoArgsIsHelpError":
            say(str(error.format_message()))
            return 2
        what = str(error.format_message()).rstrip(".")
        tell(InputError("E6006", what, mend=f"See: {path} --help"), as_json=as_json)
        return 2
    tell(defect(error), as_json=as_json)
    return 1
