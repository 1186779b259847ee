"""Keys are read from a list or a file, compared whole, and never shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import HTTPConnection

from riverrun.base.errors import InputError
from riverrun.server.gate import SCOPES, Principal
from riverrun.server.keys import StaticKeys
from riverrun.server.settings import load

KEYS = st.from_regex(r"[A-Za-z0-9._~+/-]{1,20}={0,2}", fullmatch=True)


def connection(*values):
    headers = [(b"authorization", value.encode("latin-1")) for value in values]
    return HTTPConnection({"type": "http", "headers": headers})


async def test_a_key_is_known_with_its_tenant_and_its_scopes():
    keys = StaticKeys("k1:acme, k2:other:read ,k3:acme:read+start,")
    assert Principal("acme", SCOPES) == await keys(connection("Bearer k1"))
    assert Principal("other", frozenset({"read"})) == await keys(connection("bearer   k2"))
    assert Principal("acme", frozenset({"read", "start"})) == await keys(connection("BEARER k3"))


@given(known=st.lists(KEYS, min_size=1, max_size=4, unique=True), sent=KEYS)
async def test_only_a_key_that_is_listed_is_known(known, sent):
    keys = StaticKeys(",".join(f"{key}:t{place}" for place, key in enumerate(known)))
    expected = Principal(f"t{known.index(sent)}") if sent in known else None
    assert expected == await keys(connection(f"Bearer {sent}"))


@given(sent=st.lists(st.text(st.characters(max_codepoint=255), max_size=12), max_size=3))
async def test_whatever_else_is_sent_is_nobody(sent):
    assert None is await StaticKeys("the-only-key-that-there-is:acme")(connection(*sent))


async def test_a_file_has_an_entry_on_each_line(tmp_path):
    path = tmp_path / "keys"
    path.write_text("# who may ask\n\nk1:acme  # the program\r\n  k2:other:stop\n")
    keys = StaticKeys(f"@{path}")
    assert Principal("acme") == await keys(connection("Bearer k1"))
    assert Principal("other", frozenset({"stop"})) == await keys(connection("Bearer k2"))


@pytest.mark.parametrize(
    ("given", "where"),
    [
        ("", "keys"),
        (" , ", "keys"),
        ("sesame", "keys, entry 1"),
        ("k:acme,:acme", "keys, entry 2"),
        ("sesame:", "keys, entry 1"),
        ("sesame:no/name", "keys, entry 1"),
        ("sesame:acme:", "keys, entry 1"),
        ("sesame:acme:all", "keys, entry 1"),
        ("sesame:acme:read:stop", "keys, entry 1"),
        ("ses ame:acme", "keys, entry 1"),
        ("sésame:acme", "keys, entry 1"),
        ("sesame:acme,sesame:other", "keys"),
    ],
)
def test_what_cannot_be_taken_is_named_by_its_place_and_never_shows_a_key(given, where):
    with pytest.raises(InputError, match="E6006") as caught:
        StaticKeys(given)
    assert where == caught.value.where
    assert "sesame" not in str(caught.value)


def test_a_file_that_is_not_there_or_no_text_is_an_error(tmp_path):
    with pytest.raises(InputError, match="E6004"):
        StaticKeys(f"@{tmp_path / 'gone'}")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="E6004"):
        StaticKeys(f"@{tmp_path / 'bytes'}")
    (tmp_path / "wrong").write_text("k:acme\nsesame\n")
    with pytest.raises(InputError, match="E6006") as caught:
        StaticKeys(f"@{tmp_path / 'wrong'}")
    assert f"{tmp_path / 'wrong'}:2" == caught.value.where


def test_settings_do_not_show_keys(monkeypatch):
    monkeypatch.setenv("RIVERRUN_KEYS", "sesame:acme")
    settings = load()
    assert "sesame" not in repr(settings)
    assert settings.keys is not None
    with pytest.raises(InputError) as caught:
        load(port="http", keys="sesame:acme")
    assert "sesame" not in str(caught.value)
