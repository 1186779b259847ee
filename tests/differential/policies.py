"""Programs: nodes that are tried again, cut off, or kept."""

import asyncio

from tests.differential.flaky import Flaky, quick, with_node
from tests.differential.outcome import arun, failing, merged, run
from tests.differential.states import Count, Trace, joined, leaves


def _tried(lg, node, **options):
    return {**run(with_node(lg, node, **options), {"trace": []}), "calls": node.calls}


def a_second_attempt_succeeds(lg):
    return _tried(lg, Flaky(1), retry_policy=quick(lg))


def a_third_attempt_succeeds(lg):
    return _tried(lg, Flaky(2), retry_policy=quick(lg))


def attempts_are_used_up(lg):
    return _tried(lg, Flaky(9), retry_policy=quick(lg, max_attempts=4))


def what_is_wrong_in_the_code_is_not_tried_again(lg):
    return merged(*(_tried(lg, Flaky(1, error), retry_policy=quick(lg)) for error in (ValueError, TypeError, KeyError)))


def an_error_of_ones_own_is_tried_again(lg):
    class Own(Exception):
        pass

    return _tried(lg, Flaky(1, Own), retry_policy=quick(lg))


def chosen_errors_are_tried_again(lg):
    policy = quick(lg, retry_on=ValueError)
    return merged(*(_tried(lg, Flaky(1, error), retry_policy=policy) for error in (ValueError, ConnectionError)))


def several_chosen_errors_are_tried_again(lg):
    policy = quick(lg, retry_on=(ValueError, KeyError))
    return merged(*(_tried(lg, Flaky(1, error), retry_policy=policy) for error in (KeyError, ConnectionError)))


def a_function_chooses_what_is_tried_again(lg):
    policy = quick(lg, retry_on=lambda error: "call 1" in str(error))
    return merged(_tried(lg, Flaky(1), retry_policy=policy), _tried(lg, Flaky(2), retry_policy=policy))


def the_first_policy_that_takes_it_decides(lg):
    policies = [quick(lg, retry_on=ValueError, max_attempts=2), quick(lg, retry_on=KeyError, max_attempts=4)]
    return merged(*(_tried(lg, Flaky(3, error), retry_policy=policies) for error in (ValueError, KeyError)))


def without_a_policy_nothing_is_tried_again(lg):
    return _tried(lg, Flaky(1))


def a_failed_attempt_writes_nothing(lg):
    calls: list[int] = []

    def node(state):
        writer = lg.get_stream_writer()
        writer(f"attempt {len(calls)}")
        calls.append(1)
        if len(calls) == 1:
            raise ConnectionError
        return {"trace": ["good"]}

    return run(with_node(lg, node, retry_policy=quick(lg)), {"trace": []})


async def an_async_node_is_tried_again(lg):
    flaky = Flaky(1)

    async def node(state):
        await asyncio.sleep(0)
        return flaky(state)

    return {**await arun(with_node(lg, node, retry_policy=quick(lg)), {"trace": []}), "calls": flaky.calls}


def one_branch_is_tried_again(lg):
    flaky, calm = Flaky(2), Flaky(0)
    builder = joined(lg, Count, {"b": calm, "c": leaves("c")}, ["^ b", "b c"])
    builder.add_node("x", flaky, retry_policy=quick(lg)).add_edge(lg.START, "x").add_edge("x", "c")
    return {**run(builder.compile(), {}), "calls": [flaky.calls, calm.calls]}


def a_default_policy_for_all_nodes(lg):
    flaky, own = Flaky(1), Flaky(1)
    builder = lg.StateGraph(Trace).set_node_defaults(retry_policy=quick(lg))
    builder.add_node("a", flaky).add_node("b", own, retry_policy=quick(lg, max_attempts=1))
    told = run(builder.add_edge(lg.START, "a").add_edge("a", "b").compile(), {"trace": []})
    return {**told, "calls": [flaky.calls, own.calls]}


# --- time-outs ---


async def a_node_that_takes_too_long(lg):
    async def node(state):
        await asyncio.sleep(60)

    return await arun(with_node(lg, node, timeout=0.02), {"trace": []})


async def a_node_that_is_quick_enough(lg):
    async def node(state):
        await asyncio.sleep(0)
        return {"trace": ["a"]}

    return await arun(with_node(lg, node, timeout=60), {"trace": []})


async def a_time_out_is_tried_again(lg):
    calls: list[int] = []

    async def node(state):
        calls.append(1)
        if len(calls) == 1:
            await asyncio.sleep(60)
        return {"trace": ["a"]}

    return {**await arun(with_node(lg, node, timeout=0.02, retry_policy=quick(lg)), {"trace": []}), "calls": len(calls)}


async def a_node_that_says_nothing_for_too_long(lg):
    async def node(state):
        await asyncio.sleep(60)

    return await arun(with_node(lg, node, timeout=lg.TimeoutPolicy(idle_timeout=0.02)), {"trace": []})


# --- the cache ---


def _kept(lg, node, inputs, **policy):
    builder = lg.StateGraph(Count)
    builder.add_node("a", node, cache_policy=lg.CachePolicy(**policy))
    graph = builder.add_edge(lg.START, "a").compile(cache=lg.InMemoryCache())
    return merged(*(run(graph, given) for given in inputs))


def an_outcome_is_kept(lg):
    calls: list[int] = []

    def node(state):
        calls.append(1)
        return {"n": state["n"] * 2}

    return {**_kept(lg, node, [{"n": 1}, {"n": 1}, {"n": 2}, {"n": 1}]), "calls": len(calls)}


def an_outcome_is_kept_under_a_key_of_ones_own(lg):
    calls: list[int] = []

    def node(state):
        calls.append(1)
        return {"n": state["n"] * 2}

    return {
        **_kept(lg, node, [{"n": 1}, {"n": 3}, {"n": 2}], key_func=lambda state: str(state["n"] % 2)),
        "calls": len(calls),
    }


def an_error_is_not_kept(lg):
    calls: list[int] = []

    def node(state):
        calls.append(1)
        if len(calls) == 1:
            raise LookupError
        return {"n": 5}

    return {**_kept(lg, node, [{"n": 1}, {"n": 1}]), "calls": len(calls)}


def without_a_cache_nothing_is_kept(lg):
    calls: list[int] = []

    def node(state):
        calls.append(1)
        return {"n": 5}

    builder = lg.StateGraph(Count)
    builder.add_node("a", node, cache_policy=lg.CachePolicy())
    graph = builder.add_edge(lg.START, "a").compile()
    outcome: dict[str, object] = {}
    with failing(outcome):
        graph.invoke({"n": 1})
        graph.invoke({"n": 1})
    return {**outcome, "calls": len(calls)}
