"""Programs: calls with an input of their own (`Send`), map and reduce."""

from typing import TypedDict

from tests.differential.outcome import arun, run
from tests.differential.states import Items, joined


def doubles(state):
    return {"done": [state["item"] * 2]}


def adds_up(state):
    return {"total": sum(state["done"])}


def mapped(lg, path, **nodes):
    """Make a graph whose `start` hands work out by `path`, and whose `sum` adds up what `double` made."""
    builder = joined(lg, Items, {"start": lambda state: {}, "double": doubles, "sum": adds_up, **nodes}, ["^ start"])
    builder.add_edge("double", "sum")
    builder.add_conditional_edges("start", path)
    return builder.compile()


def _to_each(lg):
    return lambda state: [lg.Send("double", {"item": item}) for item in state["items"]]


def map_and_reduce(lg):
    return run(mapped(lg, _to_each(lg)), {"items": [3, 1, 2]})


def map_and_reduce_of_one(lg):
    return run(mapped(lg, _to_each(lg)), {"items": [3]})


def map_and_reduce_of_nothing(lg):
    return run(mapped(lg, _to_each(lg)), {"items": []})


def map_and_reduce_of_fifty(lg):
    return run(mapped(lg, _to_each(lg)), {"items": list(range(50))})


async def map_and_reduce_in_async_code(lg):
    async def later(state):
        return doubles(state)

    return await arun(mapped(lg, _to_each(lg), double=later), {"items": [3, 1, 2]})


def the_order_of_results_is_the_order_of_calls(lg):
    return run(
        mapped(lg, lambda state: [lg.Send("double", {"item": item}) for item in "dbca"], sum=lambda state: {}), {}
    )


def a_single_call(lg):
    return run(mapped(lg, lambda state: lg.Send("double", {"item": 21})), {})


def calls_and_a_name(lg):
    return run(
        mapped(lg, lambda state: [lg.Send("double", {"item": 1}), "other"], other=lambda state: {"items": [9]}), {}
    )


def calls_of_two_nodes(lg):
    def path(state):
        return [lg.Send("double", {"item": 1}), lg.Send("triple", {"item": 1}), lg.Send("double", {"item": 2})]

    builder = joined(
        lg,
        Items,
        {
            "start": lambda state: {},
            "double": doubles,
            "triple": lambda state: {"done": [state["item"] * 3]},
            "sum": adds_up,
        },
        ["^ start", "double sum", "triple sum"],
    )
    builder.add_conditional_edges("start", path, ["double", "triple"])
    return run(builder.compile(), {})


def calls_from_the_start(lg):
    builder = joined(lg, Items, {"double": doubles, "sum": adds_up}, ["double sum"])
    builder.add_conditional_edges(lg.START, _to_each(lg), ["double"])
    return run(builder.compile(), {"items": [1, 2]})


def a_call_sees_only_its_input(lg):
    seen = []

    def looks(state):
        seen.append(sorted(state))
        return {"done": [1]}

    return {**run(mapped(lg, _to_each(lg), double=looks), {"items": [5]}), "seen": seen}


def a_call_with_an_input_of_another_class(lg):
    class Other(TypedDict):
        word: str

    def reads(state: Other):
        return {"done": [len(state["word"])]}

    return run(mapped(lg, lambda state: [lg.Send("double", {"word": "four"})], double=reads), {})


def a_call_with_an_input_that_is_no_mapping(lg):
    return run(mapped(lg, lambda state: [lg.Send("double", 4)], double=lambda state: {"done": [state + 1]}), {})


def calls_that_make_calls(lg):
    def halves(state):
        half = state["item"] // 2
        calls = [lg.Send("half", {"item": half}), lg.Send("half", {"item": half})] if half else lg.END
        return lg.Command(update={"done": [state["item"]]}, goto=calls)

    builder = lg.StateGraph(Items)
    builder.add_node("half", halves, destinations=("half", lg.END))
    builder.add_conditional_edges(lg.START, lambda state: [lg.Send("half", {"item": 4})], ["half"])
    return run(builder.compile(), {"items": []})


def the_router_of_a_call_sees_its_input(lg):
    seen = []

    def path(state):
        seen.append([sorted(state), state.get("done")])
        return lg.END

    builder = joined(lg, Items, {"double": doubles}, [])
    builder.add_conditional_edges(lg.START, _to_each(lg))
    builder.add_conditional_edges("double", path)
    return {**run(builder.compile(), {"items": [7]}), "seen": seen}


def a_call_of_nobody(lg):
    return run(mapped(lg, lambda state: [lg.Send("nobody", {})]), {"items": []})


def a_call_that_fails(lg):
    def fails(state):
        if state["item"] == 2:
            raise LookupError("two")
        return doubles(state)

    told = run(mapped(lg, _to_each(lg), double=fails), {"items": [2]})
    return {"error": told["error"], "state": told["state"]}


def calls_in_rounds(lg):
    def path(state):
        return [lg.Send("double", {"item": item}) for item in (1, 2)] if len(state.get("done", [])) < 4 else lg.END

    builder = joined(lg, Items, {"start": lambda state: {}, "double": doubles}, ["^ start", "double start"])
    builder.add_conditional_edges("start", path, ["double", lg.END])
    return run(builder.compile(), {})


def what_follows_calls_runs_once(lg):
    ran = []

    def counts(state):
        ran.append(len(state["done"]))
        return {"total": len(state["done"])}

    return {**run(mapped(lg, _to_each(lg), sum=counts), {"items": [1, 2, 3]}), "ran": ran}
