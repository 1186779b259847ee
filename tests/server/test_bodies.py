"""Bodies and headers, where a real client cannot send what a hostile one can; the rest is in test_answers.py."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from riverrun.base.errors import InputError, NotFound
from riverrun.server.bodies import StartRequest, StopRequest, idem_key, read, run_key
from tests.server.served import UNKNOWN


def request(*parts, gone=False, **headers):
    """Make a request whose body comes in parts, of which `taken` tells how many were asked for."""
    fields = {"content-type": "application/json", **headers}
    scope = {"type": "http", "headers": [(name.encode(), value.encode()) for name, value in fields.items()]}
    left = list(parts)

    async def receive():
        if not left:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": left.pop(0), "more_body": bool(left) or gone}

    made = Request(scope, receive)
    return made, left


async def test_a_body_may_come_in_parts():
    made, _ = request(b'{"graph": "g",', b' "input": {"a": 1}}')
    assert StartRequest(graph="g", input={"a": 1}) == await read(made, StartRequest, 100)


async def test_a_body_over_the_limit_is_not_read_to_its_end():
    made, left = request(*[b"x" * 60] * 10)
    with pytest.raises(InputError, match="E2003"):
        await read(made, StartRequest, 100)
    assert 8 == len(left)


@pytest.mark.parametrize("length", ["101", "9" * 5000])
async def test_a_length_over_the_limit_is_refused_before_a_byte_is_read(length):
    made, left = request(b"{}", **{"content-length": length})
    with pytest.raises(InputError, match="E2003"):
        await read(made, StartRequest, 100)
    assert 1 == len(left)


async def test_a_body_of_exactly_the_limit_is_taken():
    body = b'{"graph":"g","input":{}}'
    made, _ = request(body, **{"content-length": str(len(body))})
    assert "g" == (await read(made, StartRequest, len(body))).graph


async def test_a_body_that_breaks_off_is_no_body():
    made, _ = request(b'{"graph":', gone=True)
    with pytest.raises(InputError, match="E2001"):
        await read(made, StartRequest, 100)


async def test_to_stop_nothing_needs_to_be_said():
    made, _ = request(b"")
    assert StopRequest() == await read(made, StopRequest, 100)


async def test_a_field_deep_inside_is_named():
    made, _ = request(b'{"graph": "g", "input": {}, "limit": 1.5}')
    with pytest.raises(InputError) as caught:
        await read(made, StartRequest, 100)
    assert "limit" == caught.value.where


@pytest.mark.parametrize("key", ["a", "~" * 128, "!#$%"])
def test_a_key_is_visible_ascii(key):
    assert key == idem_key(request(**{"idempotency-key": key})[0])


@pytest.mark.parametrize("key", ["", "a b", "a" * 129, "ü", "a\t"])
def test_another_key_is_refused(key):
    with pytest.raises(InputError, match="E2002"):
        idem_key(request(**{"idempotency-key": key})[0])


def test_no_key_is_no_error():
    assert idem_key(request()[0]) is None


@pytest.mark.parametrize("run", ["", "x", UNKNOWN.upper(), UNKNOWN + "0", UNKNOWN[1:], "../" + UNKNOWN, UNKNOWN + "\n"])
def test_what_is_no_id_names_no_run(run):
    with pytest.raises(NotFound, match="E2005"):
        run_key("default", run)


def test_an_id_and_a_tenant_name_a_run():
    assert ("default", UNKNOWN) == run_key("default", UNKNOWN)
