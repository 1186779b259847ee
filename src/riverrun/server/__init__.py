"""The composition root: the only room that picks a store, transports and routes."""

from riverrun.server.app import create_app
from riverrun.server.gate import Principal

__all__ = ["Principal", "create_app"]
