"""A transport runs outside of what routed to it, and inside of what a user put around the program."""

from __future__ import annotations

import httpx
import pytest
from starlette.routing import Route

from riverrun.server.answers import ADDED, HandedOver, Unframed, adding, answer_errors
from riverrun.server.program import Program

SHARED = [(b"x-added", b"yes")]


class Around:
    """Something in front of all routes that says when it is left."""

    def __init__(self, app, told):
        self._app = app
        self._told = told

    async def __call__(self, scope, receive, send):
        scope[ADDED] = SHARED
        await self._app(scope, receive, adding(SHARED, send))
        self._told.append("left")


def program(told, fault=None):
    """A program with one route, which hands its connection over."""

    async def transport(_, send):
        told.append("begun")
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x-own", b"yes")]})
        if fault is not None:
            raise fault
        await send({"type": "http.response.body", "body": b"whole"})
        told.append("over")

    async def route(_):
        return HandedOver(transport)

    app = Program()
    answer_errors(app)
    app.routes.append(Route("/stream", route))
    app.add_ours(Unframed)
    return app


async def ask(app):
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as http:
        answer = await http.get("/stream")
    assert (200, b"whole", "yes") == (answer.status_code, answer.content, answer.headers["x-own"])
    return answer.headers.get_list("x-added")


async def test_what_is_ours_is_left_before_a_transport_begins_and_its_headers_are_there():
    told: list[str] = []
    app = program(told)
    app.add_ours(Around, told)
    assert (["yes"], ["left", "begun", "over"]) == (await ask(app), told)


async def test_what_a_user_puts_around_a_program_sees_its_streams():
    told: list[str] = []
    app = program(told)
    app.add_middleware(Around, told)
    assert (["yes"], ["begun", "over", "left"]) == (await ask(app), told)


async def test_with_something_of_a_users_ours_is_around_streams_as_well():
    told: list[str] = []
    app = program(told)
    app.add_ours(Around, told)
    app.add_middleware(Around, told)
    # Each adds its own header, once.
    assert (["yes"] * 2, ["begun", "over", "left", "left"]) == (await ask(app), told)


async def test_what_a_transport_raises_reaches_the_server_which_cuts_the_connection():
    told: list[str] = []
    with pytest.raises(ZeroDivisionError):
        await ask(program(told, ZeroDivisionError()))
    assert ["begun"] == told
