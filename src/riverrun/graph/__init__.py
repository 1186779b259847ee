"""Decides what runs next: building, the immutable plan, state, and the engine. Pure."""
