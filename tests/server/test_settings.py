"""Settings come from what is given, then from the environment; what cannot be taken is named."""

from __future__ import annotations

import pytest

from riverrun.base.errors import InputError
from riverrun.runs.settings import RunSettings
from riverrun.server.settings import load
from riverrun.transports.serve import Pace


def test_the_defaults_are_those_of_the_rooms_that_use_them():
    assert Pace() == load().pace
    assert RunSettings() == load().runs


def test_the_environment_is_read_and_what_is_given_wins(monkeypatch):
    monkeypatch.setenv("RIVERRUN_PORT", "9000")
    monkeypatch.setenv("RIVERRUN_MAX_RUNNING", "7")
    assert (9000, 7) == ((settings := load()).port, settings.runs.max_running)
    assert 9001 == load(port=9001).port


def test_none_is_not_given():
    assert load().host == load(host=None).host


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"port": 65_536}, "port"),
        ({"port": "http"}, "port"),
        ({"heartbeat_interval": 0}, "heartbeat_interval"),
        ({"heartbeat_interval": float("nan")}, "heartbeat_interval"),
        ({"lease_seconds": float("inf")}, "lease_seconds"),
        ({"max_body_bytes": 0}, "max_body_bytes"),
        ({"page_events": 10_001}, "page_events"),
        ({"max_waiting": -1}, "max_waiting"),
        ({"prot": 1}, "prot"),
        ({"allowed_hosts": ("http://a.example",)}, "allowed_hosts"),
        ({"allowed_hosts": "a.example, b example"}, "allowed_hosts"),
        ({"allowed_origins": ("a.example",)}, "allowed_origins"),
        ({"allowed_origins": "*"}, "allowed_origins"),
        ({"allowed_origins": ("null",)}, "allowed_origins"),
        ({"allowed_origins": ("https://a.example/",)}, "allowed_origins"),
        ({"body_timeout": 0}, "body_timeout"),
        ({"head_timeout": 0}, "head_timeout"),
    ],
)
def test_what_cannot_be_taken_is_named(given, named):
    with pytest.raises(InputError, match="E6006") as caught:
        load(**given)
    assert named in caught.value.message
    assert f"RIVERRUN_{named.upper()}" in caught.value.mend


def test_the_environment_is_checked_too_and_all_that_is_wrong_is_named_at_once(monkeypatch):
    monkeypatch.setenv("RIVERRUN_PORT", "tcp://10.0.0.1:80")
    monkeypatch.setenv("RIVERRUN_POOL_SIZE", "none")
    with pytest.raises(InputError, match="E6006") as caught:
        load()
    assert "RIVERRUN_PORT" in caught.value.mend
    assert "RIVERRUN_POOL_SIZE" in caught.value.mend
    assert "tcp://10.0.0.1:80" in caught.value.message


def test_lists_of_the_environment_have_commas(monkeypatch):
    monkeypatch.setenv("RIVERRUN_ALLOWED_HOSTS", "a.example, [::1] ,")
    monkeypatch.setenv("RIVERRUN_ALLOWED_ORIGINS", "https://a.example:8443")
    assert ("a.example", "[::1]") == (settings := load()).allowed_hosts
    assert ("https://a.example:8443",) == settings.allowed_origins
    assert () == load(allowed_hosts=()).allowed_hosts
