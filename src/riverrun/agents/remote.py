"""An agent of another machine as a node, spoken to by A2A (protocol 1.0) through the official SDK.

What the agent puts out is the node's stream; what it asks is the node's question; who stops the run stops its task. The
task's name is kept as the node's note, so a new attempt, here or in another worker, goes on with the task it finds.
The end of a connection says nothing: only the state of the task does. Needs the extra `a2a`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing
from time import monotonic
from typing import Any

from riverrun.agents.card import Proof, fetch_card, make_agent_client, origin_of
from riverrun.agents.dialogue import Dialogue
from riverrun.agents.egress import Egress, make_client
from riverrun.base.errors import NodeError
from riverrun.runs.context import Context

_CARD_LIFE = 300.0  # seconds that a card is used before it is asked for again


class RemoteAgent:
    """An agent of another machine; add it to a graph as a node.

    It streams the text of the agent's artifacts under one key. Parts that are no text are told as events `a2a.part`,
    and what the agent says about its work as `a2a.status`. A task that waits for its user (`input-required`) is a
    question of the node; what the question says and what is answered are text or JSON.

    Args:
        url: Where the agent is; its card is looked for below that.
        takes: Key of the state that the agent is told, or a function that makes it from the state: a text, or JSON.
        gives: Key of the state that its text is stored under.
        credentials: What the security schemes of its card ask for, by their names: a key, a token, for `basic`
            `user:password`. Shown to the agent's origin only.
        headers: Sent with every request.
        card_path: Where its card is below `url`; None for the usual place.
        origins: Other origins that its card may name, and that may be shown the credentials.
        egress: What may be reached, and how much of it is taken.
        tries: How often in a row the connection may break without a word from the agent.
        interval: Seconds between two looks at the task of an agent that does not stream; also before the second try
            to come back, and twice as long before each one after that.

    Raises:
        LoadError: E1013, the extra `a2a` is not installed (when this file is imported).
    """

    def __init__(  # noqa: PLR0913  # what can be said of an agent
        self,
        url: str,
        *,
        takes: str | Callable[[Any], Any] = "input",
        gives: str = "output",
        credentials: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        card_path: str | None = None,
        origins: tuple[str, ...] = (),
        egress: Egress | None = None,
        tries: int = 5,
        interval: float = 0.5,
    ) -> None:
        self.url = url
        self._takes = takes
        self._gives = gives
        self._credentials = dict(credentials or {})
        self._headers = dict(headers or {})
        self._card_path = card_path
        self._origins = frozenset(map(origin_of, origins))
        self._egress = egress or Egress()
        self._tries = tries
        self._interval = interval
        self._card: tuple[float, Any] = (0.0, None)

    async def __call__(self, state: Any, ctx: Context) -> dict[str, Any]:
        """Give the agent a task and stream what it puts out.

        Args:
            state: Of the graph.
            ctx: Of the execution.

        Returns:
            The stream, under its key.

        Raises:
            NodeError: E3002, the state has not what the agent takes.
        """
        given = self._given(state)
        return {self._gives: self._speak(given, ctx)}

    def _given(self, state: Any) -> Any:
        if not isinstance(self._takes, str):
            return self._takes(state)
        try:
            return state[self._takes] if isinstance(state, Mapping) else getattr(state, self._takes)
        except (KeyError, AttributeError):
            what = f"the state has no {self._takes!r} that the agent at {self.url} could be told"
            raise NodeError("E3002", what, mend="Name the key with `takes=`, or write it before.") from None

    async def _speak(self, given: Any, ctx: Context) -> AsyncIterator[str]:
        proof = Proof(self._credentials, self.url, self._origins)
        async with make_client(self._egress, auth=proof, headers=self._headers) as http:
            card = await self._known_card(http)
            proof.read(card)
            if proof.lacking:
                raise NodeError("E3062", f"the agent at {self.url} asks for {proof.lacking}")
            client = make_agent_client(http, card, self.url, self._origins)
            streams = card.capabilities.streaming
            dialogue = Dialogue(client, ctx, streams=streams, tries=self._tries, interval=self._interval)
            try:
                async with aclosing(dialogue.run(given)) as texts:
                    async for text in texts:
                        yield text
            finally:
                if ctx.stopping:  # told to end by the user; a worker that leaves lets the task go on for the next one
                    await dialogue.cancel()

    async def _known_card(self, http: Any) -> Any:
        until, card = self._card
        if card is None or monotonic() > until:
            card = await fetch_card(http, self.url, self._card_path)
            self._card = (monotonic() + _CARD_LIFE, card)
        return card
