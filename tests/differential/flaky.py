"""Nodes that fail, and a graph to put them in; shared by the programs about policies and error handlers."""

from tests.differential.states import Trace, joined


class Flaky:
    """A node that fails so many times, and then leaves its name."""

    def __init__(self, failures, error=ConnectionError):
        self.calls, self.failures, self.error = 0, failures, error

    def __call__(self, state):
        self.calls += 1
        if self.calls <= self.failures:
            raise self.error(f"call {self.calls}")
        return {"trace": [f"call {self.calls}"]}


def quick(lg, **more):
    """Make a retry policy that does not wait long, nor by chance."""
    return lg.RetryPolicy(**{"initial_interval": 0.001, "jitter": False, **more})


def with_node(lg, node, state=Trace, follows=True, **options):
    """Make a graph of the node `a` with options, and `b` that may follow it."""
    builder = joined(lg, state, "b", ["b $"])
    builder.add_node("a", node, **options)
    builder.add_edge(lg.START, "a")
    return (builder.add_edge("a", "b") if follows else builder).compile()
