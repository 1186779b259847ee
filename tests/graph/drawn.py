"""Random graphs with everything that a graph may have: calls, graphs in graphs, joins, questions, holds, failures.

Where the rule promises one state for every order of completion, `decided` graphs have to keep it: no join of theirs is
decided by who comes first, and a sub graph is left only where nothing else runs in it.
"""

from __future__ import annotations

from hypothesis import strategies as st

from riverrun.graph.policies import Join, collect, first_success, quorum
from tests.graph.sketch import ALWAYS, NODES, Manner, Sketch, choices, forward

_FAILS = st.sampled_from([0, 0, 0, 0, 1, 2, ALWAYS])
_MENDS = st.sampled_from(["retry", "handler", "retry", "nothing"])


@st.composite
def whole(draw: st.DrawFn, most: int = 4, *, depth: int = 2, decided: bool = True) -> Sketch:
    """Draw a graph with everything in it.

    Args:
        draw: Hypothesis.
        most: Nodes of the graph; sub graphs have fewer.
        depth: How deep sub graphs may be nested.
        decided: Whether the final state must not depend on who is faster.

    Returns:
        The sketch.
    """
    count = draw(st.integers(1, most))
    chunks = tuple(draw(st.lists(st.integers(0, 2), min_size=count, max_size=count)))
    edges = forward(draw, count)
    routers = choices(draw, count) if draw(st.integers(0, 2)) == 0 else {}
    manners = {number: _manner(draw, number, count, most, depth, decided=decided) for number in range(count)}
    held = st.sets(st.sampled_from(NODES[:count]), max_size=1)
    hold = draw(st.integers(0, 4))
    before, after = (tuple(draw(held)) if hold == which else () for which in (0, 1))
    return Sketch(chunks, edges, routers, manners=manners, before=before, after=after)


def _manner(
    draw: st.DrawFn,
    number: int,
    count: int,
    most: int,
    depth: int,
    *,
    decided: bool,
) -> Manner:
    later = list(range(number + 1, count))
    inside = None
    if depth and draw(st.integers(0, 3)) == 0:
        names = [NODES[target] for target in later]
        inside = draw(st.one_of(whole(most - 1, depth=depth - 1, decided=decided), left(names, decided=decided)))
    fails = draw(_FAILS) if inside is None else 0
    calling = bool(later) and inside is None and draw(st.integers(0, 3)) == 0
    choosing = bool(later) and inside is None and draw(st.integers(0, 4)) == 0
    return Manner(
        asks=draw(st.sampled_from([0, 0, 0, 1, 2])) if inside is None else 0,
        fails=fails,
        mends=draw(_MENDS) if fails or inside is not None else "nothing",
        calls=tuple(draw(st.lists(st.sampled_from(later), min_size=1, max_size=3))) if calling else (),
        chooses=(draw(st.sampled_from(later)),) if choosing else (),
        inside=inside,
        join=_join(draw, decided=decided),
    )


def _join(draw: st.DrawFn, *, decided: bool) -> Join | None:
    if draw(st.integers(0, 2)):
        return None
    return draw(st.sampled_from([collect()] if decided else [collect(), first_success(), quorum(2)]))


@st.composite
def left(draw: st.DrawFn, names: list[str], *, decided: bool) -> Sketch:
    """Draw a sub graph that one of its nodes leaves.

    Args:
        draw: Hypothesis.
        names: Where to in the graph around it: at most one of these.
        decided: Whether nothing else may run beside that node.
    """
    count = draw(st.integers(1, 3))
    chunks = tuple(draw(st.lists(st.integers(0, 2), min_size=count, max_size=count)))
    edges = tuple((number - 1, number) for number in range(count)) if decided else forward(draw, count)
    leaving = draw(st.integers(0, count - 1))
    to = tuple(draw(st.lists(st.sampled_from(names), max_size=1))) if names else ()
    manners = {leaving: Manner(asks=draw(st.integers(0, 1)), leaves=True, leaves_to=to)}
    return Sketch(chunks, edges, manners=manners)
