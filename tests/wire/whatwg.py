"""The event stream algorithm of HTML §9.2.6 as it is written there: slow, whole, and obvious. The parser is held to it.

It takes a complete body, decodes it as the standard's "UTF-8 decode" does, and goes through it line by line.
"""

from __future__ import annotations

from typing import NamedTuple


class Interpreted(NamedTuple):
    """What an `EventSource` would have seen: (id, name, data) of each event, and what it would remember."""

    events: list[tuple[str, str, str]]
    last_id: str
    retry: int | None
    comments: int


class _Stream:
    """The buffers of the standard, by the names they have there."""

    def __init__(self) -> None:
        self.data_buffer = ""
        self.event_type_buffer = ""
        self.last_event_id_buffer = ""
        self.last_event_id = ""
        self.reconnection_time: int | None = None
        self.events: list[tuple[str, str, str]] = []
        self.comments = 0

    def line(self, line: str) -> None:
        if line == "":
            self.dispatch()
        elif line.startswith(":"):
            self.comments += 1
        elif ":" in line:
            at = line.index(":")
            self.field(line[:at], line[at + 1 :].removeprefix(" "))
        else:
            self.field(line, "")

    def field(self, name: str, value: str) -> None:
        if name == "event":
            self.event_type_buffer = value
        elif name == "data":
            self.data_buffer += value + "\n"
        elif name == "id":
            if "\0" not in value:
                self.last_event_id_buffer = value
        elif name == "retry" and value != "" and all(char in "0123456789" for char in value):
            # The one liberty: a time beyond any use is not computed.
            self.reconnection_time = min(int(value.lstrip("0")[:11] or "0"), 10**9)

    def dispatch(self) -> None:
        self.last_event_id = self.last_event_id_buffer
        if self.data_buffer != "":
            data = self.data_buffer.removesuffix("\n")
            self.events.append((self.last_event_id, self.event_type_buffer or "message", data))
        self.data_buffer = self.event_type_buffer = ""


def lines_of(text: str) -> list[str]:
    """Cut a text into its complete lines; what has no end of line is left out."""
    lines, line, at = [], "", 0
    while at < len(text):
        if text[at] in "\r\n":
            lines.append(line)
            line = ""
            at += 2 if text[at : at + 2] == "\r\n" else 1
        else:
            line += text[at]
            at += 1
    return lines


def interpret(body: bytes) -> Interpreted:
    """Interpret a body to its end, where an unfinished event is dropped."""
    stream = _Stream()
    for line in lines_of(body.decode("utf-8", "replace").removeprefix("\ufeff")):
        stream.line(line)
    return Interpreted(stream.events, stream.last_event_id, stream.reconnection_time, stream.comments)
