"""What was asked of a store and what it answered, in the order in which it happened: the evidence for its laws.

Every process that talks to the store does so through a `RecordingStore`; all write into one `History`. It is kept as
JSONL, so that a history of real processes can be judged after all of them are dead (`riverrun.testing.laws`).

Nothing here judges.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal

import msgspec
from msgspec import Raw, Struct

from riverrun.base.errors import RiverrunError, StoreError
from riverrun.events.codec import encode
from riverrun.log.store import LogStore, Page, Renewal, RunKey, RunRow
from riverrun.testing.layer import Call, StoreLayer

Phase = Literal["asked", "given", "refused", "unknown"]


class Row(Struct, frozen=True, array_like=True):
    """What a store told of a run: its key, and who owns it since when."""

    key: RunKey
    log: str
    epoch: int
    head: int


class Lease(Struct, frozen=True, array_like=True):
    """One run of a renewal: who believes to hold it, whether it was lost, and what was asked of it."""

    key: RunKey
    epoch: int
    controls_after: int = 0
    lost: bool = False
    controls: tuple[tuple[int, str], ...] = ()  # number and content


class Entry(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of a history: a call was made, or it came to its end.

    Attributes:
        call: Number of the call; its two lines share it.
        at: Seconds, by one clock for all.
        by: Who called.
        verb: Of the store.
        phase: `asked`; then `given` (it was answered), `refused` (a coded no: it had no effect) or `unknown` (the store
            failed: nobody knows whether it had one). A call without an end is unknown too.
        code: Of the refusal.
        key: Which run.
        epoch: The fencing number: of the writer, or as a page tells it.
        after: Place of a read; the head that an append expects.
        limit: Of a read.
        head: As told by the answer.
        log: Id of the log, as told.
        status: As told.
        lines: The events that were sent or given, as JSON.
        idem_key: Of a create or a control.
        n: Number of a control.
        content: Of a control.
        worker: Who claims.
        rows: What a create, a claim or a list gave.
        leases: What a renewal was asked for, or gave.
    """

    call: int
    at: float
    by: str
    verb: str
    phase: Phase
    code: str = ""
    key: RunKey | None = None
    epoch: int = 0
    after: int = 0
    limit: int = 0
    head: int = 0
    log: str = ""
    status: str = ""
    lines: tuple[Raw, ...] = ()
    idem_key: str | None = None
    n: int = 0
    content: str = ""
    worker: str = ""
    rows: tuple[Row, ...] = ()
    leases: tuple[Lease, ...] = ()


class History:
    """Entries in the order in which they happened.

    Args:
        now: Gives seconds.

    Attributes:
        entries: All so far.
    """

    def __init__(self, now: Callable[[], float] = lambda: 0.0) -> None:
        self._now = now
        self._calls = 0
        self.entries: list[Entry] = []

    def ask(self, by: str, verb: str, **fields: Any) -> int:
        """Write down that a call is made.

        Args:
            by: Who calls.
            verb: Of the store.
            **fields: Of the entry.

        Returns:
            The number of the call.
        """
        self._calls += 1
        self.entries.append(Entry(call=self._calls, at=self._now(), by=by, verb=verb, phase="asked", **fields))
        return self._calls

    def answer(self, call: int, by: str, verb: str, phase: Phase, **fields: Any) -> None:
        """Write down how a call came to its end.

        Args:
            call: Its number.
            by: Who called.
            verb: Of the store.
            phase: How it ended.
            **fields: Of the entry.
        """
        self.entries.append(Entry(call=call, at=self._now(), by=by, verb=verb, phase=phase, **fields))


def to_lines(entries: Iterable[Entry]) -> bytes:
    """Write entries as JSONL.

    Args:
        entries: In order.

    Returns:
        One line per entry.
    """
    return b"".join(msgspec.json.encode(entry) + b"\n" for entry in entries)


def from_lines(data: bytes) -> list[Entry]:
    """Read entries from JSONL. A last line that was cut off, because its writer was killed, is left out.

    Args:
        data: Whole lines, and perhaps a part of one.

    Returns:
        The entries.

    Raises:
        msgspec.DecodeError: A whole line is no entry.
    """
    whole, _, _ = data.rpartition(b"\n")
    return [msgspec.json.decode(line, type=Entry) for line in whole.split(b"\n") if line]


class RecordingStore(StoreLayer):
    """Write down what one process asks of a store, and what it is told.

    Args:
        inner: The store as this process reaches it: faults belong below this layer.
        history: Where to write.
        by: Who asks.
    """

    def __init__(self, inner: LogStore, history: History, by: str) -> None:
        super().__init__(inner)
        self._history = history
        self._by = by

    async def around(self, call: Call) -> Any:
        """Carry out a call between two entries.

        Raises:
            RiverrunError: What the verb raises.
        """
        asked, told = _ENTRIES.get(call.verb, (None, None))
        if asked is None or told is None:
            return await call(self.inner)
        number = self._history.ask(self._by, call.verb, **asked(call))
        try:
            given = await call(self.inner)
        except RiverrunError as error:
            self._failed(number, call, error)
            raise
        self._history.answer(number, self._by, call.verb, "given", **told(call, given))
        return given

    def around_now(self, call: Call) -> Any:
        """Carry out a renewal between two entries.

        Raises:
            RiverrunError: What the verb raises.
        """
        held = call.argument("held")
        number = self._history.ask(self._by, call.verb, leases=tuple(Lease(*one) for one in held))
        try:
            renewal: Renewal = call(self.inner)
        except RiverrunError as error:
            self._failed(number, call, error)
            raise
        leases = tuple(_lease_told(one, renewal) for one in held)
        self._history.answer(number, self._by, call.verb, "given", leases=leases)
        return renewal

    def _failed(self, number: int, call: Call, error: RiverrunError) -> None:
        phase: Phase = "unknown" if isinstance(error, StoreError) else "refused"
        self._history.answer(number, self._by, call.verb, phase, code=error.code)


# --- what stands in the two entries of each verb ---


def _lease_told(held: Any, renewal: Renewal) -> Lease:
    key, epoch, controls_after = held
    controls = tuple((one.n, content_of(one.kind, one.payload)) for one in renewal.controls.get(key, ()))
    return Lease(key, epoch, controls_after, key in renewal.lost, controls)


def content_of(kind: str, payload: object) -> str:
    """Give what a control asks for, in one text that can be compared."""
    return f"{kind} {msgspec.json.encode(payload, order='sorted').decode()}"


def row_of(row: RunRow) -> Row:
    """Give what a history keeps of a row."""
    return Row(row.key, row.log, row.epoch, row.head)


def _create_asked(call: Call) -> dict[str, Any]:
    started = call.argument("started")
    prefix = call.argument("prefix") or ()
    key = RunKey(call.argument("tenant"), started.run)
    lines = lines_of((started, *prefix))
    return {"key": key, "lines": lines, "log": started.log, "idem_key": call.argument("idem_key")}


def _append_asked(call: Call) -> dict[str, Any]:
    lines = lines_of(call.argument("events"))
    key, epoch, expected = call.argument("key"), call.argument("epoch"), call.argument("expected_seq")
    return {"key": key, "epoch": epoch, "after": expected, "lines": lines}


def _read_asked(call: Call) -> dict[str, Any]:
    return {"key": call.argument("key"), "after": call.argument("after"), "limit": call.argument("limit")}


def _read_given(call: Call, page: Page) -> dict[str, Any]:
    lines = tuple(Raw(record.data) for record in page.records)
    told = {"head": page.head, "epoch": page.epoch, "status": page.status, "log": page.log}
    return {"key": call.argument("key"), "after": call.argument("after"), "lines": lines, **told}


def _control_asked(call: Call) -> dict[str, Any]:
    content = content_of(call.argument("kind"), call.argument("payload"))
    return {"key": call.argument("key"), "content": content, "idem_key": call.argument("idem_key")}


def lines_of(events: Iterable[Any]) -> tuple[Raw, ...]:
    """Give events as the JSON that a store keeps."""
    return tuple(Raw(encode(event)) for event in events)


_Asked = Callable[[Call], dict[str, Any]]
_Told = Callable[[Call, Any], dict[str, Any]]
_ENTRIES: dict[str, tuple[_Asked, _Told]] = {
    "create": (_create_asked, lambda _, made: {"rows": (row_of(made.row),), "n": int(made.fresh)}),
    "claim": (
        lambda call: {"worker": call.argument("worker")},
        lambda _, rows: {"rows": tuple(map(row_of, rows))},
    ),
    "append": (_append_asked, lambda _, head: {"head": head}),
    "read": (_read_asked, _read_given),
    "wait": (lambda call: {"key": call.argument("key"), "after": call.argument("after")}, lambda _call, _none: {}),
    "control": (
        _control_asked,
        lambda _, control: {"n": control.n, "content": content_of(control.kind, control.payload)},
    ),
    "list": (lambda _: {}, lambda _, rows: {"rows": tuple(map(row_of, rows))}),
}
