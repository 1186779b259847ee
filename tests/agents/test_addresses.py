"""An address leads where it leads, however it is written and whatever carries it."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riverrun.agents.addresses import why_not

PRIVATE = [
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "169.254.169.254",  # where clouds keep their credentials
    "100.64.0.1",
    "fd00:ec2::254",  # the same, in IPv6
    "fc00::1",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
]
NOWHERE = [
    "0.0.0.0",  # an address to be refused
    "0.1.2.3",
    "192.0.0.8",
    "192.0.0.9",
    "192.0.2.1",
    "192.88.99.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::2",
    "::127.0.0.1",  # the form that was given up
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:0:7f00:1::",
    "2001:db8::1",
    "2002:7f00:1::",  # 6to4 of 127.0.0.1
    "2002:a00:1::1",
    "2002:808:808::1",
    "3fff::1",
    "4000::1",
    "5f00::1",
]
GROUPS = ["224.0.0.1", "239.1.2.3", "ff02::1", "ff0e::1"]
HERE = ["127.0.0.1", "127.255.255.254", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "0:0:0:0:0:ffff:7f00:1"]
PUBLIC = ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "2a00:1450::1", "::ffff:8.8.8.8", "64:ff9b::808:808"]


@pytest.mark.parametrize("address", PRIVATE + NOWHERE + GROUPS)
def test_what_is_not_public_is_refused_in_development_too(address):
    assert why_not(address)
    assert why_not(address, loopback=True)


@pytest.mark.parametrize("address", HERE)
def test_this_machine_is_spoken_to_only_where_that_was_allowed(address):
    assert "it is this machine" == why_not(address)
    assert not why_not(address, loopback=True)


@pytest.mark.parametrize("address", PUBLIC)
def test_the_public_network_is_open(address):
    assert not why_not(address)


@pytest.mark.parametrize(
    "text", ["", "localhost", "1", "127.1", "0x7f.1", "2130706433", "0177.0.0.1", "[::1]", "8.8.8.8:80"]
)
def test_what_is_no_address_is_refused(text):
    assert "it is no IP address" == why_not(text, loopback=True)


@given(st.integers(0, 2**32 - 1))
def test_an_address_that_is_carried_is_judged_as_it_would_be_by_itself(number):
    bare = str(IPv4Address(number))
    for carrier in (0xFFFF << 32, 0x64FF9B << 96):
        assert why_not(bare) == why_not(str(IPv6Address(carrier | number)))


@given(st.integers(0, 2**128 - 1))
def test_of_ipv6_only_what_was_given_out_is_public(number):
    address = IPv6Address(number)
    if not why_not(str(address)):
        assert address.ipv4_mapped is not None or str(address).startswith("64:ff9b::") or number >> 125 == 1
