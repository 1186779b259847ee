"""What a user calls: a graph that compiles to something that runs."""
