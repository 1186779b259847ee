"""Programs: graphs that cannot be built or run. What is compared is that both engines refuse, and as which error."""

from tests.differential.outcome import error_of
from tests.differential.states import Trace, joined, leaves


def _refused(lg, nodes, edges):
    return {"error": error_of(lambda: joined(lg, Trace, nodes, edges).compile())}


def an_edge_to_nobody(lg):
    return _refused(lg, "a", ["^ a", "a nobody"])


def an_edge_from_nobody(lg):
    return _refused(lg, "a", ["^ a", "nobody a"])


def a_graph_without_a_beginning(lg):
    return _refused(lg, "a b", ["a b"])


def an_edge_from_the_end(lg):
    return _refused(lg, "a", ["^ a", "$ a"])


def an_edge_to_the_start(lg):
    return _refused(lg, "a", ["^ a", "a ^"])


def two_nodes_of_one_name(lg):
    builder = joined(lg, Trace, "a", [])
    return {"error": error_of(builder.add_node, "a", leaves("a"))}


def names_that_no_node_may_have(lg):
    return {"errors": [error_of(lg.StateGraph(Trace).add_node, name, leaves("a")) for name in ("__start__", "__end__")]}


def a_name_with_a_colon(lg):
    return {"error": error_of(lg.StateGraph(Trace).add_node, "a:b", leaves("a"))}


def a_node_that_nothing_leads_to(lg):
    return _refused(lg, "a b", ["^ a"])


def the_same_edge_twice(lg):
    return _refused(lg, "a b", ["^ a", "a b", "a b"])


def held_before_nobody(lg):
    builder = joined(lg, Trace, "a", ["^ a"])
    return {"error": error_of(builder.compile, interrupt_before=["nobody"])}


def a_limit_of_nothing(lg):
    graph = joined(lg, Trace, "a", ["^ a"]).compile()
    return {"error": error_of(graph.invoke, {}, {"recursion_limit": 0})}


def a_node_that_is_no_function(lg):
    return {"refused": error_of(lg.StateGraph(Trace).add_node, "a", 5) is not None}


def a_graph_that_is_changed_after_it_was_compiled(lg):
    builder = joined(lg, Trace, "a", ["^ a"])
    graph = builder.compile()
    builder.add_node("b", leaves("b"))
    return {"state": graph.invoke({"trace": []})}
