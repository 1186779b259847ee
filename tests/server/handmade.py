"""A WebSocket made by hand, byte by byte: a client that answers nothing and takes nothing unless a test says so."""

from __future__ import annotations

import json
import socket

import httpx

HANDSHAKE = (
    b"GET /v1/ws HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
    b"sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


def opened(url: str, *, buffer_bytes: int | None = None) -> socket.socket:
    """Open a socket to a server.

    Args:
        url: Of the server, over HTTP.
        buffer_bytes: How much the system takes in before anybody reads.

    Returns:
        The connection, right behind the handshake.
    """
    address = httpx.URL(url)
    link = socket.socket()
    if buffer_bytes is not None:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
    link.settimeout(10)
    link.connect((address.host, address.port))
    link.sendall(HANDSHAKE)
    taken = b""
    while b"\r\n\r\n" not in taken:
        more = link.recv(1)
        assert more, taken
        taken += more
    assert b" 101 " in taken
    return link


def masked(opcode: int, data: bytes, *, fin: bool = True) -> bytes:
    """Make one frame of a client, with a mask of zeros."""
    size = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + len(data).to_bytes(2, "big")
    return bytes([(0x80 if fin else 0) | opcode]) + size + bytes(4) + data


def attach(run: str) -> bytes:
    """Make the frame that asks for a run."""
    return masked(1, json.dumps({"type": "attach", "id": "1", "run": run}).encode())
