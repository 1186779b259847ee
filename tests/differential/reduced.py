"""Programs: how two writes to one key combine."""

import operator
from itertools import pairwise
from typing import Annotated, Any, TypedDict

from tests.differential.outcome import merged, run
from tests.differential.states import Trace, joined, leaves


def _writes(**update):
    def node(state):
        return update

    return node


def _keyed(reducer, kind=Any):
    class State(TypedDict, total=False):
        key: Annotated[kind, reducer]  # type: ignore[valid-type]  # the kind is what the program is about
        other: int

    return State


def _chain(lg, state, *updates):
    """Make a chain of nodes, each with one update of `key`."""
    names = [f"n{number}" for number in range(len(updates))]
    edges = [f"^ {names[0]}", *(f"{one} {two}" for one, two in pairwise(names))]
    return joined(
        lg, state, {name: _writes(key=key) for name, key in zip(names, updates, strict=True)}, edges
    ).compile()


def a_sum(lg):
    return run(_chain(lg, _keyed(operator.add, int), 1, 2, 3), {"key": 10})


def a_sum_that_begins_at_nothing(lg):
    return run(_chain(lg, _keyed(operator.add, int), 1, 2), {})


def a_text_that_grows(lg):
    return run(_chain(lg, _keyed(operator.add, str), "b", "c"), {"key": "a"})


def a_list_that_begins_at_nothing(lg):
    return run(_chain(lg, _keyed(operator.add, list), [1], [2]), {})


def a_reducer_of_our_own(lg):
    def highest(old, new):
        return max(old, new)

    return run(_chain(lg, _keyed(highest, int), 3, 9, 4), {"key": 5})


def a_reducer_that_merges_mappings(lg):
    return run(_chain(lg, _keyed(operator.or_, dict), {"a": 1}, {"b": 2}, {"a": 3}), {"key": {"z": 0}})


def a_reducer_written_as_lambda(lg):
    return run(_chain(lg, _keyed(lambda old, new: (old or 0) * 2 + new, int), 1, 1), {"key": 1})


def branches_that_add_up(lg):
    nodes = {name: _writes(key=number) for number, name in enumerate("abcd", 1)}
    return run(joined(lg, _keyed(operator.add, int), nodes, ["^ a", "a b", "a c", "b d", "c d"]).compile(), {"key": 0})


def a_reducer_that_fails(lg):
    def fails(old, new):
        if new == 2:
            raise LookupError("gone")
        return new

    return run(_chain(lg, _keyed(fails, int), 1, 2), {"key": 0})


def an_overwrite(lg):
    return run(_chain(lg, _keyed(operator.add, list), [1], lg.Overwrite([9]), [2]), {"key": [0]})


def an_overwrite_beside_a_write(lg):
    nodes = {"a": _writes(key=lg.Overwrite([9])), "b": _writes(key=[1])}
    return run(joined(lg, _keyed(operator.add, list), nodes, ["^ a", "^ b"]).compile(), {"key": [0]})


def two_overwrites_at_once(lg):
    nodes = {"a": _writes(key=lg.Overwrite([9])), "b": _writes(key=lg.Overwrite([1]))}
    return run(joined(lg, _keyed(operator.add, list), nodes, ["^ a", "^ b"]).compile(), {"key": [0]})


def an_overwrite_in_a_command(lg):
    nodes = {"a": lambda state: lg.Command(update={"key": lg.Overwrite([7])})}
    return run(joined(lg, _keyed(operator.add, list), nodes, ["^ a"]).compile(), {"key": [1]})


def an_overwrite_in_the_input(lg):
    return run(_chain(lg, _keyed(operator.add, list), [1]), {"key": lg.Overwrite([7])})


# --- messages ---


def _talk(lg, *updates):
    class State(TypedDict, total=False):
        messages: Annotated[list, lg.add_messages]  # type: ignore[type-arg]  # as LangGraph's users write it

    names = [f"n{number}" for number in range(len(updates))]
    edges = [f"^ {names[0]}", *(f"{one} {two}" for one, two in pairwise(names))]
    nodes = {name: _writes(messages=update) for name, update in zip(names, updates, strict=True)}
    return joined(lg, State, nodes, edges).compile()


def _says(content, role="assistant", **more):
    return {"role": role, "content": content, **more}


def messages_are_appended(lg):
    return run(_talk(lg, [_says("hello")], [_says("bye")]), {"messages": [_says("hi", "user")]})


def one_message_is_a_list_of_one(lg):
    return run(_talk(lg, _says("hello")), {"messages": _says("hi", "user")})


def a_text_is_a_message_of_the_user(lg):
    return run(_talk(lg, "again"), {"messages": "hi"})


def pairs_are_messages(lg):
    return run(_talk(lg, [("assistant", "hello")]), {"messages": [("user", "hi"), ("system", "be kind")]})


def a_message_with_a_known_id_takes_its_place(lg):
    given = [_says("hi", "user", id="1"), _says("what?", id="2"), _says("thanks", "user", id="3")]
    return run(_talk(lg, [_says("hello", id="2")]), {"messages": given})


def two_messages_with_one_id_in_one_write(lg):
    return run(_talk(lg, [_says("a", id="1"), _says("b", id="1")]), {"messages": []})


def a_message_of_branches(lg):
    class State(TypedDict, total=False):
        messages: Annotated[list, lg.add_messages]  # type: ignore[type-arg]  # as LangGraph's users write it

    nodes = {name: _writes(messages=[_says(name, id=name)]) for name in "abc"}
    return run(joined(lg, State, nodes, ["^ a", "a b", "a c"]).compile(), {"messages": "hi"})


def a_message_is_removed_by_its_role(lg):
    given = [_says("hi", "user", id="1"), _says("what?", id="2")]
    return run(_talk(lg, [_says("", "remove", id="1")]), {"messages": given})


def all_messages_are_removed_by_their_role(lg):
    given = [_says("hi", "user", id="1"), _says("what?", id="2")]
    return run(_talk(lg, [_says("", "remove", id="__remove_all__"), _says("new", id="3")]), {"messages": given})


def a_removal_of_a_message_that_is_not_there(lg):
    return run(_talk(lg, [_says("", "remove", id="9")]), {"messages": [_says("hi", "user", id="1")]})


def messages_called_by_hand(lg):
    one = lg.add_messages([_says("hi", "user", id="1")], [_says("hello", id="2")])
    two = lg.add_messages(one, [_says("hey", "user", id="1")])
    return {"state": run(_talk(lg, two), {"messages": []})["state"], "lengths": [len(one), len(two)]}


def what_is_no_message(lg):
    return run(_talk(lg, [5]), {"messages": []})


def a_thread_of_messages(lg):
    class State(TypedDict, total=False):
        messages: Annotated[list, lg.add_messages]  # type: ignore[type-arg]  # as LangGraph's users write it

    def answers(state):
        return {"messages": [_says(f"answer {len(state['messages'])}")]}

    graph = joined(lg, State, {"a": answers}, ["^ a"]).compile(checkpointer=lg.InMemorySaver())
    config = {"configurable": {"thread_id": "1"}}
    return merged(*(run(graph, {"messages": [("user", word)]}, config) for word in ("one", "two")))


def writes_and_their_reducer_at_the_start(lg):
    return run(joined(lg, Trace, {"a": leaves("a")}, ["^ a"]).compile(), {"trace": ["in", "put"]})
