"""Programs that show what a graph is for; nothing in the package imports them."""
