"""Which addresses of the network a program that was given a name by a stranger may speak to.

An address can be written in many ways, and carried inside another one: what counts is where it leads in the end. IPv6
is judged by what is known to be public, not by what is known to be private: the list of the latter is never complete.
It resolves no names and opens nothing.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

_PUBLIC_6 = IPv6Network("2000::/3")  # RFC 4291: all that has been given out for the public network
_SPECIAL_6 = (
    IPv6Network("2001::/23"),  # RFC 2928: protocols, among them Teredo, whose carried addresses a client chooses
    IPv6Network("2001:db8::/32"),  # RFC 3849: documentation
    IPv6Network("2002::/16"),  # RFC 3056: 6to4, which carries an IPv4 address
    IPv6Network("3fff::/20"),  # RFC 9637: documentation
)
_TRANSLATED_6 = IPv6Network("64:ff9b::/96")  # RFC 6052: carries an IPv4 address
_SPECIAL_4 = (
    IPv4Network("192.0.0.0/24"),  # RFC 6890: protocols; the standard library lets two of these through
    IPv4Network("192.88.99.0/24"),  # RFC 7526: the old way to 6to4
)


def why_not(address: str, *, loopback: bool = False) -> str:
    """Say why an address may not be spoken to.

    Args:
        address: An IPv4 or IPv6 address in any notation that the system's resolver gives.
        loopback: Whether this machine itself may be spoken to, as in development.

    Returns:
        The reason in a few words; nothing for an address of the public network.
    """
    try:
        meant = _carried(ip_address(address.partition("%")[0]))
    except ValueError:
        return "it is no IP address"
    if meant.is_loopback:
        return "" if loopback else "it is this machine"
    if meant.is_multicast:
        return "it is a group, not a machine"
    if isinstance(meant, IPv4Address):
        public = meant.is_global and not any(meant in network for network in _SPECIAL_4)
    else:
        public = meant in _PUBLIC_6 and not any(meant in network for network in _SPECIAL_6)
    if public:
        return ""
    return "it is of this network" if meant.is_private or meant.is_link_local else "it is not of the public network"


def _carried(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """Give the IPv4 address that an IPv6 address is a form of, if it is one that leads there."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _TRANSLATED_6:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address
