"""Ready-made nodes and adapters that turn other producers into streams."""
