"""Ways to move a log over one connection each. ASGI only; knows no framework and no store."""
