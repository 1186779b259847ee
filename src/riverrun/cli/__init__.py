"""The command line: `riverrun dev`, `serve`, `run`, `runs`, `explain` and `demo`."""
