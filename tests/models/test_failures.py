"""Whatever an SDK lets out becomes one of our errors, or stays what it is where it is a defect."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from riverrun.base.errors import Busy, InputError
from riverrun.models.failures import Reading, failures_of, read_failure, told


class APIError(Exception):
    def __init__(self, text="x", **fields):
        super().__init__(text)
        self.__dict__.update(fields)


class TransportError(Exception):
    """As HTTP libraries call theirs."""


class RemoteProtocolError(TransportError):
    pass


def reading(*, spoke=False):
    made = Reading("Them")
    made.spoke = spoke
    return made


@pytest.mark.parametrize("error", [RemoteProtocolError("peer left"), ConnectionResetError("reset")], ids=repr)
@pytest.mark.parametrize(("spoke", "code"), [(False, "E3030"), (True, "E3031")])
def test_what_breaks_below_the_sdk_is_of_the_network(error, spoke, code):
    found = read_failure(error, reading(spoke=spoke))
    assert found is not None
    assert (code, True) == (found.code, found.temporary)
    assert type(error).__name__ in found.message


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 0.0),
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "-1"}, 0.0),
        ({"retry-after": "nan"}, 0.0),
        ({"retry-after": "Sat, 21 Nov 2026 17:00:00 GMT"}, 0.0),
    ],
)
def test_how_long_to_wait_is_read_off_the_answer(headers, seconds):
    error = APIError(status_code=429, response=SimpleNamespace(headers=headers))
    found = read_failure(error, reading())
    assert isinstance(found, Busy)
    assert ("E3032", seconds) == (found.code, found.retry_after)


@pytest.mark.parametrize("body", [None, "text", {}, {"error": "x"}, {"error": {"error": {"type": "overloaded"}}}])
def test_whatever_stands_in_a_stream_s_error_is_told(body):
    found = told(reading(), body, "what the SDK says")
    assert ("E3032" if "overloaded" in str(body) else "E3034") == found.code


@pytest.mark.parametrize("body", ["no credit", {"error": "no credit"}, {"message": "no credit"}])
def test_an_error_that_is_a_bare_text_is_told_too(body):
    assert "no credit" in told(reading(), body, "an error in the stream").message


def test_a_provider_that_talks_for_ever_is_cut_short():
    assert 700 > len(told(reading(), {"message": "x" * 10_000}, "").message)


def test_an_error_of_ours_and_a_defect_stay_what_they_are():
    for error in (InputError("E1016", "x"), KeyError("x"), TypeError("x")):
        assert read_failure(error, reading()) is None
        with pytest.raises(type(error)) as caught, failures_of("Them"):
            raise error
        assert error is caught.value


def test_the_cause_is_kept_for_those_who_look_at_the_server():
    error = json.JSONDecodeError("bad", "{", 0)
    with pytest.raises(Exception, match="E3035") as caught, failures_of("Them"):
        raise error
    assert error is caught.value.__cause__


def test_a_cancellation_is_no_failure():
    with pytest.raises(KeyboardInterrupt), failures_of("Them"):
        raise KeyboardInterrupt
