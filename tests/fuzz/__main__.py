"""Let atheris choose the bytes for the property tests of what comes from outside: `python -m tests.fuzz sse`.

The laws stay where they are, in the tests; Hypothesis makes its examples of the bytes that libFuzzer mutates by which
lines and branches of ours they reached. It knows no law itself. Every further argument goes to libFuzzer
(`-max_total_time=60`, `-runs=1000`, a folder that keeps what was found).
"""

from __future__ import annotations

import sys
from contextlib import redirect_stderr
from importlib import import_module
from io import StringIO

import atheris

from tests.fuzz.targets import TARGETS


def main() -> None:
    """Search until libFuzzer is told to end; a law that is broken ends the process with the bytes that broke it."""
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        sys.exit(f"usage: python -m tests.fuzz {{{'|'.join(TARGETS)}}} [arguments of libFuzzer]")
    target = TARGETS[sys.argv.pop(1)]
    # Module by module it says what it watches: that is more than anybody reads.
    with redirect_stderr(StringIO()), atheris.instrument_imports(include=[target.watched]):
        law = getattr(import_module(target.module), target.law)
    atheris.Setup(sys.argv, law.hypothesis.fuzz_one_input)
    atheris.Fuzz()


main()
