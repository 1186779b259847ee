"""What a remote agent has put out, as one text that only grows, however it comes: in pieces, again, or all at once.

An agent gives artifacts, each in pieces. After a break it tells all that there is so far, and then goes on in pieces;
but the first of those may be part of what it has just told (the agents of the official SDK do that), and no piece says
where it belongs. So it is looked up: a piece that fits into the known text at one place only has its place. As long as
several fit, nothing is given on, and what is known grows by asking the agent for all that there is. Thus nothing is
given twice and nothing left out. This file knows neither the network nor the SDK.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from riverrun.base.errors import NodeError

SEPARATOR = "\n\n"  # between the texts of two artifacts


class _Artifact:
    """The text of one artifact, and how much of it was given on.

    Attributes:
        pieces: Its text.
        given: How many of the pieces were given on.
        parts: How many that are no text were given on.
        whole: Whether nothing follows.
        heard: What came in pieces since the agent told all; None where every piece continues what is known.
        starts: Where in the text `heard` may begin; None: not looked up yet.
    """

    __slots__ = ("given", "heard", "parts", "pieces", "starts", "whole")

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.given = self.parts = 0
        self.whole = False
        self.heard: str | None = None
        self.starts: list[int] | None = None

    @property
    def text(self) -> str:
        """All that is known."""
        if self.given == len(self.pieces) > 1:
            self.pieces, self.given = ["".join(self.pieces)], 1
        return self.pieces[0] if len(self.pieces) == 1 else "".join(self.pieces)


class Output:
    """Collect artifacts.

    Text of the first artifact that is not whole is given at once; that of the ones behind it waits until it is, so that
    two that grow at the same time are not mixed up.
    """

    def __init__(self) -> None:
        self._artifacts: dict[str, _Artifact] = {}
        self._waiting: list[_Artifact] = []  # the first of them is the one whose text is given at once
        self._begun = False

    @property
    def empty(self) -> bool:
        """Whether no text came at all."""
        return not any(artifact.pieces for artifact in self._artifacts.values())

    @property
    def unsure(self) -> bool:
        """Whether something is held back until the agent tells all that there is."""
        return any(artifact.starts is not None and len(artifact.starts) > 1 for artifact in self._artifacts.values())

    def add(self, name: str, text: str, *, appended: bool, whole: bool) -> str:
        """Take a piece of an artifact.

        Args:
            name: Which artifact.
            text: Its text.
            appended: Whether it continues what came before; otherwise it is all that there is so far.
            whole: Whether nothing follows.

        Returns:
            What can be given on now.

        Raises:
            NodeError: E3061, it takes back what was given on.
        """
        artifact = self._of(name)
        artifact.whole = artifact.whole or whole
        if artifact.heard is not None:
            if not appended:
                artifact.heard, artifact.starts = "", [0]
            self._hear(artifact, name, text)
        elif appended:
            self._grow(artifact, text)
        else:
            self._grow(artifact, self._rest(artifact, name, text))
        return self._given()

    def replace(self, artifacts: Iterable[tuple[str, str]], *, resumed: bool = False) -> str:
        """Take all that there is so far, which may have grown while nobody listened.

        Args:
            artifacts: Their names and texts.
            resumed: Whether pieces follow of which the first may be in it already.

        Returns:
            What can be given on now.

        Raises:
            NodeError: E3061, it takes back what was given on.
        """
        there = dict(artifacts)
        for name in self._artifacts:
            there.setdefault(name, "")
        for name, text in there.items():
            artifact = self._of(name)
            self._grow(artifact, self._rest(artifact, name, text))
            if resumed:
                artifact.heard, artifact.starts = "", None
            elif artifact.heard:
                self._hear(artifact, name, "")
        return self._given()

    def news(self, name: str, parts: Sequence[object], *, appended: bool) -> list[object]:
        """Give those of the parts that are no text which were not given on yet.

        Args:
            name: Which artifact.
            parts: What came.
            appended: Whether they come behind the others; otherwise they are all that there are.

        Returns:
            The new ones.
        """
        artifact = self._of(name)
        if artifact.heard is not None and appended:
            return []  # they may have been told before; they come again with all that there is
        new = list(parts if appended else parts[artifact.parts :])
        artifact.parts += len(new)
        return new

    def finish(self) -> str:
        """Give the rest: nothing follows any more, and the agent has told all that there is."""
        for artifact in self._artifacts.values():
            artifact.whole, artifact.heard, artifact.starts = True, None, None
        return self._given()

    def _of(self, name: str) -> _Artifact:
        artifact = self._artifacts.get(name)
        if artifact is None:
            artifact = self._artifacts[name] = _Artifact()
            self._waiting.append(artifact)
        return artifact

    def _grow(self, artifact: _Artifact, text: str) -> None:
        if text:
            artifact.pieces.append(text)
            if artifact not in self._waiting:  # it was said to be whole, and was not
                self._waiting.insert(0, artifact)

    def _hear(self, artifact: _Artifact, name: str, text: str) -> None:
        """Take a piece of which it is not known where it belongs."""
        known = artifact.text
        artifact.heard = heard = (artifact.heard or "") + text
        starts = _places_of(heard, known) if artifact.starts is None else artifact.starts
        artifact.starts = starts = [start for start in starts if _fits(heard, known, start)]
        if not starts:
            raise _changed(name, known)
        if len(starts) == 1 and starts[0] + len(heard) >= len(known):
            artifact.heard = artifact.starts = None
            self._grow(artifact, heard[len(known) - starts[0] :])

    @staticmethod
    def _rest(artifact: _Artifact, name: str, text: str) -> str:
        """Give what a text has beyond the one that is known."""
        known = artifact.text
        if text.startswith(known):
            return text[len(known) :]
        if not artifact.given:  # nobody has seen it
            artifact.pieces = []
            return text
        raise _changed(name, known)

    def _given(self) -> str:
        out: list[str] = []
        while self._waiting:
            artifact = self._waiting[0]
            new = artifact.pieces[artifact.given :]
            if new:
                if self._begun and not artifact.given:
                    out.append(SEPARATOR)
                out += new
                self._begun = True
                artifact.given = len(artifact.pieces)
            if not artifact.whole or artifact.heard is not None:
                break
            del self._waiting[0]
        return "".join(out)


def _places_of(piece: str, known: str) -> list[int]:
    """Give where in a text a piece may begin: wherever it stands, or its beginning ends the text."""
    places, at = [], known.find(piece)
    while at >= 0:
        places.append(at)
        at = known.find(piece, at + 1)
    return [*places, *range(max(len(known) - len(piece) + 1, 0), len(known) + 1)]


def _fits(heard: str, known: str, start: int) -> bool:
    length = min(len(heard), len(known) - start)
    return known.startswith(heard[:length], start)


def _changed(name: str, known: str) -> NodeError:
    what = f"the remote agent changed artifact {name!r}, of which {len(known)} characters were given on already"
    return NodeError("E3061", what)
