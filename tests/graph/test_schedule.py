"""Who may begin: random courses against the rule in its obvious form, and the graphs that people draw."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from riverrun.events.kinds import ErrorInfo, NodeCompleted, NodeStarted
from riverrun.graph.build import GraphBuilder
from riverrun.graph.loops import LoopNest
from riverrun.graph.machine import Machine
from riverrun.graph.merge import Moment
from riverrun.graph.node import END, START, Command
from riverrun.graph.policies import collect, first_success, quorum
from riverrun.graph.schedule import Schedule
from tests.graph import reference
from tests.graph.play import RUN, run_started
from tests.graph.test_loops import graphs, nested


@given(st.one_of(graphs(6, 1), nested()), st.lists(st.integers(0, 1000), max_size=40))
def test_what_begins_is_what_the_rule_lets_begin(graph, numbers):
    nest, choices = LoopNest(graph), iter(numbers)
    schedule, moment = Schedule(nest, {}), Moment("x:1", (), {})
    for edge, target in enumerate(graph[0]):
        schedule.trigger(target, nest.step(0, (), target), moment, edge)
    for choice in choices:
        alive = list(schedule.live)
        expected = [alive[place] for place in reference.may_begin(graph, _as_tuples(alive))]
        begun = schedule.begin()
        assert {*expected} == {*begun}
        assert len(begun) == len({*begun})
        running = [live for live in schedule.live if live.running]
        if not running:
            assert not schedule.live, "something can always go on"
            return
        ended = running[choice % len(running)]
        schedule.end(ended)
        # Any part of the edges may be taken, as a router would.
        taken = [target for place, target in enumerate(graph[ended.number]) if choice >> place & 1 or choice % 3 == 0]
        for edge, target in enumerate(taken):
            schedule.trigger(target, nest.step(ended.number, ended.when, target), moment, edge)


@given(st.one_of(graphs(6, 1), nested()), st.lists(st.integers(0, 1000), max_size=40))
def test_to_hand_on_is_to_end_to_trigger_and_to_begin(graph, choices):
    assume(graph[0])
    nest = LoopNest(graph)
    short, long = Schedule(nest, {}), Schedule(nest, {})
    first = graph[0][0]
    for each in (short, long):
        each.trigger(first, nest.step(0, (), first), Moment("x:1", (), {}), 0)
    (one,), (other,) = short.begin(), long.begin()
    for choice in choices:
        following = graph[one.number]
        if not following:
            return
        number, moment = following[choice % len(following)], Moment(f"x:{choice}", (), {})
        when = nest.step(one.number, one.when, number)
        one, ended = short.hand_on(one, number, when, moment), other
        long.end(ended)
        long.trigger(number, when, moment, 0)
        (other,) = long.begin()
        assert (one.number, one.when, one.parents, True) == (other.number, other.when, other.parents, one.running)
        # What comes beside it is judged alike.
        assert ([one], [other], []) == (list(short.live), list(long.live), short.begin())
    for each, live in ((short, one), (long, other)):
        each.end(live)
        each.trigger(first, nest.step(0, (), first), Moment("y:1", (), {}), 0)
        assert [first] == [live.number for live in each.begin()]


BOOM = ErrorInfo(code="E3001", message="boom")


@given(
    st.one_of(graphs(6, 1), nested()),
    st.dictionaries(st.integers(1, 7), st.sampled_from([first_success(), quorum(2), collect()]), max_size=3),
    st.lists(st.integers(0, 1000), max_size=40),
)
def test_calls_and_joins_begin_early_and_only_joins_leave_others_behind(graph, joins, numbers):
    nest, choices = LoopNest(graph), iter(numbers)
    joins = {number: join for number, join in joins.items() if number < len(graph)}
    schedule, well, ill = Schedule(nest, joins), Moment("x:1", (), {}), Moment("y:1", (), {}, error=BOOM)
    for edge, target in enumerate(graph[0]):
        schedule.trigger(target, nest.step(0, (), target), well, edge)
    for choice in choices:
        alive = list(schedule.live)
        early = {
            place for place, live in enumerate(alive) if not live.running and (live.called or _enough(live, joins))
        }
        expected = [alive[place] for place in reference.may_begin(graph, _as_tuples(alive), early)]
        begun = schedule.begin()
        assert {*expected} == {*begun}
        assert len(begun) == len({*begun})
        for live in begun:
            if live.number in joins and not live.called and not live.gone:
                _leave_behind(schedule, graph, live)
        running = [live for live in schedule.live if live.running]
        if not running:
            assert not schedule.live, "something can always go on"
            return
        ended = running[choice % len(running)]
        schedule.end(ended)
        for place, target in enumerate(graph[ended.number]):
            when = nest.step(ended.number, ended.when, target)
            if choice >> place & 1:
                # A moment of its own, because what leaves one execution twice is one branch.
                left = Moment(f"z:{choice}", (), {}, error=BOOM if choice % 5 == 0 else None)
                schedule.trigger(target, when, left, place)
            elif choice % 4 == place:
                schedule.call(target, when, ill, place, choice)


def _enough(live, joins):
    need = joins[live.number].need if live.number in joins else None
    return need is not None and need <= sum(moment.error is None for moment, _ in live.parents)


def _leave_behind(schedule, graph, live):
    """Do what the machine does when a join begins: what could still have led to it ends."""
    alive = list(schedule.live)
    place = alive.index(live)
    expected = {alive[other] for other in reference.rivals(graph, reference.around(graph), _as_tuples(alive), place)}
    assert expected == {*schedule.rivals(live)}
    for rival in schedule.rivals(live):
        schedule.end(rival)


def _as_tuples(alive):
    return [(live.number, live.when, live.running) for live in alive]


# --- graphs that people draw, played by hand ---


class Course:
    """Builds a graph from its edges and is told which node ends, one after another."""

    def __init__(self, *edges, routers=None, commands=None):
        builder = GraphBuilder(dict)
        names = dict.fromkeys(name for edge in edges for name in edge if name not in (START, END))
        names.update(dict.fromkeys(routers or {}))
        names.pop(START, None)
        names.update(dict.fromkeys(commands or {}))
        for name in names:
            builder.add_node(name, (commands or {}).get(name, lambda state: None))
        for source, target in edges:
            builder.add_edge(source, target)
        for source, targets in (routers or {}).items():
            builder.add_conditional_edges(source, lambda state: None, targets)
        self.machine = Machine(builder.plan("drawn"), RUN)
        self.machine.started(run_started())
        self.told = 0

    def began(self):
        """Give the names of the nodes that began since the last question."""
        new = self.machine.events[self.told :]
        self.told = len(self.machine.events)
        return "".join(event.node for event in new if isinstance(event, NodeStarted))

    def end(self, node, *goto, command=()):
        """Let the running execution of a node end; say what began then."""
        exec_id = next(each for each in self.machine.steps if each.startswith(f"{node}:"))
        self.machine.returned(exec_id, None, (), tuple(command), 2)
        if exec_id in self.machine.steps:
            self.machine.routed(exec_id, goto, 2)
        return self.began()

    @property
    def ended(self):
        """Whether the run has ended."""
        return self.machine.events[-1].terminal


def test_a_diamond_joins_once():
    course = Course((START, "a"), ("a", "b"), ("a", "c"), ("b", "d"), ("c", "d"))
    assert ["a", "bc", "", "d"] == [course.began(), course.end("a"), course.end("c"), course.end("b")]
    course.end("d")
    assert course.ended
    assert 4 == sum(isinstance(event, NodeCompleted) for event in course.machine.events)


def test_branches_of_unequal_length_join_once():
    course = Course((START, "a"), (START, "b"), ("b", "c"), ("c", "d"), ("a", "e"), ("d", "e"))
    assert "ab" == course.began()
    assert ["", "c", "d", "e"] == [course.end(node) for node in "abcd"]
    course.end("e")
    assert course.ended


def test_a_node_that_follows_only_the_fast_branch_starts_at_once():
    course = Course((START, "f"), (START, "s"), ("f", "n"), ("n", "j"), ("s", "j"))
    assert ["fs", "n", "", "j"] == [course.began(), course.end("f"), course.end("n"), course.end("s")]


def test_a_supervisor_waits_for_all_its_workers_however_long_their_chains():
    edges = [("w", "x"), ("x", "s"), ("v", "s")]
    course = Course((START, "s"), *edges, routers={"s": ["w", "v", END]})
    assert ["s", "wv"] == [course.began(), course.end("s", "w", "v")]
    assert ["", "x", "s"] == [course.end("v"), course.end("w"), course.end("x")]
    assert ["wv", "x", "", "s"] == [course.end("s", "w", "v"), course.end("w"), course.end("x"), course.end("v")]
    assert "v" == course.end("s", "v")
    assert "s" == course.end("v")
    course.end("s", END)
    assert course.ended


def test_a_join_inside_an_outer_loop_joins_once_per_round():
    edges = [("h", "a"), ("h", "b"), ("b", "c"), ("a", "j"), ("c", "j")]
    course = Course((START, "h"), *edges, routers={"j": ["h", END]})
    assert "h" == course.began()
    for _ in range(3):
        assert ["ab", "", "c", "j", "h"] == [
            course.end("h"),
            course.end("a"),
            course.end("b"),
            course.end("c"),
            course.end("j", "h"),
        ]


def test_a_slow_worker_of_an_inner_loop_does_not_let_the_outer_join_go_early():
    # o → i ⟲ → j → o: the join j waits while the inner loop may still come back.
    course = Course((START, "o"), ("o", "i"), ("o", "b"), ("b", "j"), routers={"i": ["i", "j"], "j": ["o", END]})
    assert ["o", "ib", ""] == [course.began(), course.end("o"), course.end("b")]
    assert ["i", "i", "j"] == [course.end("i", "i"), course.end("i", "i"), course.end("i", "j")]


def test_nodes_that_wait_only_for_one_another_run_together():
    course = Course((START, "a"), (START, "b"), routers={"a": ["b", END], "b": ["a", END]})
    assert "ab" == course.began()
    course.end("a", END)
    course.end("b", END)
    assert course.ended


def test_mutually_blocked_nodes_wait_for_what_runs_before_them():
    course = Course((START, "s"), (START, "a"), ("s", "b"), routers={"a": ["b", END], "b": ["a", END]})
    assert "s" == course.began()
    assert "ab" == course.end("s")


def test_a_branch_that_was_not_chosen_is_not_waited_for():
    course = Course((START, "r"), ("x", "j"), ("y", "j"), routers={"r": ["x", "y"]})
    assert ["r", "x", "j"] == [course.began(), course.end("r", "x"), course.end("x")]


def test_a_router_that_may_still_choose_is_waited_for():
    course = Course((START, "r"), (START, "a"), ("a", "j"), ("x", "j"), routers={"r": ["x", END]})
    assert ["ra", "", "j"] == [course.began(), course.end("a"), course.end("r", END)]


def test_a_router_without_declared_targets_counts_as_leading_anywhere():
    course = Course((START, "r"), (START, "a"), ("a", "j"), routers={"r": None})
    assert ["r", "a", "j"] == [course.began(), course.end("r", END), course.end("a")]


def test_a_node_that_may_command_anything_counts_as_leading_anywhere():
    def free(state) -> Command:  # type: ignore[type-arg]
        return Command(goto="j")

    course = Course((START, "c"), (START, "a"), ("a", "j"), commands={"c": free})
    assert ["c", "a", "j"] == [course.began(), course.end("c", command=["j"]), course.end("a")]


def test_a_command_that_was_not_declared_is_honoured_all_the_same():
    course = Course((START, "a"), (START, "b"), ("b", "j"))
    assert ["ab", "", "j"] == [course.began(), course.end("a", command=["j"]), course.end("b")]
    course.end("j")
    assert course.ended


@pytest.mark.parametrize("order", ["abc", "acb", "bac", "bca", "cab", "cba"])
def test_nested_forks_join_inside_out(order):
    # START → a, (b, c → i); a and i → j
    course = Course((START, "a"), (START, "b"), (START, "c"), ("b", "i"), ("c", "i"), ("a", "j"), ("i", "j"))
    assert "abc" == course.began()
    began = "".join(course.end(node) for node in order)
    assert "i" == began
    assert "j" == course.end("i")


def test_what_a_loop_triggers_outside_of_it_runs_once_when_the_loop_is_over():
    course = Course((START, "h"), ("h", "o"), ("h", "t"), routers={"t": ["h", END]})
    assert ["h", "t", "h", "t"] == [course.began(), course.end("h"), course.end("t", "h"), course.end("h")]
    assert "o" == course.end("t", END)
    course.end("o")
    assert course.ended
