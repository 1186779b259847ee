"""The composition root: the only room that picks a store, transports and routes."""
