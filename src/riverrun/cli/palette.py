"""The colours and marks of the terminal: one for each node, one for each state, the same wherever they are shown."""

from __future__ import annotations

from zlib import crc32

# Legible on dark and light backgrounds; red and green are left for what went wrong and what is done.
_NODES = ("cyan", "magenta", "yellow", "blue", "bright_cyan", "bright_magenta")

# State of a step: its mark and its style.
STATES: dict[str, tuple[str, str]] = {
    "waiting": ("○", "dim"),
    "running": ("●", "bold cyan"),
    "retrying": ("↻", "bold yellow"),
    "done": ("✓", "bold green"),
    "asking": ("?", "bold magenta"),
    "failed": ("✗", "bold red"),
    "cancelled": ("−", "dim"),  # nobody needed it any more, and the run went on
    "ended": ("■", "dim"),  # the run ended before the step did
}

# State of a connection: its style.
CONNECTIONS: dict[str, str] = {
    "connecting": "yellow",
    "live": "bold green",
    "reconnecting": "bold red",
    "polling": "bold yellow",
    "ended": "dim",
}


def colour_of(node: str, known: tuple[str, ...] = ()) -> str:
    """Give the colour of a node.

    Args:
        node: Its name.
        known: The nodes of its graph, in order, where they are known: neighbours then have different colours.

    Returns:
        A colour of rich; the same for the same node every time.
    """
    place = known.index(node) if node in known else crc32(node.encode())
    return _NODES[place % len(_NODES)]
