"""A store around another: every verb of `LogStore` passes through one place, where a test can look and interfere.

A layer commits nothing at once (`append_now`), whatever it is wrapped around: what goes through it behaves like a store
on a disk. Verbs are passed on as they were called, so a verb that learns a new argument needs no change here.
"""

from __future__ import annotations

import inspect
from typing import Any, Final

from riverrun.log.store import Control, Created, KeepsCheckpoints, Kept, LogStore, Page, Renewal, RunRow

_NAMES = {
    name: tuple(inspect.signature(verb).parameters)[1:]
    for seam in (LogStore, KeepsCheckpoints)
    for name, verb in vars(seam).items()
    if inspect.isfunction(verb) and not name.startswith("_")
}
VERBS: Final = tuple(name for name in _NAMES if name != "close")


class Call:
    """One call of a verb.

    Attributes:
        verb: Its name.
    """

    __slots__ = ("_args", "_options", "verb")

    def __init__(self, verb: str, args: tuple[Any, ...], options: dict[str, Any]) -> None:
        self.verb = verb
        self._args = args
        self._options = options

    def __call__(self, store: LogStore) -> Any:
        """Call the verb of a store, as it was called."""
        return getattr(store, self.verb)(*self._args, **self._options)

    def argument(self, name: str, default: object = None) -> Any:
        """Give an argument by its name in `LogStore`, however it was passed.

        Args:
            name: The name.
            default: What to give when it was left out.

        Returns:
            Its value.
        """
        if name in self._options:
            return self._options[name]
        place = _NAMES[self.verb].index(name) if name in _NAMES[self.verb] else len(self._args)
        return self._args[place] if place < len(self._args) else default


class StoreLayer:
    """Pass every verb on (`LogStore`). What extends it overrides `around`, and `around_now` for `renew`.

    Args:
        inner: The store, or the next layer.

    Attributes:
        inner: As given.
    """

    def __init__(self, inner: LogStore) -> None:
        self.inner = inner

    async def around(self, call: Call) -> Any:
        """Carry out a verb that is a coroutine: all but `renew`.

        Args:
            call: What was called.

        Returns:
            What the verb gives.

        Raises:
            RiverrunError: What the verb raises.
        """
        return await call(self.inner)

    def around_now(self, call: Call) -> Any:
        """Carry out `renew`, from any thread.

        Args:
            call: What was called.

        Returns:
            What the verb gives.

        Raises:
            RiverrunError: What the verb raises.
        """
        return call(self.inner)

    async def create(self, *args: Any, **options: Any) -> Created:
        """Do as `LogStore.create`."""
        made: Created = await self.around(Call("create", args, options))
        return made

    async def claim(self, *args: Any, **options: Any) -> list[RunRow]:
        """Do as `LogStore.claim`."""
        rows: list[RunRow] = await self.around(Call("claim", args, options))
        return rows

    async def append(self, *args: Any, **options: Any) -> int:
        """Do as `LogStore.append`."""
        head: int = await self.around(Call("append", args, options))
        return head

    def renew(self, *args: Any, **options: Any) -> Renewal:
        """Do as `LogStore.renew`."""
        renewal: Renewal = self.around_now(Call("renew", args, options))
        return renewal

    async def read(self, *args: Any, **options: Any) -> Page:
        """Do as `LogStore.read`."""
        page: Page = await self.around(Call("read", args, options))
        return page

    async def wait(self, *args: Any, **options: Any) -> None:
        """Do as `LogStore.wait`."""
        await self.around(Call("wait", args, options))

    async def control(self, *args: Any, **options: Any) -> Control:
        """Do as `LogStore.control`."""
        control: Control = await self.around(Call("control", args, options))
        return control

    async def sweep(self, *args: Any, **options: Any) -> int:
        """Do as `LogStore.sweep`."""
        removed: int = await self.around(Call("sweep", args, options))
        return removed

    async def compact(self, *args: Any, **options: Any) -> int:
        """Do as `LogStore.compact`."""
        runs: int = await self.around(Call("compact", args, options))
        return runs

    async def keep(self, *args: Any, **options: Any) -> bool:
        """Do as `KeepsCheckpoints.keep`."""
        done: bool = await self.around(Call("keep", args, options))
        return done

    async def kept(self, *args: Any, **options: Any) -> Kept | None:
        """Do as `KeepsCheckpoints.kept`."""
        checkpoint: Kept | None = await self.around(Call("kept", args, options))
        return checkpoint

    async def list(self, *args: Any, **options: Any) -> list[RunRow]:
        """Do as `LogStore.list`."""
        rows: list[RunRow] = await self.around(Call("list", args, options))
        return rows

    async def close(self) -> None:
        """Do as `LogStore.close`."""
        await self.inner.close()
