"""The tables of moves: everything that is not in them is refused and changes nothing."""

from __future__ import annotations

from typing import Any

import pytest

from riverrun.base.errors import IllegalMove
from riverrun.graph.moves import RUN_MOVES, STEP_MOVES, RunState, StepState, mermaid, move

TABLES: list[Any] = [(RUN_MOVES, RunState), (STEP_MOVES, StepState)]
EVERY = [
    (table, state, signal)
    for table, states in TABLES
    for state in states
    for signal in sorted({name for moves in table.values() for name in moves} | {"unheard of"})
]


@pytest.mark.parametrize(
    ("table", "state", "signal"), EVERY, ids=lambda each: getattr(each, "value", None) or str(each)[:9]
)
def test_a_move_is_made_exactly_when_the_table_has_it(table, state, signal):
    expected = table[state].get(signal)
    if expected is not None:
        assert expected is move(table, state, signal, "it")
        return
    with pytest.raises(IllegalMove) as caught:
        move(table, state, signal, "the one")
    assert "E3012" == caught.value.code
    for word in ("the one", state.value, repr(signal)):
        assert word in caught.value.message


@pytest.mark.parametrize(("table", "states"), TABLES, ids=["run", "step"])
def test_every_state_is_in_its_table_and_can_be_reached(table, states):
    assert set(states) == set(table)
    first = next(iter(states))
    seen, todo = {first}, [first]
    while todo:
        for after in table[todo.pop()].values():
            if after not in seen:
                seen.add(after)
                todo.append(after)
    assert set(states) == seen


def test_final_states_have_no_way_out():
    assert {RunState.ENDED} == {state for state, moves in RUN_MOVES.items() if not moves}
    assert {StepState.COMPLETED, StepState.FAILED, StepState.CANCELLED} == {
        state for state, moves in STEP_MOVES.items() if not moves
    }


@pytest.mark.parametrize(("table", "states"), TABLES, ids=["run", "step"])
def test_the_diagram_shows_every_move_and_every_end(table, states):
    lines = mermaid(table).splitlines()
    assert "stateDiagram-v2" == lines[0]
    expected = {
        f"    {s.value} --> {after.value}: {signal}" for s, moves in table.items() for signal, after in moves.items()
    }
    expected |= {f"    {state.value} --> [*]" for state, moves in table.items() if not moves}
    assert expected == set(lines[1:])
