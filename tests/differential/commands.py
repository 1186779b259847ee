"""Programs: nodes that write and choose where to go in one step (`Command`)."""

from typing import Literal

from tests.differential.outcome import error_of, merged, run
from tests.differential.states import Count, Items, Seen, Trace, joined, leaves


def goes(lg, **command):
    """Make a node that gives back a command."""

    def node(state):
        return lg.Command(**command)

    return node


def a_command_goes(lg):
    nodes = {"a": goes(lg, goto="c"), "b": leaves("b"), "c": leaves("c")}
    builder = lg.StateGraph(Trace)
    builder.add_node("a", nodes["a"], destinations=("b", "c"))
    builder.add_node("b", nodes["b"]).add_node("c", nodes["c"])
    return run(builder.add_edge(lg.START, "a").compile(), {})


def a_command_writes_and_goes(lg):
    def a(state) -> lg.Command[Literal["b", "c"]]:  # type: ignore[name-defined]  # each engine has its own
        return lg.Command(update={"trace": ["a"]}, goto="b" if state["n"] else "c")

    graph = joined(lg, Count, {"a": a, "b": leaves("b"), "c": leaves("c")}, ["^ a"]).compile()
    return merged(run(graph, {"n": 0}), run(graph, {"n": 1}))


def targeted(lg, command, nodes="b c", state=Trace):
    """Make a graph whose node `a` gives back a command and may go to any other node."""
    builder = joined(lg, state, nodes, [])
    builder.add_node("a", lambda state: command, destinations=tuple(nodes.split()))
    return builder.add_edge(lg.START, "a").compile()


def a_command_goes_to_several(lg):
    return run(targeted(lg, lg.Command(update={"trace": ["a"]}, goto=["b", "c"])), {})


def a_command_goes_to_the_end(lg):
    return run(targeted(lg, lg.Command(update={"trace": ["a"]}, goto=lg.END)), {})


def a_command_only_writes(lg):
    return run(targeted(lg, lg.Command(update={"trace": ["a"]})), {})


def a_command_that_says_nothing(lg):
    return run(targeted(lg, lg.Command()), {"trace": []})


def a_command_with_pairs(lg):
    return run(targeted(lg, lg.Command(update=[("trace", ["x"]), ("trace", ["y"])], goto="b")), {})


def a_command_that_calls(lg):
    builder = joined(lg, Items, {"b": lambda state: {"done": [state["item"]]}}, [])
    command = lg.Command(goto=[lg.Send("b", {"item": item}) for item in (3, 1, 2)])
    builder.add_node("a", lambda state: command, destinations=("b",))
    return run(builder.add_edge(lg.START, "a").compile(), {})


def a_command_that_calls_once_and_goes(lg):
    builder = joined(lg, Items, {"b": lambda state: {"done": [state.get("item", "none")]}}, [])
    builder.add_node("c", lambda state: {"done": ["c"]})
    command = lg.Command(update={"item": "state"}, goto=[lg.Send("b", {"item": "own"}), "c"])
    builder.add_node("a", lambda state: command, destinations=("b", "c"))
    return run(builder.add_edge(lg.START, "a").compile(), {})


def a_command_beside_a_plain_edge(lg):
    builder = joined(lg, Seen, "b c", [])
    builder.add_node("a", lambda state: lg.Command(update={"seen": {"a"}}, goto="c"), destinations=("c",))
    return run(builder.add_edge(lg.START, "a").add_edge("a", "b").compile(), {})


def a_command_to_the_end_beside_a_plain_edge(lg):
    builder = joined(lg, Seen, "b", [])
    builder.add_node("a", lambda state: lg.Command(goto=lg.END))
    return run(builder.add_edge(lg.START, "a").add_edge("a", "b").compile(), {})


def a_list_of_commands(lg):
    def a(state):
        return [lg.Command(update={"trace": ["x"]}, goto="b"), lg.Command(update={"trace": ["y"]}, goto="c")]

    builder = joined(lg, Trace, "b c", [])
    builder.add_node("a", a, destinations=("b", "c"))
    return run(builder.add_edge(lg.START, "a").compile(), {})


def a_command_to_nobody(lg):
    return run(targeted(lg, lg.Command(update={"trace": ["a"]}, goto="nobody")), {"trace": []})


def a_command_to_itself(lg):
    def a(state):
        return lg.Command(update={"n": state["n"] + 1}, goto="a" if state["n"] < 3 else lg.END)

    builder = lg.StateGraph(Count)
    builder.add_node("a", a, destinations=("a", lg.END))
    return run(builder.add_edge(lg.START, "a").compile(), {"n": 0})


def commands_to_and_fro(lg):
    def player(name, other):
        def node(state):
            return lg.Command(update={"n": state["n"] + 1, "trace": [name]}, goto=other if state["n"] < 4 else lg.END)

        return node

    builder = lg.StateGraph(Count)
    builder.add_node("ping", player("ping", "pong"), destinations=("pong", lg.END))
    builder.add_node("pong", player("pong", "ping"), destinations=("ping", lg.END))
    return run(builder.add_edge(lg.START, "ping").compile(), {"n": 0})


def a_command_to_an_undeclared_node(lg):
    builder = joined(lg, Trace, {"a": goes(lg, goto="c"), "b": leaves("b"), "c": leaves("c")}, ["^ a", "b c"])
    builder.add_conditional_edges("a", lambda state: [], ["b"])
    return run(builder.compile(), {})


def a_supervisor_and_its_workers(lg):
    def boss(state):
        left = [name for name in ("search", "write") if name not in state["trace"]]
        return lg.Command(update={"trace": ["boss"]}, goto=left[0] if left else lg.END)

    builder = joined(lg, Trace, "search write", ["search boss", "write boss"])
    builder.add_node("boss", boss, destinations=("search", "write", lg.END))
    return run(builder.add_edge(lg.START, "boss").compile(), {"trace": []})


def commands_of_two_branches_that_meet(lg):
    builder = joined(lg, Seen, "d", [])
    for name in "bc":
        command = lg.Command(update={"seen": {name}}, goto="d")
        builder.add_node(name, lambda state, command=command: command, destinations=("d",))
        builder.add_edge(lg.START, name)
    return run(builder.compile(), {})


def a_command_for_the_graph_around_where_there_is_none(lg):
    graph = targeted(lg, lg.Command(goto="b", graph=lg.Command.PARENT))
    return {"error": error_of(graph.invoke, {})}
