"""A card is a stranger's text: what it names is spoken to, and shown our credentials, only where that was allowed."""

from __future__ import annotations

import httpx
import pytest
from a2a.types.a2a_pb2 import AgentInterface

from riverrun.agents.card import Proof, fetch_card, make_agent_client, origin_of
from riverrun.base.errors import NodeError
from tests.agents.remote_agents import card_of

NOWHERE: frozenset[str] = frozenset()


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://a.example/x?y", "https://a.example:443"),
        ("https://a.example:443", "https://a.example:443"),
        ("http://A.example/", "http://a.example:80"),
        ("https://a.example:8443", "https://a.example:8443"),
    ],
)
def test_an_origin_is_scheme_name_and_port(url, origin):
    assert origin == origin_of(url)


def shown(proof, url):
    """Give the request that a server would see."""
    return next(proof.auth_flow(httpx.Request("GET", url)))


def test_credentials_are_shown_to_the_origin_of_the_agent_and_to_nobody_else():
    card = card_of(
        "https://a.example",
        security_schemes={"k": {"api_key_security_scheme": {"location": "query", "name": "key"}}},
        security_requirements=[{"schemes": {"k": {}}}],
    )
    proof = Proof({"k": "secret"}, "https://a.example", frozenset({"https://b.example:443"}))
    proof.read(card)
    assert "" == proof.lacking
    assert "https://a.example/x?y=1&key=secret" == str(shown(proof, "https://a.example/x?y=1").url)
    assert "https://b.example/?key=secret" == str(shown(proof, "https://b.example/").url)
    for elsewhere in ("http://a.example/", "https://a.example:444/", "https://c.example/", "https://a.example.c/"):
        assert elsewhere == str(shown(proof, elsewhere).url)


def test_the_first_requirement_that_can_be_met_is():
    bearer = {"http_auth_security_scheme": {"scheme": "bearer"}}
    card = card_of(
        "https://a.example",
        security_schemes=dict.fromkeys(("one", "two", "three"), bearer),
        security_requirements=[{"schemes": {"one": {}, "two": {}}}, {"schemes": {"three": {}}}],
    )
    proof = Proof({"one": "1", "three": "3"}, "https://a.example", NOWHERE)
    proof.read(card)
    assert "Bearer 3" == shown(proof, "https://a.example").headers["authorization"]
    proof = Proof({"two": "2"}, "https://a.example", NOWHERE)
    proof.read(card)
    assert proof.lacking in ("one and two or three", "two and one or three")
    assert "authorization" not in shown(proof, "https://a.example").headers


def test_who_is_asked_for_nothing_shows_nothing():
    proof = Proof({"k": "secret"}, "https://a.example", NOWHERE)
    proof.read(card_of("https://a.example"))
    assert "" == proof.lacking
    assert "authorization" not in shown(proof, "https://a.example").headers


async def test_an_interface_is_used_only_where_the_agent_is_or_was_allowed_to_be():
    card = card_of("https://elsewhere.example/rpc")
    async with httpx.AsyncClient() as http:
        with pytest.raises(NodeError) as caught:
            make_agent_client(http, card, "https://a.example", NOWHERE)
        assert "E3059" == caught.value.code
        assert "https://elsewhere.example/rpc" in caught.value.message
        make_agent_client(http, card, "https://a.example", frozenset({"https://elsewhere.example:443"}))
        card.supported_interfaces.append(
            AgentInterface(url="https://a.example/rest", protocol_binding="HTTP+JSON", protocol_version="1.0")
        )
        make_agent_client(http, card, "https://a.example", NOWHERE)


@pytest.mark.parametrize("binding", ["GRPC", "OTHER"])
async def test_an_interface_that_nobody_here_speaks_is_none(binding):
    async with httpx.AsyncClient() as http:
        with pytest.raises(NodeError):
            make_agent_client(http, card_of("https://a.example", binding=binding), "https://a.example", NOWHERE)


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (httpx.Response(404), "E3059"),
        (httpx.Response(401), "E3062"),
        (httpx.Response(200, text="no card"), "E3059"),
        (httpx.Response(200, json=["no", "card"]), "E3059"),
        (httpx.Response(200, json={"supportedInterfaces": "none"}), "E3059"),
    ],
)
async def test_what_is_no_card_is_said_to_be_none(answer, code):
    transport = httpx.MockTransport(lambda request: answer)
    async with httpx.AsyncClient(transport=transport) as http:
        with pytest.raises(NodeError) as caught:
            await fetch_card(http, "https://a.example")
    assert code == caught.value.code
