"""The composition root: the only room that picks a store, transports and routes."""

from riverrun.server.app import create_app

__all__ = ["create_app"]
