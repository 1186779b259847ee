"""Every error that Riverrun raises, in one tree, so that a caller can catch by duty and a reader can act by code.

An error is a product: it has a code (`riverrun explain CODE`), says what happened, where, and how to mend it.
The left half of the tree is for the caller to mend, the right half is for the world; `temporary` says whether the
same call may succeed later. How a *run* ended is data (`riverrun.events.ending`), not an exception.

    RiverrunError
    ├── Misuse              the caller can mend it
    │   ├── GraphError          a graph that cannot be compiled
    │   ├── InputError          a value, option or request that cannot be taken
    │   ├── NotFound            no such run, graph or node (for this tenant)
    │   ├── CursorError         a place that the log does not have
    │   ├── LoadError           a module or object that cannot be imported
    │   └── IllegalMove         a machine was given a signal that its state does not allow
    └── Fault               the world can mend it
        ├── NodeError           user code failed, or gave back what a node may not give back
        ├── RunFailed           the run that was waited for ended without a result
        ├── StoreError          the store cannot be read or written
        ├── Fenced              another owner has the run: write nothing more
        ├── HeadMoved           the log is not where the writer thought it was
        ├── Busy                a stated limit is reached: try again later
        ├── ConnectionFault     the server cannot be reached, or left without a terminal event
        └── ProtocolFault       the other side sent what PROTOCOL.md does not allow

Outside the tree, because nobody may take it for a failure:

    Interrupted             a node waits for an answer (let it pass)

This file knows nothing of HTTP, of a terminal, or of any store.
"""

from __future__ import annotations

from typing import Any


class RiverrunError(Exception):
    """Say what went wrong, where, and how to mend it.

    Args:
        code: A key of `riverrun.base.codes.CODES`, for example `"E1003"`.
        message: What happened, one sentence, with the names involved.
        where: The place: a node, a key, `file:line`, a path; empty when the message says it all.
        mend: What to do; the catalogue's advice when empty.
    """

    temporary = False

    def __init__(self, code: str, message: str, *, where: str = "", mend: str = "") -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.where = where
        if not mend:
            from riverrun.base.codes import CODES  # noqa: PLC0415  # 2 ms of every import, for those who meet an error

            mend = CODES[code].mend
        self.mend = mend

    def __str__(self) -> str:
        place = f" ({self.where})" if self.where else ""
        return f"{self.code} {self.message}{place}. {self.mend}"

    def __reduce__(self) -> tuple[object, ...]:
        # The dictionary brings along what a subclass adds, such as `retry_after`.
        return _rebuild, (type(self), self.code, self.message, self.where, self.mend), self.__dict__


def _rebuild(kind: type[RiverrunError], code: str, message: str, where: str, mend: str) -> RiverrunError:
    return kind(code, message, where=where, mend=mend)


class Misuse(RiverrunError):
    """The caller can mend it."""


class GraphError(Misuse):
    """A graph cannot be compiled."""


class InputError(Misuse):
    """A value, an option or a request cannot be taken."""


class NotFound(Misuse):
    """There is no such run, graph or node for this tenant."""


class CursorError(Misuse):
    """A place was named that the log does not have.

    Args:
        code: As in `RiverrunError`.
        message: As in `RiverrunError`.
        where: As in `RiverrunError`.
        mend: As in `RiverrunError`.
        head: seq of the last committed event, where it is known.
        floor: seq before the first event that retention left, where it is known.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        where: str = "",
        mend: str = "",
        head: int | None = None,
        floor: int | None = None,
    ) -> None:
        super().__init__(code, message, where=where, mend=mend)
        self.head = head
        self.floor = floor


class LoadError(Misuse):
    """A module or an object cannot be imported."""


class IllegalMove(Misuse):
    """A machine was given a signal that its state does not allow; nothing changed."""


class Fault(RiverrunError):
    """The world can mend it."""


class NodeError(Fault):
    """User code failed, or gave back what a node may not give back."""


class RunFailed(Fault):
    """The run that was waited for ended without a result."""


class StoreError(Fault):
    """The store cannot be read or written."""


class Fenced(Fault):
    """Another owner has the run: write nothing more."""


class HeadMoved(Fault):
    """The log is not where the writer thought it was."""


class Busy(Fault):
    """A stated limit is reached: try again later.

    Args:
        code: As in `RiverrunError`.
        message: As in `RiverrunError`.
        where: As in `RiverrunError`.
        mend: As in `RiverrunError`.
        retry_after: Seconds after which a new try makes sense.
    """

    temporary = True

    def __init__(self, code: str, message: str, *, where: str = "", mend: str = "", retry_after: float = 1.0) -> None:
        super().__init__(code, message, where=where, mend=mend)
        self.retry_after = retry_after


class ConnectionFault(Fault):
    """The server cannot be reached, or left without a terminal event."""

    temporary = True


class ProtocolFault(Fault):
    """The other side sent what PROTOCOL.md does not allow."""


class Interrupted(BaseException):
    """A node asks something and ends here; it runs again with the answer.

    No `Exception`, so that `except Exception` in a node does not swallow it.
    """

    def __init__(self, place: int, value: Any, schema: Any = None, problem: str = "") -> None:
        super().__init__(value)
        self.place = place
        self.value = value
        self.schema = schema
        self.problem = problem
