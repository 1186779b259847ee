"""What the server takes when nothing is said, for commands that look at its store without it.

Written down a second time, so that no command waits for a web server to load; a test holds the two equal.
"""

from __future__ import annotations

TENANT = "default"
STORE = "sqlite:///riverrun.db"
