"""How an error is told: its code, what happened, where, and how to mend it; never a stack trace.

With rich for people, plain when standard error is piped, one JSON object with `--json`. It does not decide what is an
error, only how it looks.
"""

from __future__ import annotations

import msgspec
from rich.table import Table
from rich.text import Text

from riverrun.base.codes import CODES
from riverrun.base.errors import Fault, RiverrunError
from riverrun.cli.output import error_console


def tell(error: RiverrunError, *, as_json: bool = False) -> None:
    """Put an error out on standard error.

    Args:
        error: Any of ours.
        as_json: As one JSON object: `code`, `message`, `where`, `mend`.
    """
    screen = error_console()
    if as_json:
        told = {"code": error.code, "message": error.message, "where": error.where, "mend": error.mend}
        screen.file.write(msgspec.json.encode(told).decode() + "\n")
    elif screen.is_terminal:
        screen.print(_drawn(error))
    else:
        screen.file.write(_plain(error))
    screen.file.flush()


def defect(error: BaseException) -> Fault:
    """Make an error of ours from one that should not have come this far.

    Args:
        error: Anything.

    Returns:
        E6007, which names the kind of the error.
    """
    what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    mend = "Please report it. RIVERRUN_TRACEBACK=1 shows where it came from."
    return Fault("E6007", what, mend=mend)


def _parts(error: RiverrunError) -> list[tuple[str, str]]:
    parts = [("where", error.where), ("mend", error.mend), ("more", f"riverrun explain {error.code}")]
    return [(name, text) for name, text in parts if text]


def _plain(error: RiverrunError) -> str:
    lines = [f"error {error.code}: {error.message}"]
    lines += [f"  {name + ':':6} {text}" for name, text in _parts(error)]
    return "\n".join(lines) + "\n"


def _drawn(error: RiverrunError) -> Table:
    drawn = Table.grid(padding=(0, 1))
    drawn.add_column(no_wrap=True, justify="right")
    drawn.add_column(overflow="fold")
    title = CODES[error.code].title if error.code in CODES else "error"
    drawn.add_row(Text(error.code, "bold white on red"), Text(title, "bold red"))
    drawn.add_row(Text("what", "dim"), Text(error.message))
    for name, text in _parts(error):
        drawn.add_row(Text(name, "dim"), Text(text, "green" if name == "mend" else ""))
    return drawn
