"""What came of a world, judged: everybody was told what the log holds, and the log is what it must be.

The numbers are those that count in the end: what was acknowledged and is not there, what a reader was given twice or
in the wrong order. Nothing here knows what went wrong in the world, or was meant to.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from msgspec import Struct, field

from riverrun.base.errors import RiverrunError
from riverrun.events.codec import decode
from riverrun.events.kinds import Event, NodeRetrying, RunStarted
from riverrun.graph.plan import Plan
from riverrun.graph.replay import replay
from riverrun.log.store import RunKey
from riverrun.log.view import View
from riverrun.testing.history import Entry
from riverrun.testing.laws import check_history
from riverrun.testing.world import Reader, World


class Tally(Struct, kw_only=True):
    """What was done and found, in numbers that can be added up.

    Attributes:
        faults: Calls of the store that went wrong, processes that were killed or stood still, clocks that were set.
        runs: How many ended.
        acknowledged: Events whose append was acknowledged.
        lost: Of these, how many are not in the log; and events of the log that a reader does not have.
        repeated: How often a reader was given an event that it had.
        reordered: How often a reader was given an event before one that stands before it.
    """

    faults: int = 0
    runs: int = 0
    acknowledged: int = 0
    lost: int = 0
    repeated: int = 0
    reordered: int = 0

    def add(self, other: Tally) -> None:
        """Add what another one counted."""
        for name in self.__struct_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


class Outcome(Struct, kw_only=True):
    """What came of one world.

    Attributes:
        tally: In numbers.
        problems: What should not have been, in words; empty when all is well.
        history: All calls of the store.
        endings: How the runs ended, in the order in which they were acknowledged.
        states: What their logs fold to.
        checkpoints: How many folds began with a checkpoint.
    """

    tally: Tally = field(default_factory=Tally)
    problems: list[str] = field(default_factory=list)
    history: list[Entry] = field(default_factory=list)
    endings: list[str] = field(default_factory=list)
    states: list[dict[str, Any]] = field(default_factory=list)
    checkpoints: int = 0


async def judge(world: World, readers: list[Reader], plans: dict[str, Plan]) -> Outcome:
    """Compare what everybody was told with what the logs hold, and the history with the laws.

    Args:
        world: In which all runs have ended.
        readers: Who read to the end.
        plans: The graphs, by name.

    Returns:
        What was found.
    """
    # As it is now: a fork that nobody heard of may still be going on.
    outcome = Outcome(history=list(world.history.entries))
    outcome.tally.faults = world.faults
    outcome.problems += world.broken
    outcome.problems += map(str, check_history(outcome.history))
    kept: dict[RunKey, dict[int, bytes]] = {}
    appended = {entry.key for entry in outcome.history if entry.verb == "append" and entry.key is not None}
    for key in appended.difference(world.keys):  # made, but their users never heard of it
        kept[key] = {record.seq: record.data for record in (await world.store.read(key, 0, 1_000_000)).records}
    for key in world.keys:
        page = await world.store.read(key, 0, 1_000_000)
        kept[key] = {record.seq: record.data for record in page.records}
        log = [record.event for record in page.records]
        outcome.tally.runs += 1
        outcome.endings.append(log[-1].type)
        outcome.problems += _problems_of_log(key, log)
        outcome.problems += _problems_of_calls(key, log, max(page.epoch, 1), world)
        await _judge_state(world, key, log, plans, outcome)
    _count_acknowledged(kept, outcome)
    for reader in readers:
        _judge_reader(reader, kept[reader.key], outcome)
    for name in ("lost", "repeated", "reordered"):
        if getattr(outcome.tally, name):
            outcome.problems.append(f"{getattr(outcome.tally, name)} events {name}")
    return outcome


def _problems_of_log(key: RunKey, log: list[Event]) -> list[str]:
    problems = []
    if [event.seq for event in log] != list(range(1, len(log) + 1)):
        problems.append(f"the log of {key.run} is not dense")
    if [event.terminal for event in log] != [False] * (len(log) - 1) + [True]:
        problems.append(f"the log of {key.run} has not one terminal event, at its end: {[one.type for one in log]}")
    return problems


def _problems_of_calls(key: RunKey, log: list[Event], owners: int, world: World) -> list[str]:
    """Count executions: each runs once, once more for each owner after the first, and for each attempt told of."""
    often = Counter(exec_id for run, exec_id in world.calls if run == key.run)
    again = Counter(one.exec for one in log if isinstance(one, NodeRetrying) and one.reason != "taken_over")
    return [
        f"{exec_id} ran {times} times under {owners} owners, and was to run {again[exec_id]} times more"
        for exec_id, times in often.items()
        if times > owners + again[exec_id]
    ]


async def _judge_state(world: World, key: RunKey, log: list[Event], plans: dict[str, Plan], outcome: Outcome) -> None:
    """Compare what a worker says of the state with what the log folds to."""
    started = log[0]
    assert isinstance(started, RunStarted)
    try:
        folded = replay(plans[started.graph], key.run, log).values()
    except RiverrunError as error:
        outcome.problems.append(f"the log of {key.run} does not replay: {error}")
        folded = {}
    else:
        told = await world.state(key)
        if told != folded:
            outcome.problems.append(f"the state of {key.run} is told as {told}, and folds to {folded}")
    outcome.states.append(folded)


def _count_acknowledged(kept: dict[RunKey, dict[int, bytes]], outcome: Outcome) -> None:
    asked = {entry.call: entry for entry in outcome.history if entry.phase == "asked" and entry.verb == "append"}
    for entry in outcome.history:
        if entry.phase == "given" and entry.call in asked:
            sent = asked[entry.call]
            log = kept.get(sent.key, {}) if sent.key is not None else {}
            outcome.tally.acknowledged += len(sent.lines)
            places = enumerate(sent.lines, sent.after + 1)
            outcome.tally.lost += sum(log.get(seq) != bytes(line) for seq, line in places)


def _judge_reader(reader: Reader, log: dict[int, bytes], outcome: Outcome) -> None:
    had: set[int] = set()
    last = 0
    for seq, _ in reader.lines:
        outcome.tally.repeated += seq in had
        outcome.tally.reordered += seq < last
        had.add(seq)
        last = max(last, seq)
    outcome.tally.lost += len(log.keys() - had)
    if any(log.get(seq) != line for seq, line in reader.lines):
        outcome.problems.append(f"a reader of {reader.key.run} has something else than the log holds")
    view = View()
    for event in map(decode, log.values()):
        view.apply(event)
    if _shown(view) != _shown(reader.view):
        outcome.problems.append(f"a reader of {reader.key.run} shows something else than the log says")


def _shown(view: View) -> object:
    """Give all that a view shows."""
    texts = {name: (message.node, message.key, message.chunks) for name, message in view.messages.items()}
    return view.place, view.log, texts, view.nodes, view.voided, view.takeovers, view.ending, view.error
