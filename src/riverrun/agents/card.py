"""The card of a remote agent: where it is, how it wants to be spoken to, and by which proof of who we are.

A card is a stranger's text. It may name another machine; what is meant for the one that was named by the user is sent
there only if the user has allowed it. Needs the extra `a2a`.
"""

from __future__ import annotations

import base64
from collections.abc import Generator, Mapping

import httpx

from riverrun.base.errors import LoadError, NodeError

try:
    from a2a.client import A2ACardResolver, Client, ClientConfig, ClientFactory
    from a2a.client.errors import AgentCardResolutionError
    from a2a.types.a2a_pb2 import AgentCard, SecurityScheme
    from a2a.utils.errors import A2AError
except ModuleNotFoundError as error:
    mend = 'Run: pip install "riverrun[a2a]"'
    raise LoadError("E1013", "remote agents need the package a2a-sdk", where="riverrun.agents", mend=mend) from error

BINDINGS = ("JSONRPC", "HTTP+JSON")


def origin_of(url: str | httpx.URL) -> str:
    """Give scheme, name and port of an address."""
    parsed = httpx.URL(url)
    port = parsed.port or {"https": 443, "http": 80}.get(parsed.scheme, 0)
    return f"{parsed.scheme}://{parsed.host}:{port}"


async def fetch_card(http: httpx.AsyncClient, url: str, path: str | None = None) -> AgentCard:
    """Get the card of an agent.

    Args:
        http: What it is asked with.
        url: Where the agent is.
        path: Of the card below that; None for the usual one.

    Returns:
        The card.

    Raises:
        NodeError: E3059, there is none.
    """
    try:
        return await A2ACardResolver(http, url).get_agent_card(relative_card_path=path)
    except (A2AError, httpx.HTTPError, httpx.InvalidURL) as error:
        status = error.status_code if isinstance(error, AgentCardResolutionError) else None
        code = "E3062" if status in (401, 403) else "E3059"
        raise NodeError(code, f"no card of an agent at {url}: {error}") from error


def make_agent_client(http: httpx.AsyncClient, card: AgentCard, url: str, origins: frozenset[str]) -> Client:
    """Make a client for the first of the agent's interfaces that may be spoken to.

    Args:
        http: What it sends with; it stays open when the client is closed.
        card: The card.
        url: Where the user said that the agent is.
        origins: Other origins that the card may name.

    Returns:
        The client.

    Raises:
        NodeError: E3059, there is no such interface.
    """
    allowed = {origin_of(url), *origins}
    usable = AgentCard()
    usable.CopyFrom(card)
    del usable.supported_interfaces[:]
    for interface in card.supported_interfaces:
        if interface.protocol_binding in BINDINGS and origin_of(interface.url) in allowed:
            usable.supported_interfaces.append(interface)
    if not usable.supported_interfaces:
        named = ", ".join(f"{each.protocol_binding} at {each.url}" for each in card.supported_interfaces) or "none"
        raise NodeError("E3059", f"the agent at {url} names no interface that may be used; it names: {named}")
    streams = card.capabilities.streaming
    # Without streams a long answer would hold one request open: it is asked again and again instead.
    config = ClientConfig(
        streaming=streams, polling=not streams, httpx_client=http, supported_protocol_bindings=list(BINDINGS)
    )
    return ClientFactory(config).create(usable)


class Proof(httpx.Auth):
    """Show who we are, as a card asks for it, and to the allowed origins only.

    Args:
        credentials: By the name of a security scheme of the card: a key, a token, or for `basic` `user:password`.
        url: Where the user said that the agent is.
        origins: Other origins that may be shown them.

    Attributes:
        lacking: What the card asks for that was not given; empty before `read`, and where nothing lacks.
    """

    def __init__(self, credentials: Mapping[str, str], url: str, origins: frozenset[str]) -> None:
        self._credentials = credentials
        self._origins = {origin_of(url), *origins}
        self._headers: dict[str, str] = {}
        self._query: dict[str, str] = {}
        self._cookies: dict[str, str] = {}
        self.lacking = ""

    def read(self, card: AgentCard) -> None:
        """Choose what to show: the first of the card's requirements for which everything is there.

        Args:
            card: The card.
        """
        requirements = [list(each.schemes) for each in card.security_requirements]
        if not requirements:
            return
        for names in requirements:
            if all(name in self._credentials and name in card.security_schemes for name in names):
                for name in names:
                    self._show(card.security_schemes[name], self._credentials[name])
                return
        self.lacking = " or ".join(" and ".join(names) for names in requirements)

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Add it to a request.

        Yields:
            The request.
        """
        if origin_of(request.url) in self._origins:
            request.headers.update(self._headers)
            if self._query:
                request.url = request.url.copy_merge_params(self._query)
            if self._cookies:
                request.headers["cookie"] = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        yield request

    def _show(self, scheme: SecurityScheme, secret: str) -> None:
        kind = scheme.WhichOneof("scheme")
        if kind == "api_key_security_scheme":
            key = scheme.api_key_security_scheme
            where = {"query": self._query, "cookie": self._cookies}.get(key.location, self._headers)
            where[key.name] = secret
        elif kind == "http_auth_security_scheme" and scheme.http_auth_security_scheme.scheme.lower() == "basic":
            self._headers["authorization"] = f"Basic {base64.b64encode(secret.encode()).decode()}"
        else:  # a token, wherever it was got
            self._headers["authorization"] = f"Bearer {secret}"
