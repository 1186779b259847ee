"""What this process uses of the machine: processor time, memory, threads, descriptors.

Where the operating system does not say something, it is left out: a number that is not known is not made up.
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

_SELF = Path("/proc/self")


def measure() -> dict[str, float]:
    """Measure this process.

    Returns:
        `cpu_seconds` since its start, `threads`, and where the system tells `rss_bytes` and `descriptors`.
    """
    told: dict[str, float] = {"cpu_seconds": time.process_time(), "threads": threading.active_count()}
    try:
        told["rss_bytes"] = int((_SELF / "statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
        told["descriptors"] = sum(1 for _ in (_SELF / "fd").iterdir())
    except OSError:  # not Linux
        pass
    return told
