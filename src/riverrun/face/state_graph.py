"""The builder that users import: `StateGraph`, whose `compile()` gives a graph that runs.

Its nodes may also be agents of other libraries; what those are, `riverrun.agents` knows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Self

from riverrun.agents.adopt import adopt, library_of
from riverrun.base.errors import GraphError
from riverrun.face.compiled import CompiledGraph
from riverrun.face.saver import InMemorySaver
from riverrun.graph.build import GraphBuilder
from riverrun.graph.plan import Plan
from riverrun.runs.cache import InMemoryCache

_MEND_SAVER = (
    "Give riverrun.InMemorySaver(). What shall outlive the process is served: create_app({'name': graph}, "
    "store='sqlite:///runs.db') keeps the threads of every graph."
)


class Adopted(NamedTuple):
    """The graph that an agent became, as a node.

    Attributes:
        plan: The graph.
    """

    plan: Plan


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

    def add_node(self, node: Any, action: Any = None, **said: Any) -> Self:
        """Add a node: a function, a compiled graph, or an agent of another library (see `NodeBuilder.add_node`).

        Args:
            node: Its name; or its function, graph or agent, whose name it then takes.
            action: Its function, graph or agent. An agent becomes a sub graph, as `adopt` makes it; with `adopt` itself
                the keys of the state can be named that it takes and gives.
            **said: What else is to be said of it, as in `NodeBuilder.add_node`.

        Returns:
            The builder, so that calls can be chained.

        Raises:
            GraphError: As `NodeBuilder.add_node` and `adopt`; E1020, an agent and the state have no key in common.
        """
        if not isinstance(node, str) and action is None:
            return super().add_node(self._adopted(node), None, **said)
        return super().add_node(node, self._adopted(action), **said)

    def _adopted(self, action: Any) -> Any:
        if isinstance(action, Plan):
            adopted = Adopted(action)
        elif action is None or isinstance(action, CompiledGraph) or library_of(action) is None:
            return action
        else:
            adopted = Adopted(adopt(action))
        inside = adopted.plan.schema
        every = dict.fromkeys(inside.keys)
        for verb, names in (("takes", inside.enter(every)), ("gives", inside.output(every))):
            if names and len(self._schema.unknown(names)) == len(names):
                what = f"{adopted.plan.name!r} {verb} {', '.join(names)}"
                raise GraphError("E1020", f"{what}; the keys of the state are {', '.join(self._schema.keys) or 'none'}")
        return adopted

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
            GraphError: E1003, E1004 or E1005: what is wrong, where, and how to mend it; E1012, the checkpointer keeps
                no logs.
        """
        del debug
        _check_saver(checkpointer, name)
        holds = [
            (each,) if isinstance(each, str) else tuple(each or ()) for each in (interrupt_before, interrupt_after)
        ]
        plan = self.plan(name, before=holds[0], after=holds[1])
        return CompiledGraph(plan, checkpointer=checkpointer, cache=cache, store=store)


def _check_saver(given: object, graph: str) -> None:
    """Refuse what a type checker would have refused: LangGraph's own savers above all."""
    if not isinstance(given, InMemorySaver | None):
        what = f"checkpointer= is a {type(given).__name__}, which keeps no logs"
        raise GraphError("E1012", what, where=f"graph {graph!r}", mend=_MEND_SAVER)
