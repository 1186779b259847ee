"""What a program tells of its run, in a form in which two engines can be compared.

Programs call `run`, `arun`, `look` and `failing`; these use nothing but the public interface that both engines share.
Everything in an outcome is plain data: what differs between the engines by nature (ids that were drawn, classes of
messages, tuples or lists) is gone.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from typing import Any

import msgspec

from riverrun.base.errors import RiverrunError

MODES = ["updates", "custom", "values"]
QUESTIONS = "__interrupt__"
_BESIDE = (QUESTIONS, "__metadata__")  # what stands in an update beside the names of nodes
_DRAWN = re.compile(r"[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}(\.\d+)?")
_ROLES = {"human": "user", "ai": "assistant", "AIMessageChunk": "assistant"}

# LangGraph names its errors by class, Riverrun by code.
CODES = {
    "E1": "ValueError",
    "E2010": "InvalidUpdateError",
    "E3002": "InvalidUpdateError",
    "E3003": "InvalidUpdateError",
    "E3004": "InvalidUpdateError",
    "E3005": "GraphRecursionError",
    "E3016": "NodeTimeoutError",
    "E3019": "ParentCommand",
    "E6006": "ValueError",
}


def error_name(error: BaseException) -> str:
    """Name an error alike for both engines: what user code raised by its class, what the engine says by its kind."""
    if not isinstance(error, RiverrunError):
        return type(error).__name__
    if error.code == "E3011" and isinstance(error.__cause__, BaseException):
        return error_name(error.__cause__)
    inner = re.match(r"(E\d{4}): ", error.message)
    code = inner[1] if error.code == "E3011" and inner else error.code
    return CODES.get(code) or CODES.get(code[:2]) or code


@contextmanager
def failing(outcome: dict[str, Any]):
    """Note the error that the body ends with, if any, as the outcome's."""
    outcome.setdefault("error", None)
    try:
        yield
    except Exception as error:  # noqa: BLE001  # which one it is, is what is compared
        outcome["error"] = error_name(error)


def error_of(function: Callable[..., object], *given: Any, **named: Any) -> str | None:
    """Give the name of the error that a call ends with; None when it ends well."""
    noted: dict[str, Any] = {}
    with failing(noted):
        function(*given, **named)
    return noted["error"]  # type: ignore[no-any-return]  # `failing` puts a name there


def run(graph: Any, given: Any, config: Any = None, **options: Any) -> dict[str, Any]:
    """Run a graph to its end, its error or its questions, and tell the outcome."""
    outcome = _empty()
    with failing(outcome):
        for mode, chunk in graph.stream(given, config, stream_mode=MODES, **options):
            note(outcome, mode, chunk)
    return outcome


async def arun(graph: Any, given: Any, config: Any = None, **options: Any) -> dict[str, Any]:
    """Do as `run` does, in async code."""
    outcome = _empty()
    with failing(outcome):
        async for mode, chunk in graph.astream(given, config, stream_mode=MODES, **options):
            note(outcome, mode, chunk)
    return outcome


def look(graph: Any, config: Any) -> dict[str, Any]:
    """Tell what a thread says about itself."""
    found = graph.get_state(config)
    return {
        "state": plain(found.values),
        "next": sorted(found.next),
        "interrupts": questions(found.interrupts),
        "tasks": sorted((task.name, questions(task.interrupts)) for task in found.tasks),
    }


def questions(asked: Any) -> list[Any]:
    """Give the values of questions in an order that depends on nothing else."""
    return sorted((plain(one.value) for one in asked), key=repr)


def thread(name: str = "1", **more: Any) -> dict[str, Any]:
    """Make the config of a thread."""
    return {"configurable": {"thread_id": name, **more}}


def merged(*outcomes: dict[str, Any]) -> dict[str, Any]:
    """Put the outcomes of several runs into one, each under its number."""
    return {f"{number}.{name}": value for number, one in enumerate(outcomes, 1) for name, value in one.items()}


def _empty() -> dict[str, Any]:
    return {"state": None, "updates": [], "custom": [], "interrupts": [], "error": None}


def note(outcome: dict[str, Any], mode: str, chunk: Any) -> None:
    """Take one part of a stream with several modes into an outcome."""
    if mode == "custom":
        outcome["custom"].append(plain(chunk))
    elif mode == "values":
        state = {name: value for name, value in fields(chunk).items() if name != QUESTIONS}
        outcome["state"] = plain(state) if state or QUESTIONS not in fields(chunk) else outcome["state"]
    else:
        outcome["updates"] += updates(chunk)
        outcome["interrupts"] += questions(chunk.get(QUESTIONS, ()))


def updates(chunk: Mapping[str, Any]) -> list[Any]:
    """Give the (node, update) pairs of a chunk of the mode `updates`."""
    return [[node, plain(update)] for node, update in chunk.items() if node not in _BESIDE]


# --- plain data ---


def fields(value: Any) -> dict[str, Any]:
    """Give the fields of a mapping or of an instance of whichever kind of class."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, msgspec.Struct):
        return msgspec.structs.asdict(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return {name: getattr(value, name) for name in type(value).model_fields}


def plain(value: Any) -> Any:
    """Make plain data of a value: lists, mappings with sorted names, texts and numbers."""
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, Mapping):
        return _message(value) if _is_message(value) else {str(k): plain(value[k]) for k in sorted(value, key=str)}
    if isinstance(value, set | frozenset):
        return sorted((plain(one) for one in value), key=repr)
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, BaseException):
        return error_name(value)
    if type(value).__name__ == "Interrupt":
        return {"asks": plain(value.value)}
    if type(value).__name__ == "Overwrite":
        return {"overwrites": plain(value.value)}
    if hasattr(value, "content") and hasattr(value, "type"):
        return _message({"role": value.type, "content": value.content, "id": value.id})
    return plain(fields(value))


def _is_message(value: Mapping[str, Any]) -> bool:
    return {"role", "content"} <= set(value) <= {"role", "content", "id"}


def _message(value: Mapping[str, Any]) -> list[Any]:
    identity = value.get("id")
    drawn = identity is None or _DRAWN.fullmatch(str(identity))
    return [_ROLES.get(value["role"], value["role"]), plain(value["content"]), None if drawn else identity]
