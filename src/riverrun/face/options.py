"""What a caller says about one run: the config with LangGraph's names, checked before anything begins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from riverrun.base.errors import InputError
from riverrun.events.kinds import Base, Json

Config = Mapping[str, Any]


class Options(Struct, frozen=True, kw_only=True):
    """How one run is to be run.

    Attributes:
        limit: Executions of nodes that it may make; None: as the settings say.
        thread: The conversation it belongs to.
        place: Where in the thread it goes on from; None: at its end.
        timeout: Seconds it may take; None for no limit.
        before: Nodes before which it holds.
        after: Nodes after which it holds.
        context: What its nodes may read of it.
        config: What its nodes see as config.
    """

    limit: int | None = None
    thread: str | None = None
    place: Base | None = None
    timeout: float | None = None
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    context: Json = None
    config: Json = None


def read_options(  # as many as LangGraph's methods take
    config: Config | None,
    *,
    timeout: float | None = None,  # of the run
    context: Json = None,
    before: str | Sequence[str] | None = None,
    after: str | Sequence[str] | None = None,
) -> Options:
    """Take what a caller says about a run.

    Args:
        config: `configurable` (`thread_id`, `checkpoint_id`, and whatever nodes look for), `recursion_limit`; the rest
            is kept for nodes.
        timeout: Seconds the run may take.
        context: What its nodes may read of it.
        before: Nodes before which it holds; `"*"` for all.
        after: Nodes after which it holds.

    Returns:
        The options.

    Raises:
        InputError: E6006, `recursion_limit` is no number from 1; E2007, `checkpoint_id` is none of this library's.
    """
    config = config or {}
    limit = config.get("recursion_limit")
    if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool) or limit < 1):
        raise InputError("E6006", f"recursion_limit is {limit!r}, not a number from 1")
    configurable = dict(config.get("configurable") or {})
    thread = configurable.get("thread_id")
    place = configurable.pop("checkpoint_id", None)
    configurable.pop("checkpoint_ns", None)
    kept = {name: value for name, value in config.items() if name not in ("configurable", "recursion_limit")}
    if set(configurable) - {"thread_id"}:
        kept["configurable"] = configurable
    return Options(
        limit=limit,
        thread=None if thread is None else str(thread),
        place=None if place is None else read_place(place),
        timeout=timeout,
        before=_names(before),
        after=_names(after),
        context=context,
        config=kept or None,
    )


def merge_configs(kept: Config, given: Config | None) -> Config:
    """Give a config with those of another in its place: what is in `configurable` key by key."""
    if not kept or not given:
        return given or kept
    both = {**(kept.get("configurable") or {}), **(given.get("configurable") or {})}
    return {**kept, **given, **({"configurable": both} if both else {})}


def check_options(options: Mapping[str, object]) -> None:
    """Refuse what is not known, instead of passing over it in silence.

    Args:
        options: What a caller gave beside the parameters of this library.

    Raises:
        InputError: E6006, there is no such option.
    """
    for name in options:
        if name not in _WITHOUT_EFFECT:
            raise InputError("E6006", f"there is no option {name!r}", mend="See the page of differences to LangGraph.")


_WITHOUT_EFFECT = ("durability", "debug", "checkpoint_during", "print_mode")


def checkpoint_id(run: str, seq: int) -> str:
    """Name a run at one of its events."""
    return f"{run}.{seq}"


def read_place(name: object) -> Base:
    """Read what `checkpoint_id` gave.

    Raises:
        InputError: E2007, it is something else.
    """
    run, dot, seq = str(name).rpartition(".")
    if not (run and dot and seq.isdecimal()):
        raise InputError("E2007", f"checkpoint_id is {name!r}", mend="Take it from get_state or get_state_history.")
    return Base(run, int(seq))


def thread_config(thread: str | None, run: str, seq: int) -> dict[str, Any]:
    """Give the config that names a place in a thread."""
    return {"configurable": {"thread_id": thread, "checkpoint_ns": "", "checkpoint_id": checkpoint_id(run, seq)}}


def _names(given: str | Sequence[str] | None) -> tuple[str, ...]:
    if given is None:
        return ()
    return (given,) if isinstance(given, str) else tuple(given)
