"""One door for agents that were written for something else: whatever it is, it becomes a graph.

A graph can be started, attached to, stopped and resumed, it is logged and taken over; so all of these hold for what
comes in here. An object is known by the names of the modules that its classes come from, so no library is imported
until an object of it is met, and then only by the file of this room that is named after it.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from importlib import import_module
from typing import Any, Literal, NamedTuple, cast

from riverrun.base.errors import GraphError
from riverrun.graph.plan import Plan


class Library(NamedTuple):
    """A library whose agents are known.

    Attributes:
        classes: Class of an agent, by `module:name`; the module may be any below this one.
        unready: Classes of what is not an agent yet, in the same way.
        module: Which file of this room runs it; also the name of the extra, with `-` for `_`.
        article: What its agent is called, for messages.
    """

    classes: tuple[str, ...]
    unready: tuple[str, ...]
    module: str
    article: str


LIBRARIES = (
    Library(
        ("langgraph.pregel:Pregel",), ("langgraph.graph:StateGraph",), "langgraph", "a compiled graph of LangGraph"
    ),
    Library(("pydantic_ai.agent:AbstractAgent",), (), "pydantic_ai", "an agent of Pydantic AI"),
    Library(("agents.agent:Agent",), (), "openai_agents", "an agent of the OpenAI Agents SDK"),
    Library(("workflows.workflow:Workflow",), (), "llama_index", "a workflow of LlamaIndex"),
)
ACCEPTED = f"{', '.join(each.article for each in LIBRARIES)}, or a function"


def adopt(
    agent: Any,
    *,
    name: str | None = None,
    takes: str = "input",
    gives: str = "output",
    recover: Literal["restart", "fail"] = "restart",
    **options: Any,
) -> Plan:
    """Make a graph of an agent of another library, or of a function.

    Args:
        agent: A compiled LangGraph graph, a Pydantic AI agent, an agent of the OpenAI Agents SDK, a LlamaIndex
            workflow, a coroutine function, a generator function, async or not; or a compiled graph, which stays what it
            is.
        name: Name of the graph; None: the agent's own.
        takes: Key of the state that the agent is given. A LangGraph graph has keys of its own.
        gives: Key of the state for what it gives back.
        recover: What becomes of what it was doing when its worker died: `restart`: it begins anew from its last
            question, or from its beginning, as a new attempt that the log tells of; `fail`: it fails. A function, as
            any node of our own, can only begin anew.
        **options: What the library's own function that runs an agent is given besides: `deps` of a Pydantic AI agent,
            `context` and `max_turns` of one of the OpenAI Agents SDK.

    Returns:
        The plan of the graph. Serve it, run it (`CompiledGraph(plan)`), or add it to a graph as a node.

    Raises:
        GraphError: E1017, it is none of these; E1018, its library is not there or too old; E1019, it is a class, or a
            graph that was not compiled; E1006, it is a function that cannot be called; E1011, it takes no such option;
            E1012, there is no such way to recover.
    """
    inside = agent if isinstance(agent, Plan) else getattr(agent, "plan", None)
    library = None if isinstance(inside, Plan) else library_of(agent)
    if library is not None:
        kind = _read(library, agent, name, takes, gives, options)
        return cast("Plan", _of("stretch").as_plan(kind, recover))
    for option in options:
        raise GraphError("E1011", f"{_named(agent)} was given the option {option!r}")
    if recover != "restart":
        what = f"{_named(agent)}: recover is {recover!r}"
        mend = "Leave it out: nodes of our own begin anew. One that must not can look at ctx.attempt."
        raise GraphError("E1012", what, mend=mend)
    if isinstance(inside, Plan):
        return inside
    if inspect.isclass(agent) or not callable(agent):
        what = f"{_named(agent)} cannot be run as an agent"
        raise GraphError("E1017", what, mend=f"Give a compiled graph, {ACCEPTED}.")
    return cast("Plan", _of("plain").as_plan(agent, name, gives))


def library_of(agent: object) -> Library | None:
    """Give the library whose agent this is.

    Args:
        agent: Any object.

    Returns:
        The library; None where it is none that is known.

    Raises:
        GraphError: E1019, it is of a library, but a class, or not compiled.
    """
    is_class = inspect.isclass(agent)
    for library in LIBRARIES:
        if _is_one(agent, library.classes, is_class):
            if not is_class:
                return library
            what = f"{_named(agent)} is a class"
            raise GraphError("E1019", what, mend=f"Make one: {getattr(agent, '__name__', '')}(…).")
        if not is_class and _is_one(agent, library.unready, is_class=False):
            raise GraphError("E1019", f"{_named(agent)} was not compiled", mend="Give what its compile() gives back.")
    return None


def _is_one(agent: object, classes: tuple[str, ...], is_class: bool) -> bool:  # noqa: FBT001  # as `library_of` found
    line = inspect.getmro(agent if is_class else type(agent))  # type: ignore[arg-type]  # it is one
    for each in classes:
        module, _, name = each.partition(":")
        for cls in line:
            if cls.__name__ == name and (cls.__module__ == module or cls.__module__.startswith(f"{module}.")):
                return True
    return False


def _read(  # what `adopt` was told
    library: Library, agent: object, name: str | None, takes: str, gives: str, options: Mapping[str, Any]
) -> object:
    try:
        module = _of(library.module)
    except ImportError as error:
        what = f"{library.article} needs what is not there: {error}"
        extra = library.module.replace("_", "-")
        raise GraphError("E1018", what, mend=f'pip install "riverrun[{extra}]"') from error
    return module.read(agent, name, takes, gives, options)


def _of(module: str) -> Any:
    """Import a file of this room: who adopts nothing has no use for them, and would pay a millisecond for two."""
    return import_module(f"riverrun.agents.{module}")


def _named(agent: object) -> str:
    kind = agent if inspect.isclass(agent) else type(agent)
    return f"{'' if kind is agent else 'an object of '}{kind.__module__}.{kind.__qualname__}"
