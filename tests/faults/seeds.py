"""Which seeds are lived through: a range, and for ever those that once found something (`seeds.txt`).

A new one that fails is a line of `seeds.txt` from then on; `make soak` writes it there by itself.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from riverrun.testing.simulation import simulate
from riverrun.testing.verdict import Outcome

KEPT = Path(__file__).with_name("seeds.txt")
CHUNK = 250


@contextmanager
def quiet_logs() -> Iterator[None]:
    """Say nothing of a store that was made to fail, and of runs that wait for it."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def kept_seeds() -> list[int]:
    """The seeds of `seeds.txt`; what follows a number on its line says what it found."""
    lines = KEPT.read_text(encoding="utf-8").splitlines()
    return [int(line.split()[0]) for line in lines if line.strip() and not line.startswith("#")]


def chunks() -> list[range]:
    """The ranges of the ordinary run, or of RIVERRUN_SEEDS=<first>-<last>."""
    first, _, last = os.environ.get("RIVERRUN_SEEDS", "0-1999").partition("-")
    return [range(one, min(one + CHUNK, int(last) + 1)) for one in range(int(first), int(last) + 1, CHUNK)]


def keep(seed: int, what: str) -> None:
    """Add a seed to those that are kept, if that was asked for (RIVERRUN_KEEP_SEEDS=1)."""
    if os.environ.get("RIVERRUN_KEEP_SEEDS") == "1" and seed not in kept_seeds():
        with KEPT.open("a", encoding="utf-8") as file:
            file.write(f"{seed} {what.splitlines()[0][:100]}\n")


def live(seed: int) -> tuple[Outcome | None, list[str]]:
    """Live through a seed; what breaks it altogether is a problem too."""
    try:
        outcome = simulate(seed)
    except Exception as error:  # noqa: BLE001  # whatever it is, the seed found it
        return None, [f"{type(error).__name__}: {error}"]
    return outcome, outcome.problems
