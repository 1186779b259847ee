"""Agents: a ready-made loop of model and tools, agents of other libraries, and agents of other machines."""
