"""Durable streams in the making: what the tests of their rules need."""

from __future__ import annotations

from hypothesis import strategies as st

from riverrun.log.drafting import began
from riverrun.log.durable import Config, Producer, State

RUN = "0" * 32
PLAIN = Config(path="a/b", content_type="text/plain")


def born(config=PLAIN, *, pieces=(), closed=False, now_ms=1_000):
    started, others = began(config, run=RUN, log="0a1b2c3d", now_ms=now_ms, pieces=pieces, closed=closed)
    return State(started).fold(others), [started, *others]


def shown(state):
    plain = {name: value for name, value in vars(state).items() if name not in {"producers", "forks"}}
    return {**plain, "producers": dict(state.producers), "forks": set(state.forks), "tail": state.tail}


STEPS = st.one_of(
    st.tuples(st.just("piece"), st.binary(min_size=1, max_size=8)),
    st.tuples(st.just("writer"), st.builds(Producer, st.sampled_from("pq"), st.integers(0, 3), st.integers(0, 3))),
    st.tuples(st.just("close"), st.none()),
    st.tuples(st.just("touch"), st.none()),
    st.tuples(st.just("fork"), st.sampled_from(["1" * 32, "2" * 32])),
    st.tuples(st.just("delete"), st.just("deleted")),
)


def carry_out(draft, steps):
    for name, value in steps:
        if draft.state.ended:
            break
        if name == "writer":
            draft.writer(value, str(value.seq))
        elif value is None:
            getattr(draft, name)()
        else:
            getattr(draft, name)(value)
