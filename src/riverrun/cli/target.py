"""From what a user names to compiled graphs: `module:graph`, `path/file.py:graph`, or either without a name.

What is named may also be an agent of another library or a function (`riverrun.agents.adopt`).

The module is imported as it would be by Python itself, with the directory that its imports start from on the path.
Whatever goes wrong there is an error that names the line; its stack is not shown.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from contextlib import redirect_stdout, suppress
from pathlib import Path
from types import ModuleType

import riverrun
from riverrun.agents.adopt import adopt, library_of
from riverrun.base.errors import GraphError, InputError, LoadError, RiverrunError
from riverrun.face.compiled import CompiledGraph
from riverrun.face.state_graph import StateGraph
from riverrun.runs.whose import line_of

_PACKAGE = Path(riverrun.__file__).resolve().parent
_UNNAMED = "graph"  # what compile() calls a graph that was given no name


def load(target: str) -> dict[str, CompiledGraph]:
    """Import what a target names.

    Args:
        target: `module:graph`, `path/file.py:graph`, `module`, or `path/file.py`; without a name all graphs are meant.

    Returns:
        At least one graph, by the name that it is served under: its own, else that of its variable.

    Raises:
        LoadError: E6001, the module does not import; E6002, there is no graph of that name, or none at all.
        InputError: E6004, the file is not there.
        RiverrunError: E1…, the module compiles a graph that cannot be compiled, or the agent cannot be adopted.
    """
    place, _, name = target.rpartition(":") if ":" in target else (target, "", "")
    if not place:
        raise LoadError("E6002", f"{target!r} names no module", mend="Write module:graph or path/file.py:graph.")
    module = _imported(place)
    found = {key: value for key, value in vars(module).items() if isinstance(value, CompiledGraph)}
    if name:
        graph = _named(module, name, found)
        return {_served(name, graph): graph}
    graphs = _all(found) or _all(_agents(module))
    if not graphs:
        raise LoadError("E6002", f"{place} has no compiled graph", where=place, mend=_hint(module, found))
    return graphs


def only(target: str) -> tuple[str, CompiledGraph]:
    """Import the one graph that a target names.

    Args:
        target: As for `load`.

    Returns:
        Its name and the graph.

    Raises:
        LoadError: E6001 or E6002, as for `load`.
        InputError: E6004, the file is not there; E6006, the target has several graphs.
        RiverrunError: E1…, the module compiles a graph that cannot be compiled.
    """
    graphs = load(target)
    if len(graphs) > 1:
        raise InputError(
            "E6006", f"{target} has several graphs", mend=f"Name one of them: {', '.join(sorted(graphs))}."
        )
    return graphs.popitem()


def _named(module: ModuleType, name: str, found: dict[str, CompiledGraph]) -> CompiledGraph:
    graph = found.get(name)
    if graph is not None:
        return graph
    there = getattr(module, name, None)
    where = module.__name__
    if isinstance(there, StateGraph):
        raise LoadError("E6002", f"{name!r} is not compiled yet", where=where, mend=f"Name what {name}.compile() gave.")
    if there is None:
        raise LoadError("E6002", f"{where} has no {name!r}", where=where, mend=_hint(module, found))
    try:
        return CompiledGraph(adopt(there))
    except GraphError as error:
        if error.code != "E1017":
            error.where = error.where or where
            raise
        what = f"{name!r} is a {type(there).__name__} and not a compiled graph"
        raise LoadError("E6002", what, where=where, mend=_hint(module, found)) from None


def _agents(module: ModuleType) -> dict[str, CompiledGraph]:
    """Give the agents of other libraries that a module has. Functions are none until they are named."""
    found: dict[str, CompiledGraph] = {}
    for variable, value in vars(module).items():
        if inspect.isclass(value) or variable.startswith("_"):
            continue
        with suppress(GraphError):  # of a library, but not ready: it may be there to be compiled
            if library_of(value) is not None:
                found[variable] = CompiledGraph(adopt(value))
    return found


def _hint(module: ModuleType, found: dict[str, CompiledGraph]) -> str:
    if found:
        return f"There is: {', '.join(sorted(found))}."
    drafts = sorted(key for key, value in vars(module).items() if isinstance(value, StateGraph))
    if drafts:
        return f"There is {', '.join(drafts)}, not compiled: write graph = {drafts[0]}.compile()."
    return "Write graph = StateGraph(State)….compile() there."


def _all(found: dict[str, CompiledGraph]) -> dict[str, CompiledGraph]:
    graphs: dict[str, CompiledGraph] = {}
    for variable, graph in found.items():
        if variable.startswith("_") or any(graph is known for known in graphs.values()):
            continue
        name = _served(variable, graph)
        graphs[variable if name in graphs else name] = graph
    return graphs


def _served(variable: str, graph: CompiledGraph) -> str:
    return variable if graph.plan.name == _UNNAMED else graph.plan.name


def _imported(place: str) -> ModuleType:
    if place.endswith(".py") or "/" in place:
        name = _file(Path(place))
    else:
        name = place
        _on_path(Path.cwd())
    try:
        # What a module prints while it is imported must not come between a script and our output.
        with redirect_stdout(sys.stderr):
            return importlib.import_module(name)
    except RiverrunError as error:
        error.where = error.where or _line(error)
        raise
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            mend = "Name a module that Python finds from here, or a file: path/file.py:graph."
            raise LoadError("E6001", f"there is no module {error.name!r}", where=place, mend=mend) from None
        raise _broken(place, error) from None
    except (Exception, SystemExit) as error:  # noqa: BLE001  # somebody else's module may raise anything
        raise _broken(place, error) from None


def _file(path: Path) -> str:
    """Put the directory on the path that the file's package is imported from, and give the dotted name of the file."""
    path = path.resolve()
    if not path.is_file():
        raise InputError("E6004", f"there is no file {path}", where=str(path))
    parts, folder = [path.stem], path.parent
    # Examples that were shipped inside this package are a package of their own: they import each other as `examples.…`.
    while (folder / "__init__.py").is_file() and folder != _PACKAGE:
        parts.insert(0, folder.name)
        folder = folder.parent
    _on_path(folder, last=folder == _PACKAGE)
    return ".".join(parts)


def _on_path(folder: Path, *, last: bool = False) -> None:
    if str(folder) not in sys.path:
        sys.path.insert(len(sys.path) if last else 0, str(folder))


def _broken(place: str, error: BaseException) -> LoadError:
    what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return LoadError("E6001", f"{place} does not import: {what}", where=_line(error))


def _line(error: BaseException) -> str:
    """Give `file:line` of what failed: of the innermost line that is the user's own, if there is one."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    return line_of(error.__traceback__)
