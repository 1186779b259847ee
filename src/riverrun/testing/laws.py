"""Judge a history by the laws of stores, offline: what was asked and answered is all that is looked at.

The laws are those of `riverrun.log.store`, as far as a history shows them:

* L1  a page goes on right after the place that was asked for, without a hole, each event at its own seq
* L2  a page shows only what somebody sent who was not refused, and all that was acknowledged before it was asked for
* L3  what was acknowledged or read at a place stays what it is
* L4  an owner's epoch is above every one that was given before; epochs do not fall along seq
* L5  an epoch has one owner; after a claim the epochs below it can append nothing, and a renewal tells them so
* L6  one terminal event at most, nothing after it, and the status says so
* L7  an append is there whole or not at all, and never a second time
* L9  a control is kept once per key, numbered without a hole, and brought to the owner in that order
* L10 nothing is told to a tenant of what another one made
* L11 a place beyond the head, or of another log, is refused

L8 (stored checkpoints) leaves no trace in a history. Two calls overlap when the one was asked before the other was
answered: such a pair may have happened in either order, and is judged so.

This file does not know stores, and takes nobody's word but the history's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import count
from typing import Any

import msgspec
from msgspec import Struct

from riverrun.log.store import RunKey
from riverrun.testing.history import Entry, Lease, Row

_TAKEN_OVER = "run.taken_over"
_TERMINAL = frozenset({"run.completed", "run.failed", "run.stopped", "run.timed_out", "run.lost"})


class Breach(Struct, frozen=True):
    """A law that a history shows broken.

    Attributes:
        law: Its number.
        what: What is wrong.
        call: Number of the call that shows it; 0: the history as a whole.
    """

    law: str
    what: str
    call: int = 0

    def __str__(self) -> str:
        return f"{self.law} (call {self.call}): {self.what}"


class _Fact(Struct, frozen=True):
    """What of an event matters here."""

    seq: int
    type: str
    epoch: int = 0
    worker: str = ""


class _Writing(Struct):
    """One append, or a create, while nobody knows yet what became of it.

    `floor` and `fence` are what was known when it was asked: the highest head and the highest epoch.
    """

    entry: Entry
    floor: int
    fence: int
    phase: str = "unknown"


class _Run:
    """What a history says of one run, so far."""

    def __init__(self, key: RunKey) -> None:
        self.key = key
        self.log = ""
        self.head = 0  # the highest that was acknowledged or told
        self.epoch = 0  # the highest that was given to an owner, or told
        self.lines: dict[int, bytes] = {}
        self.writers: dict[tuple[int, bytes], list[_Writing]] = {}
        self.writings: list[_Writing] = []
        self.owners: dict[int, int] = {}  # by epoch: the call that gave it
        self.controls: dict[int, str] = {}
        self.asked: dict[str, tuple[int, str]] = {}  # by idempotency key
        self.unanswered = 0  # how many controls were sent of which nobody knows what became
        self.heard: dict[int, int] = {}  # by call that is under way: how many controls it must at least tell of


def check_history(entries: Iterable[Entry]) -> list[Breach]:
    """Look for broken laws.

    Args:
        entries: Of one store, from its beginning, in the order in which they were written.

    Returns:
        What was found, in that order; nothing when all is well.
    """
    judge = _Judge()
    for entry in entries:
        judge.take(entry)
    judge.close()
    return judge.breaches


class _Judge:
    """Goes through a history once."""

    def __init__(self) -> None:
        self.breaches: list[Breach] = []
        self._runs: dict[RunKey, _Run] = {}
        self._claimants: set[str] = set()
        self._asked: dict[int, tuple[Entry, dict[RunKey, tuple[int, int]]]] = {}
        self._open: dict[int, _Writing] = {}

    def take(self, entry: Entry) -> None:
        """Take in one entry."""
        if entry.phase == "asked":
            self._note(entry)
            return
        asked, known = self._asked.pop(entry.call, (entry, {}))
        writing = self._open.pop(entry.call, None)
        if writing is not None:
            writing.phase = entry.phase
        if entry.verb == "control" and entry.phase != "unknown":
            self._run(asked.key).unanswered -= 1
        if entry.phase == "given":
            judge = _VERBS.get(entry.verb)
            if judge is not None:
                judge(self, asked, entry, known)

    def close(self) -> None:
        """Judge what only the whole history shows."""
        for run in self._runs.values():
            self._judge_writings(run)
            self._judge_ends(run)
            missing = sorted(set(range(1, max(run.controls, default=0) + 1)) - set(run.controls))
            if len(missing) > run.unanswered:  # one whose sender never heard of it has a number all the same
                self._breach("L9", f"no control of run {run.key.run} has the number {missing[0]}")

    # --- what is asked ---

    def _note(self, entry: Entry) -> None:
        """Keep what was known when a call was made: later it is judged by that."""
        keys = [entry.key] if entry.key is not None else [lease.key for lease in entry.leases]
        known = {key: (run.head, run.epoch) for key in keys if (run := self._runs.get(key)) is not None}
        if entry.verb in ("claim", "list"):
            known = {key: (run.head, run.epoch) for key, run in self._runs.items()}
        self._asked[entry.call] = (entry, known)
        if entry.verb == "claim":
            self._claimants.add(entry.worker)
        elif entry.verb in ("create", "append") and entry.key is not None:
            self._note_writing(entry, entry.key)
        elif entry.verb == "control":
            self._run(entry.key).unanswered += 1
        elif entry.verb == "renew":
            for lease in entry.leases:
                run = self._run(lease.key)
                run.heard[entry.call] = len(run.controls)

    def _note_writing(self, entry: Entry, key: RunKey) -> None:
        run = self._run(key)
        writing = _Writing(entry, run.head, run.epoch)
        run.writings.append(writing)
        self._open[entry.call] = writing
        for seq, line in enumerate(entry.lines, entry.after + 1):
            run.writers.setdefault((seq, bytes(line)), []).append(writing)
            if _fact(line).seq != seq:
                self._breach("L1", f"event {_fact(line).seq} was sent to place {seq}", entry)

    # --- what is answered ---

    def _created(self, asked: Entry, entry: Entry, _known: Any) -> None:
        for row in entry.rows:
            if asked.key is not None and row.key.tenant != asked.key.tenant:
                self._breach("L10", f"{asked.key.tenant} was given run {row.key.run} of {row.key.tenant}", entry)
        if entry.n and asked.key is not None:  # made by this call
            self._confirm(self._run(asked.key), asked, entry)
            self._own(entry.rows, entry, {})

    def _appended(self, asked: Entry, entry: Entry, known: dict[RunKey, tuple[int, int]]) -> None:
        run = self._run(asked.key)
        head, epoch = known.get(run.key, (0, 0))
        if asked.epoch < epoch:
            self._breach("L5", f"epoch {asked.epoch} appended although {epoch} was given away before", entry)
        if asked.after < head:
            self._breach("L7", f"an append after {asked.after} was taken although the head was {head}", entry)
        if entry.head != asked.after + len(asked.lines):
            self._breach("L1", f"{len(asked.lines)} events after {asked.after} gave the head {entry.head}", entry)
        self._confirm(run, asked, entry)

    def _read(self, asked: Entry, entry: Entry, known: dict[RunKey, tuple[int, int]]) -> None:
        run = self._run(asked.key)
        self._judge_tenant(run, entry)
        head, epoch = known.get(run.key, (0, 0))
        if asked.after > entry.head:
            self._breach("L11", f"a read after {asked.after} was answered, the head being {entry.head}", entry)
        if entry.log != run.log and run.log:
            self._breach("L11", f"log {entry.log} was given for log {run.log}", entry)
        if entry.head < head:
            self._breach("L2", f"the head is told as {entry.head}, but {head} was acknowledged before", entry)
        if entry.epoch < epoch:
            self._breach("L4", f"the epoch is told as {entry.epoch}, but {epoch} was given before", entry)
        if asked.limit > 0 and entry.head > asked.after and not entry.lines:
            self._breach("L1", f"nothing was given after {asked.after}, the head being {entry.head}", entry)
        self._judge_page(run, asked, entry)
        run.log = run.log or entry.log
        run.head, run.epoch = max(run.head, entry.head), max(run.epoch, entry.epoch)

    def _judge_page(self, run: _Run, asked: Entry, entry: Entry) -> None:
        last = asked.after
        for seq, line in enumerate(entry.lines, asked.after + 1):
            fact = _fact(line)
            last = seq
            if fact.seq != seq:
                self._breach("L1", f"event {fact.seq} was given at place {seq}", entry)
            if fact.type == _TAKEN_OVER and (seq, bytes(line)) not in run.writers:
                if fact.worker not in self._claimants:
                    self._breach("L2", f"event {seq} says that {fact.worker} took the run, who never claimed", entry)
            elif (seq, bytes(line)) not in run.writers:
                self._breach("L2", f"event {seq} was sent by nobody", entry)
            self._settle(run, seq, bytes(line), entry)
        if entry.lines and last > entry.head:
            self._breach("L2", f"event {last} was given, the head being {entry.head}", entry)
        if last == entry.head and entry.lines:
            ended = _fact(entry.lines[-1]).type in _TERMINAL
            if ended != (entry.status == "ended"):
                self._breach("L6", f"the status is {entry.status!r} at event {last}", entry)

    def _claimed(self, _asked: Entry, entry: Entry, known: dict[RunKey, tuple[int, int]]) -> None:
        self._own(entry.rows, entry, known)

    def _own(self, rows: Iterable[Row], entry: Entry, known: dict[RunKey, tuple[int, int]]) -> None:
        """Judge who was given a run, and from now on hold everybody to it."""
        for row in rows:
            run = self._run(row.key)
            self._judge_tenant(run, entry)
            if row.epoch:
                if row.epoch in run.owners:
                    self._breach("L5", f"epoch {row.epoch} of run {row.key.run} was given twice", entry)
                if row.epoch <= known.get(row.key, (0, 0))[1]:
                    self._breach("L4", f"epoch {row.epoch} of run {row.key.run} was given after a higher one", entry)
                run.owners[row.epoch] = entry.call
            run.log = run.log or row.log
            run.head, run.epoch = max(run.head, row.head), max(run.epoch, row.epoch)

    def _listed(self, _asked: Entry, entry: Entry, known: dict[RunKey, tuple[int, int]]) -> None:
        for row in entry.rows:
            run = self._run(row.key)
            self._judge_tenant(run, entry)
            head, epoch = known.get(row.key, (0, 0))
            if row.head < head:
                self._breach("L2", f"the head is told as {row.head}, but {head} was acknowledged before", entry)
            if row.epoch < epoch:
                self._breach("L4", f"the epoch is told as {row.epoch}, but {epoch} was given before", entry)

    def _renewed(self, asked: Entry, entry: Entry, known: dict[RunKey, tuple[int, int]]) -> None:
        for lease in entry.leases:
            run = self._run(lease.key)
            heard = run.heard.pop(asked.call, 0)
            if lease.lost:
                continue
            if lease.epoch < known.get(lease.key, (0, 0))[1]:
                self._breach("L5", f"epoch {lease.epoch} of run {lease.key.run} was renewed after it was lost", entry)
                continue
            self._judge_inbox(run, lease, heard, entry)

    def _judge_inbox(self, run: _Run, lease: Lease, heard: int, entry: Entry) -> None:
        numbers = [number for number, _ in lease.controls]
        if numbers != list(range(lease.controls_after + 1, lease.controls_after + 1 + len(numbers))):
            self._breach("L9", f"controls {numbers} were brought after {lease.controls_after}", entry)
        elif lease.controls_after + len(numbers) < heard:
            self._breach("L9", f"only {numbers} of {heard} controls were brought after {lease.controls_after}", entry)
        for number, content in lease.controls:
            if run.controls.setdefault(number, content) != content:
                self._breach("L9", f"control {number} was brought as another than it was asked", entry)

    def _asked_for(self, asked: Entry, entry: Entry, _known: Any) -> None:
        run = self._run(asked.key)
        self._judge_tenant(run, entry)
        if asked.idem_key is not None:
            first = run.asked.setdefault(asked.idem_key, (entry.n, entry.content))
            if first != (entry.n, entry.content):
                self._breach("L9", f"key {asked.idem_key!r} has the controls {first[0]} and {entry.n}", entry)
            if run.controls.setdefault(entry.n, entry.content) != entry.content:
                self._breach("L9", f"control {entry.n} is two", entry)
        elif run.controls.get(entry.n) not in (None, entry.content):
            self._breach("L9", f"control {entry.n} is two", entry)
        else:
            run.controls[entry.n] = entry.content

    # --- what holds in any case ---

    def _confirm(self, run: _Run, asked: Entry, entry: Entry) -> None:
        """Take note that what was sent is in the log."""
        for seq, line in enumerate(asked.lines, asked.after + 1):
            self._settle(run, seq, bytes(line), entry)
        run.log = run.log or asked.log
        run.head = max(run.head, asked.after + len(asked.lines))

    def _settle(self, run: _Run, seq: int, line: bytes, entry: Entry) -> None:
        if run.lines.setdefault(seq, line) != line:
            self._breach("L3", f"event {seq} of run {run.key.run} is not what it was", entry)

    def _judge_tenant(self, run: _Run, entry: Entry) -> None:
        """Complain when a run is told of under a tenant who never made it, while another one did."""
        if not run.writings and any(
            other.key.run == run.key.run and other.writings for other in self._runs.values() if other is not run
        ):
            self._breach("L10", f"{run.key.tenant} was told of run {run.key.run}, which is another's", entry)

    def _judge_writings(self, run: _Run) -> None:
        """Judge what became of everything that was sent: it is there whole, or not at all, as its sender was told."""
        for writing in run.writings:
            lines = [bytes(line) for line in writing.entry.lines]
            places = list(zip(count(writing.entry.after + 1), lines, strict=False))
            there = [run.lines.get(seq) == line for seq, line in places if seq in run.lines or seq <= run.head]
            if any(there) and not all(there):
                self._breach("L7", f"only a part of what was sent after {writing.entry.after} is there", writing.entry)
            if writing.phase == "refused" and any(there):
                others = (one for place in places for one in run.writers[place] if one.phase != "refused")
                if next(others, None) is None:
                    self._breach("L2", f"what was refused after {writing.entry.after} is there", writing.entry)

    def _judge_ends(self, run: _Run) -> None:
        last = max(run.lines, default=0)
        ends = [seq for seq, line in run.lines.items() if _fact(line).type in _TERMINAL]
        for seq in ends:
            if seq != max(last, run.head):
                self._breach("L6", f"run {run.key.run} ended at {seq} and goes on to {max(last, run.head)}")
        highest = 0
        for seq, epoch in self._epochs(run):
            if epoch < highest:
                self._breach("L4", f"event {seq} of run {run.key.run} is of epoch {epoch}, after {highest}")
            highest = max(highest, epoch)

    @staticmethod
    def _epochs(run: _Run) -> Iterator[tuple[int, int]]:
        """Give the epoch of each event of which it is known who wrote it; what came with a create is of none."""
        for seq in sorted(run.lines):
            line = run.lines[seq]
            writings = [one.entry for one in run.writers.get((seq, line), ()) if one.phase != "refused"]
            epochs = {entry.epoch for entry in writings}
            if any(entry.verb == "create" for entry in writings):
                continue
            if _fact(line).type == _TAKEN_OVER:
                yield seq, _fact(line).epoch
            elif len(epochs) == 1:
                yield seq, epochs.pop()

    def _run(self, key: RunKey | None) -> _Run:
        key = key or RunKey("", "")
        run = self._runs.get(key)
        if run is None:
            run = self._runs[key] = _Run(key)
        return run

    def _breach(self, law: str, what: str, entry: Entry | None = None) -> None:
        self.breaches.append(Breach(law, what, entry.call if entry is not None else 0))


def _fact(line: Any) -> _Fact:
    return msgspec.json.decode(line, type=_Fact)


_VERBS: dict[str, Any] = {
    "create": _Judge._created,  # noqa: SLF001  # its own class, as a table
    "append": _Judge._appended,  # noqa: SLF001
    "read": _Judge._read,  # noqa: SLF001
    "claim": _Judge._claimed,  # noqa: SLF001
    "list": _Judge._listed,  # noqa: SLF001
    "renew": _Judge._renewed,  # noqa: SLF001
    "control": _Judge._asked_for,  # noqa: SLF001
}
