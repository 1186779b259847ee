"""Where branches meet: in the order of declaration, each branch whole before the next, conflicts named."""

from __future__ import annotations

import operator
from typing import Annotated, TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riverrun.base.errors import NodeError
from riverrun.graph.merge import Moment, common_origin, meet, node_of
from riverrun.graph.reducers import Overwrite, Remove
from riverrun.graph.state import read_schema


class State(TypedDict, total=False):
    log: Annotated[list[str], operator.add]
    x: int
    y: int


SCHEMA = read_schema(State)


class History:
    """Finished executions by name, made the way the machine makes them."""

    def __init__(self):
        self.moments = {}
        self.parents = {}

    def add(self, name, *parents, **wrote):
        """Finish an execution that was triggered by edges `(parent, place of the edge)`."""
        writes = ({"log": [name], **wrote},)
        if not parents:
            moment = Moment(name, (), SCHEMA.write({}, writes), writes)
        else:
            edges = tuple((self.moments[parent], place) for parent, place in parents)
            seen, origin, ordered = meet(SCHEMA, edges)
            moment = Moment.since(origin, name, ordered, SCHEMA.write(seen, writes), writes)
        self.moments[name] = moment
        return moment

    def meet(self, *parents):
        """Give what an execution would see, and its origin."""
        state, origin, ordered = meet(SCHEMA, tuple((self.moments[parent], place) for parent, place in parents))
        return "".join(state["log"]), origin.exec_id, "".join(moment.exec_id for moment, _ in ordered)


def diamond(**wrote):
    history = History()
    history.add("o")
    history.add("a", ("o", 0), **wrote.get("a", {}))
    history.add("b", ("o", 1), **wrote.get("b", {}))
    return history


def test_one_parent_is_seen_as_it_is():
    history = diamond()
    assert ("oa", "a", "a") == history.meet(("a", 0))


def test_branches_merge_in_the_order_of_their_edges_whoever_came_first():
    history = diamond()
    assert ("oab", "o", "ab") == history.meet(("b", 0), ("a", 0)) == history.meet(("a", 0), ("b", 0))


def test_each_branch_is_whole_before_the_next():
    history = diamond()
    history.add("B", ("b", 0))
    history.add("A", ("a", 0))
    history.add("Z", ("A", 0))
    assert ("oaAZbB", "o", "ZB") == history.meet(("B", 0), ("Z", 0))


def test_nested_forks_merge_depth_first():
    history = History()
    history.add("o")
    history.add("a", ("o", 0))
    history.add("b", ("o", 1))
    for name, place in (("p", 0), ("q", 1)):
        history.add(name, ("a", place))
    history.add("j", ("q", 0), ("p", 0))
    assert ("oapqjb", "o", "jb") == history.meet(("b", 0), ("j", 0))


def test_a_short_and_a_long_branch_of_one_fork_meet_at_the_fork():
    history = History()
    history.add("o")
    history.add("a", ("o", 0))
    assert ("oa", "o", "oa") == history.meet(("a", 0), ("o", 1))


def test_only_what_happened_since_the_common_origin_is_merged():
    history = History()
    history.add("o", x=1)
    history.add("a", ("o", 0), x=2)
    history.add("m", ("a", 0), x=3)
    history.add("p", ("m", 0))
    history.add("q", ("m", 1), y=1)
    state, origin, _ = meet(SCHEMA, ((history.moments["p"], 0), (history.moments["q"], 0)))
    assert ("m", 3, 1) == (origin.exec_id, state["x"], state["y"])


@pytest.mark.parametrize(("one", "other"), [("a", "b"), ("b", "a")])
def test_two_branches_that_write_one_key_are_named_with_it(one, other):
    history = History()
    history.add("o:1")
    history.add("a:1", ("o:1", 0), x=1)
    history.add("b:7", ("o:1", 1), x=1)
    ends = {"a": "a:1", "b": "b:7"}
    with pytest.raises(NodeError) as caught:
        history.meet((ends[one], 0), (ends[other], 0))
    assert ("E3004", "key 'x'") == (caught.value.code, caught.value.where)
    for name in ("'a'", "'b'", "'x'"):
        assert name in caught.value.message


def test_writing_again_in_one_branch_is_no_conflict():
    history = diamond(a={"x": 1})
    history.add("A", ("a", 0), x=2)
    state, _, _ = meet(SCHEMA, ((history.moments["A"], 0), (history.moments["b"], 0)))
    assert 2 == state["x"]


@given(st.permutations(range(5)))
def test_the_branches_of_a_fork_meet_in_the_order_of_its_edges_whoever_arrives_first(arrivals):
    first = Moment("o", (), {"log": ["o"]}, ())
    branches = [Moment.since(first, f"n{at}", ((first, at),), {}, ({"log": [at]},)) for at in range(5)]
    state, origin, ordered = meet(SCHEMA, tuple((branches[at], 0) for at in arrivals))
    assert (["o", 0, 1, 2, 3, 4], first) == (state["log"], origin)
    assert branches == [moment for moment, _ in ordered]


def test_writing_several_times_in_one_node_is_no_conflict():
    first = Moment("o", (), {}, ())
    one = Moment.since(first, "a", ((first, 0),), {"x": 2}, ({"x": 1}, {"x": 2}))
    other = Moment.since(first, "b", ((first, 1),), {})
    assert {"x": 2} == meet(SCHEMA, ((one, 0), (other, 0)))[0]


def test_a_conflict_deep_inside_two_branches_is_found():
    history = diamond()
    history.add("A", ("a", 0), y=1)
    history.add("B", ("b", 0))
    history.add("C", ("B", 0), y=2)
    with pytest.raises(NodeError) as caught:
        history.meet(("A", 0), ("C", 0))
    assert "E3004" == caught.value.code


def test_a_key_with_a_reducer_is_never_in_conflict():
    assert "oab" == diamond().meet(("a", 0), ("b", 0))[0]


def test_a_reducer_that_raises_where_branches_meet_is_named():
    first = Moment("o", (), {}, ())
    one = Moment.since(first, "a", ((first, 0),), {}, ({"log": 5},))
    other = Moment.since(first, "b", ((first, 1),), {})
    with pytest.raises(NodeError) as caught:
        meet(SCHEMA, ((one, 0), (other, 0)))
    assert "E3007" == caught.value.code


def test_a_moment_without_a_past_is_an_origin_like_the_first():
    history = diamond()
    history.add("j")
    history.add("p", ("j", 0))
    history.add("q", ("j", 1))
    assert ("j", "pq") == history.meet(("q", 0), ("p", 0))[1:]


def test_the_name_of_a_node_may_hold_anything_but_a_colon():
    assert "a b.c-d" == node_of("a b.c-d:12")


# --- any history ---


@st.composite
def histories(draw: st.DrawFn):
    """A history in which every execution descends from some of those before it."""
    history = History()
    history.add("0")
    edges = {"0": 0}
    for number in range(1, draw(st.integers(2, 9))):
        parents = draw(st.lists(st.sampled_from(sorted(edges)), min_size=1, max_size=3, unique=True))
        named = []
        for parent in parents:
            named.append((parent, edges[parent]))
            edges[parent] += 1
        history.add(str(number), *named)
        edges[str(number)] = 0
    ends = draw(st.lists(st.sampled_from(sorted(edges)), min_size=1, max_size=4, unique=True))
    return history, [(end, edges[end]) for end in ends]


def _ancestors(moment):
    found, todo = set(), [moment]
    while todo:
        one = todo.pop()
        if one not in found:
            found.add(one)
            todo.extend(parent for parent, _ in one.parents)
    return found


@given(histories(), st.data())
def test_a_meeting_sees_each_ancestor_once_after_its_own_and_in_one_order(case, data):
    history, parents = case
    seen, origin, _ = history.meet(*parents)
    assert len(set(seen)) == len(seen)
    wanted = set().union(*(_ancestors(history.moments[parent]) for parent, _ in parents))
    assert {moment.exec_id for moment in wanted} == set(seen)
    for moment in wanted:
        for parent, _ in moment.parents:
            assert seen.index(parent.exec_id) < seen.index(moment.exec_id)
    assert (seen, origin) == history.meet(*data.draw(st.permutations(parents)))[:2]


@given(histories())
def test_the_common_origin_is_on_every_way_and_the_last_such(case):
    history, parents = case
    ends = [history.moments[parent] for parent, _ in parents]
    origin = common_origin(tuple((end, 0) for end in ends))

    def on_every_way(point):
        return all(history.moments["0"] not in _without(end, point) for end in ends)

    assert origin is history.moments["0"] or on_every_way(origin)
    later = [moment for moment in history.moments.values() if origin in _ancestors(moment) and moment is not origin]
    assert not any(on_every_way(moment) for moment in later)


def _without(end, point):
    found, todo = set(), [end]
    while todo:
        one = todo.pop()
        if one is not point and one not in found:
            found.add(one)
            todo.extend(parent for parent, _ in one.parents)
    return found


# --- writes that go past a reducer ---


def forked(left, right, longer=None):
    """Two branches, the right one of two executions, with these writes to `log`."""
    moments = History()
    base = Moment("o", (), {"log": ["o"]}, ())
    moments.moments["o"] = base

    def add(name, parent, edge, write):
        before = moments.moments[parent]
        writes = ({"log": write},) if write is not None else ()
        after = SCHEMA.write(before.state, writes)
        moments.moments[name] = Moment.since(before, name, ((before, edge),), after, writes)

    add("l:1", "o", 0, left)
    add("r:1", "o", 1, right)
    add("s:1", "r:1", 0, longer)
    return meet(SCHEMA, ((moments.moments["l:1"], 0), (moments.moments["s:1"], 0)))[0].get("log")


@pytest.mark.parametrize(
    ("left", "right", "longer", "expected"),
    [
        (Overwrite(["L"]), ["r"], ["s"], ["L", "r", "s"]),
        (["l"], Overwrite(["R"]), ["s"], ["R", "l", "s"]),
        (["l"], ["r"], Overwrite(["S"]), ["S", "l"]),
        (["l"], Overwrite(["R"]), Overwrite(["S"]), ["S", "l"]),
        (Remove(), ["r"], None, ["r"]),
        (["l"], Remove(), None, ["l"]),
        (["l"], Overwrite(["R"]), Remove(), ["l"]),
        (None, Remove(), None, None),
    ],
)
def test_an_overwrite_replaces_what_its_node_knew_and_loses_nothing_that_it_did_not(left, right, longer, expected):
    assert expected == forked(left, right, longer)


@pytest.mark.parametrize("left", [Overwrite(["L"]), Remove()])
@pytest.mark.parametrize(("right", "longer"), [(Overwrite(["R"]), None), (None, Remove()), (Remove(), Overwrite([]))])
def test_two_overwrites_that_do_not_know_of_each_other_are_a_conflict(left, right, longer):
    with pytest.raises(NodeError) as caught:
        forked(left, right, longer)
    assert ("E3004", "key 'log'") == (caught.value.code, caught.value.where)
    assert "'l'" in caught.value.message


def test_a_key_without_a_reducer_is_overwritten_and_removed_like_any_other():
    history = diamond(a={"x": Overwrite(1), "y": Remove()})
    state, _, _ = meet(SCHEMA, ((history.moments["a"], 0), (history.moments["b"], 1)))
    assert 1 == state["x"]
    assert "y" not in state
    history = diamond(a={"x": Overwrite(1)}, b={"x": Remove()})
    with pytest.raises(NodeError, match="E3004"):
        history.meet(("a", 0), ("b", 1))
