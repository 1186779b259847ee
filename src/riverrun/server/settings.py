"""What can be set about a server, by keyword or by environment variable `RIVERRUN_…`.

Nothing else here reads the environment. Units are in the names; seconds are plain floats.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from riverrun.base.errors import InputError
from riverrun.runs.janitor import Retention
from riverrun.runs.settings import RunSettings
from riverrun.transports.serve import Pace
from riverrun.transports.websocket import Allowance

PREFIX = "RIVERRUN_"
DEFAULT_STORE = "sqlite:///riverrun.db"

_Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]
_Count = Annotated[int, Field(ge=1)]


def _names(given: Any) -> Any:
    """Read a list as an environment variable has it: with commas."""
    return tuple(name.strip() for name in given.split(",") if name.strip()) if isinstance(given, str) else given


_Host = Annotated[str, Field(pattern=r"^(\*|\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)$")]
_Origin = Annotated[str, Field(pattern=r"^https?://[^/?#@*\s]+$")]
_Hosts = Annotated[tuple[_Host, ...], NoDecode, BeforeValidator(_names)]
_Origins = Annotated[tuple[_Origin, ...], NoDecode, BeforeValidator(_names)]
# Each default has one home, where the thing that it limits lives.
_RUNS, _PACE, _SOCKET = RunSettings(), Pace(), Allowance()
_RETENTION = Retention()


class ServerSettings(BaseSettings):
    """How a server listens, sends and runs. Made by `load`, which says in our words what is wrong.

    Attributes:
        host: Address to listen on.
        port: Port to listen on; 0 for any free one.
        store: Where runs live: `sqlite:///file` or `memory:`.
        heartbeat_interval: Seconds of silence on a stream after which a heartbeat is sent.
        keys: Who may ask: `key:tenant:scopes` with commas between them, or `@file`; None asks nobody who they are.
        console: Whether the console is served at `/console`.
        allowed_hosts: Names that requests may come by beside `localhost`, `127.0.0.1` and `[::1]`, with any port; `*`
            is any name. Empty, requests that do not arrive at the loopback, and those of a mounted program, are not
            asked. With commas in the environment.
        allowed_origins: Sites (`https://host:port`) whose pages may use the server beside those of the same host.
        max_body_bytes: Requests with a longer body are refused (E2003).
        body_timeout: Seconds that a body may take to arrive.
        max_head_bytes: How long the first line and the headers of a request may be.
        head_timeout: Seconds that they may take to arrive.
        page_events: Events per read and write of one reader, at most.
        page_bytes: Bytes per write of one reader, at most, unless a single event is longer.
        max_age: Seconds after which a stream is asked to come back, less up to a fifth by chance.
        stall_timeout: Seconds that a reader may take nothing of what was written to it; then it is cut.
        socket_attachments: Runs that one WebSocket may be attached to at once (E2021).
        socket_idle_timeout: Seconds after which a WebSocket without attachments and requests is closed.
        lease_seconds: How long a run stays with a worker that has died.
        max_running: Runs that run at once.
        max_waiting: Runs that may wait for a place; beyond that a start is refused (E3010).
        recursion_limit: Executions of nodes that a run may make, unless its start says otherwise.
        pool_size: Threads for sync nodes that stay.
        pool_max: Threads for sync nodes while the queue before them is full.
        pool_queue: Calls of sync nodes that may wait for a thread.
        pool_full: When even that is full: `wait`, `refuse` (E3044) or `call` on the event loop.
        keep_days: Days after its end that a run is removed; 0: never. Unfinished runs stay, and what another stands on.
        compact_after: Seconds after its end that the log of a run is packed.
        shutdown_timeout: Seconds that open streams get to say goodbye when the server stops.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True)

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535)] = 8000
    store: str = DEFAULT_STORE
    heartbeat_interval: _Seconds = _PACE.heartbeat_interval
    keys: SecretStr | None = None
    console: bool = True
    allowed_hosts: _Hosts = ()
    allowed_origins: _Origins = ()
    max_body_bytes: _Count = 1024 * 1024
    body_timeout: _Seconds = 30.0
    max_head_bytes: _Count = 64 * 1024
    head_timeout: _Seconds = 10.0
    page_events: Annotated[int, Field(ge=1, le=10_000)] = _PACE.page_events
    page_bytes: _Count = _PACE.page_bytes
    max_age: _Seconds = _PACE.max_age
    stall_timeout: _Seconds = 120.0
    socket_attachments: _Count = _SOCKET.attachments
    socket_idle_timeout: _Seconds = _SOCKET.idle_timeout
    lease_seconds: _Seconds = _RUNS.lease_seconds
    max_running: _Count = _RUNS.max_running
    max_waiting: Annotated[int, Field(ge=0)] = _RUNS.max_waiting
    recursion_limit: _Count = _RUNS.recursion_limit
    pool_size: _Count = _RUNS.pool_size
    pool_max: _Count = _RUNS.pool_max
    pool_queue: Annotated[int, Field(ge=0)] = _RUNS.pool_queue
    pool_full: Literal["wait", "refuse", "call"] = _RUNS.pool_full
    keep_days: Annotated[float, Field(ge=0, allow_inf_nan=False)] = _RETENTION.keep_days
    compact_after: Annotated[float, Field(ge=0, allow_inf_nan=False)] = _RETENTION.compact_after
    shutdown_timeout: _Seconds = 5.0

    @property
    def pace(self) -> Pace:
        """The part that transports need."""
        return Pace(self.page_events, self.page_bytes, self.heartbeat_interval, self.max_age)

    @property
    def retention(self) -> Retention:
        """The part that the janitor needs."""
        return Retention(keep_days=self.keep_days, compact_after=self.compact_after)

    @property
    def runs(self) -> RunSettings:
        """The part that the run service needs."""
        return RunSettings(
            max_running=self.max_running,
            max_waiting=self.max_waiting,
            recursion_limit=self.recursion_limit,
            lease_seconds=self.lease_seconds,
            pool_size=self.pool_size,
            pool_max=self.pool_max,
            pool_queue=self.pool_queue,
            pool_full=self.pool_full,
        )


def load(**given: Any) -> ServerSettings:
    """Read settings: what is given, then the environment, then the defaults.

    Args:
        given: Fields of `ServerSettings`; None means not given.

    Returns:
        The settings.

    Raises:
        InputError: E6006, a field is unknown or has a value that cannot be used; all of them are named.
    """
    try:
        return ServerSettings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_context=False)
        what = "; ".join(f"{each['loc'][0]}: {each['msg']} (it is {each['input']!r})" for each in wrong)
        names = ", ".join(f"{PREFIX}{str(each['loc'][0]).upper()}" for each in wrong)
        mend = f"Correct the option, or the environment variable {names}."
        raise InputError("E6006", f"settings cannot be taken: {what}", mend=mend) from None
