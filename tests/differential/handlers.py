"""Programs: nodes that are helped by an error handler."""

from typing import Any

from tests.differential.flaky import Flaky, quick, with_node
from tests.differential.outcome import run
from tests.differential.states import Trace, joined

# Handlers ask for the error by this annotation, which both engines know by its name alone.
NodeError = Any


def a_handler_writes(lg):
    def handler(state):
        return {"trace": ["handled"]}

    return _told(lg, Flaky(9), handler)


def _told(lg, node, handler, **options):
    told = run(with_node(lg, node, error_handler=handler, **options), {"trace": []})
    # Under which name a handler's update is reported is compared by one program only.
    return {"state": told["state"], "error": told["error"]}


def a_handler_is_reported(lg):
    def handler(state):
        return {"trace": ["handled"]}

    return run(with_node(lg, Flaky(9), error_handler=handler), {"trace": []})


def a_handler_is_not_called_without_need(lg):
    def handler(state):
        return {"trace": ["handled"]}

    return _told(lg, Flaky(0), handler)


def a_handler_comes_after_the_attempts(lg):
    def handler(state):
        return {"trace": ["handled"]}

    flaky = Flaky(9)
    return {**_told(lg, flaky, handler, retry_policy=quick(lg, max_attempts=2)), "calls": flaky.calls}


def a_handler_sees_the_error(lg):
    def handler(state, error: "NodeError"):
        return {"trace": [f"{error.node}: {type(error.error).__name__} {error.error}"]}

    return _told(lg, Flaky(9), handler)


def a_handler_sees_the_state(lg):
    def handler(state):
        return {"trace": [f"saw {state['trace']}"]}

    told = run(with_node(lg, Flaky(9), error_handler=handler), {"trace": ["input"]})
    return {"state": told["state"]}


def a_handler_goes_elsewhere(lg):
    def handler(state):
        return lg.Command(update={"trace": ["handled"]}, goto="rescue")

    builder = joined(lg, Trace, "rescue", [])
    builder.add_node("a", Flaky(9), error_handler=handler, destinations=("rescue",))
    told = run(builder.add_edge(lg.START, "a").compile(), {})
    return {"state": told["state"], "error": told["error"]}


def a_handler_goes_elsewhere_past_a_plain_edge(lg):
    def handler(state):
        return lg.Command(update={"trace": ["handled"]}, goto="rescue")

    builder = joined(lg, Trace, "rescue b", [])
    builder.add_node("a", Flaky(9), error_handler=handler, destinations=("rescue",))
    told = run(builder.add_edge(lg.START, "a").add_edge("a", "b").compile(), {"trace": []})
    return {"state": told["state"], "error": told["error"]}


def a_handler_that_fails(lg):
    def handler(state):
        raise LookupError("worse")

    return _told(lg, Flaky(9), handler)


def a_default_handler(lg):
    def handler(state, error: "NodeError"):
        return {"trace": [f"{error.node} handled"]}

    builder = lg.StateGraph(Trace).set_node_defaults(error_handler=handler)
    builder.add_node("a", Flaky(9))
    told = run(builder.add_edge(lg.START, "a").compile(), {"trace": []})
    return {"state": told["state"], "error": told["error"]}
