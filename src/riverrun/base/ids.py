"""The only maker of randomness: ids of runs, logs and workers.

A run id is 32 hexadecimal digits, 12 of them the millisecond of its birth (so ids sort by age) and 20 random
(80 bits: not to be guessed, yet no secret: whoever reads a run must be allowed to). Ids from outside are taken only
when they match `RUN_ID`: no dot, slash or percent sign ever reaches a path or a store key. `os.urandom` is what the
`secrets` module reads too; that module would bring hashing with it (2 ms of every `import riverrun`).
"""

from __future__ import annotations

import os
import re
from threading import Lock

RUN_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)
TENANT = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)


def new_run_id(now_ms: int) -> str:
    """Make the id of a run born at `now_ms`, milliseconds since the Unix epoch; those of one millisecond sort too."""
    with _lock:
        last_ms, last = last_born
        chance = int.from_bytes(os.urandom(10))
        if now_ms == last_ms:  # a step of 40 random bits; past the end of 80 the order begins anew
            chance = (last + 1 + (chance >> 40)) & ((1 << 80) - 1)
        last_born[:] = now_ms, chance
    return f"{now_ms & 0xFFFF_FFFF_FFFF:012x}{chance:020x}"


_lock = Lock()
last_born = [0, 0]  # when, and by which chance, the newest run was born


def new_log_id() -> str:
    """Make the id of one incarnation of a log: 8 hexadecimal digits."""
    return os.urandom(4).hex()


def new_worker_id() -> str:
    """Make the id of one worker process: never used twice, so a restarted worker is another owner."""
    return f"w-{os.urandom(6).hex()}"


def jitter() -> float:
    """Return a random number in [0, 1), for spreading retries of many readers."""
    return int.from_bytes(os.urandom(4)) / (1 << 32)


def is_run_id(text: str) -> bool:
    """Say whether `text` has the form of a run id."""
    return RUN_ID.fullmatch(text) is not None


def is_tenant(text: str) -> bool:
    """Say whether `text` has the form of a tenant's name."""
    return TENANT.fullmatch(text) is not None
