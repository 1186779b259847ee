"""The builder that users import: `StateGraph`, whose `compile()` gives a graph that runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from riverrun.face.compiled import CompiledGraph
from riverrun.face.saver import InMemorySaver
from riverrun.graph.build import GraphBuilder
from riverrun.runs.cache import InMemoryCache


class StateGraph(GraphBuilder):
    """Declare a graph; `compile()` makes it run. See `GraphBuilder` for nodes and edges.

    Args:
        state: A TypedDict, dataclass, Struct or pydantic class whose keys may carry reducers
            (`Annotated[list, operator.add]`), or `dict`.
        context_schema: As in `GraphBuilder`, as are the next two.
        input_schema: Class whose keys the input may have.
        output_schema: Class whose keys a result has.

    Raises:
        GraphError: E1007 or E1008, a class cannot be used as a state; E1011, there is no such option.
    """

    def compile(  # LangGraph's names
        self,
        checkpointer: InMemorySaver | None = None,
        *,
        cache: InMemoryCache | None = None,
        store: Any = None,
        interrupt_before: Sequence[str] | str | None = None,
        interrupt_after: Sequence[str] | str | None = None,
        debug: bool = False,
        name: str = "graph",
    ) -> CompiledGraph:
        """Check the graph and make it ready to run.

        Args:
            checkpointer: Keeps threads: what a run left is where the next one of its `thread_id` begins.
            cache: Where nodes with a cache policy keep what they made; None: a cache of the graph's own.
            store: Handed to nodes as `ctx.store`; what it is, is theirs to know.
            interrupt_before: Nodes before which a run holds; `"*"` for all.
            interrupt_after: Nodes after which it holds.
            debug: Without effect: the log tells everything already.
            name: Name of the graph; a server may give it another.

        Returns:
            The graph; later changes of the builder do not reach it.

        Raises:
            GraphError: E1003, E1004 or E1005: what is wrong, where, and how to mend it.
        """
        del debug
        holds = [
            (each,) if isinstance(each, str) else tuple(each or ()) for each in (interrupt_before, interrupt_after)
        ]
        plan = self.plan(name, before=holds[0], after=holds[1])
        return CompiledGraph(plan, checkpointer=checkpointer, cache=cache, store=store)
