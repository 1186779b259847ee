"""An agent of another machine is a node like any other: it streams, asks, stops, breaks off and is gone on with."""

from __future__ import annotations

import asyncio
import socket
import threading
from contextlib import aclosing

import pytest
from a2a.types.a2a_pb2 import Part

from riverrun.agents.egress import Egress
from riverrun.agents.remote import RemoteAgent
from riverrun.base.errors import RunFailed
from riverrun.events.kinds import Custom, NodeChunk
from riverrun.face.saver import InMemorySaver
from riverrun.face.state_graph import StateGraph
from riverrun.graph.node import START, Command
from riverrun.graph.policies import RetryPolicy
from riverrun.testing.proxy import Break, Faults, Proxy
from tests.agents.remote_agents import said, served
from tests.face.chains import newest_log
from tests.leaks import held
from tests.runs.plans import until

pytestmark = pytest.mark.timeout(40)
HERE = Egress(loopback=True)
BINDINGS = pytest.mark.parametrize("binding", ["JSONRPC", "HTTP+JSON"])
THREAD = {"configurable": {"thread_id": "t"}}
SOON = RetryPolicy(initial_interval=0.0, jitter=False)


def graph_of(url, saver=None, retry=None, **options):
    """Compile a graph of nothing but the agent."""
    agent = RemoteAgent(url, egress=HERE, **{"interval": 0.01, **options})
    builder = StateGraph(dict).add_node("agent", agent, retry_policy=retry)
    return builder.add_edge(START, "agent").compile(saver)


async def words(work):
    """Stream a few words."""
    await work.update.start_work()
    await work.say("You ", "said ", work.told)
    await work.update.complete()


@BINDINGS
@pytest.mark.parametrize("streaming", [True, False])
async def test_what_the_agent_puts_out_is_the_stream_of_the_node(binding, streaming):
    async with served(words, binding=binding, streaming=streaming) as (url, agent):
        events = [event async for event in graph_of(url).astream({"input": "hello"})]
    assert "You said hello" == "".join(event.value for event in events if isinstance(event, NodeChunk))
    assert 1 == len(agent.began)
    statuses = [e.value["state"] for e in events if isinstance(e, Custom) and e.name == "a2a.status"]
    assert "completed" == statuses[-1]
    if streaming:
        assert ["You ", "said ", "hello"] == [event.value for event in events if isinstance(event, NodeChunk)]
        assert ["submitted", "working", "completed"] == statuses


@BINDINGS
async def test_each_piece_is_given_on_before_the_agent_makes_the_next(binding):
    heard = threading.Event()

    async def waits(work):
        await work.say("one ", last=False)
        await asyncio.to_thread(heard.wait, 20)  # nobody would ever set it if the first piece were held back
        await work.update.add_artifact([Part(text="two")], artifact_id="answer", append=True, last_chunk=True)
        await work.update.complete()

    async with served(waits, binding=binding) as (url, _):
        pieces = []
        async for event in graph_of(url).astream({"input": "x"}):
            if isinstance(event, NodeChunk):
                pieces.append(event.value)
                heard.set()
    assert ["one ", "two"] == pieces


async def test_an_answer_in_one_message_is_text_too():
    async def answers(work):
        await work.update.complete(said("just this"))

    async with served(answers) as (url, _):
        assert {"input": "x", "output": "just this"} == await graph_of(url).ainvoke({"input": "x"})


async def test_what_is_told_may_be_json_and_what_comes_may_be_more_than_text():
    async def tells(work):
        (part,) = work.message.parts
        await work.update.add_artifact([Part(text="see: "), part], artifact_id="a")
        await work.update.complete()

    async with served(tells) as (url, _):
        graph = graph_of(url, takes=lambda state: {"question": state["q"], "n": [1, None]}, gives="answer")
        events = [event async for event in graph.astream({"q": "why?"})]
    assert ["see: "] == [event.value for event in events if isinstance(event, NodeChunk)]
    (part,) = [event.value["part"] for event in events if isinstance(event, Custom) and event.name == "a2a.part"]
    assert {"question": "why?", "n": [1, None]} == part["data"]


@BINDINGS
async def test_what_the_agent_asks_its_node_asks_and_the_answer_goes_to_the_same_task(binding):
    async def asks(work):
        if work.told in ("go", "maybe"):
            await work.update.requires_input(said(f"{work.told}? sure?"))
            return
        await work.say(f"so be it: {work.told}")
        await work.update.complete()

    saver = InMemorySaver()
    async with served(asks, binding=binding) as (url, agent):
        graph = graph_of(url, saver)
        asked = await graph.ainvoke({"input": "go"}, THREAD)
        assert "go? sure?" == asked["__interrupt__"][0].value
        saver.parked.clear()  # as in another process: only the log is left
        asked = await graph.ainvoke(Command(resume="maybe"), THREAD)
        assert "maybe? sure?" == asked["__interrupt__"][0].value
        saver.parked.clear()
        assert "so be it: yes" == (await graph.ainvoke(Command(resume="yes"), THREAD))["output"]
    assert (3, 1) == (len(agent.began), len(set(agent.began)))
    assert 3 == len(set(agent.messages))


@BINDINGS
async def test_who_stops_the_run_stops_the_task(binding):
    async def never(work):
        await work.say("begun", last=False)
        await asyncio.Event().wait()

    async with served(never, binding=binding) as (url, agent):
        run = await graph_of(url).start({"input": "x"})
        async for event in run.events():
            if isinstance(event, NodeChunk):
                break
        await run.stop("enough")
        await until(agent.stopped.is_set)
    assert agent.began == agent.cancelled


@pytest.mark.parametrize(
    ("state", "code", "word"),
    [("failed", "E3058", "no luck"), ("reject", "E3058", "no luck"), ("cancel", "E3058", "by itself")],
)
async def test_a_task_that_does_not_end_well_is_a_failure_that_says_why(state, code, word):
    async def fails(work):
        await getattr(work.update, state)(said("no luck"))

    async with served(fails) as (url, _):
        with pytest.raises(RunFailed) as caught:
            await graph_of(url).ainvoke({"input": "x"})
    assert code in caught.value.message
    assert word in caught.value.message


async def test_a_state_without_what_the_agent_takes_is_said_to_be_so():
    with pytest.raises(RunFailed, match="no 'input'"):
        await graph_of("https://agent.example").ainvoke({"other": 1})


# --- the network ---


@pytest.mark.parametrize("then", [Break.RESET, Break.END])
@pytest.mark.parametrize("binding", ["JSONRPC", "HTTP+JSON"])
async def test_a_stream_that_breaks_anywhere_is_taken_up_again_and_nothing_is_lost_or_repeated(binding, then):
    pieces = [f"piece {number} of a text that takes its time. " for number in range(40)]

    async def slowly(work):
        for place, piece in enumerate(pieces):
            await work.update.add_artifact(
                [Part(text=piece)], artifact_id="a", append=place > 0 or None, last_chunk=place == len(pieces) - 1
            )
            await asyncio.sleep(0.002)
        await work.update.complete()

    def faults(number):
        return Faults(after=4_000 + 1_500 * number, then=then)

    port = _free_port()
    async with (
        Proxy("127.0.0.1", port, faults=faults) as proxy,
        served(slowly, binding=binding, port=port, said_to_be=proxy.url) as (_, agent),
    ):
        graph = graph_of(proxy.url, tries=30)
        events = [event async for event in graph.astream({"input": "x"})]
        assert proxy.statistics()["connections"] > 2
    assert "".join(pieces) == "".join(event.value for event in events if isinstance(event, NodeChunk))
    assert "run.completed" == events[-1].type
    assert 1 == len(agent.began)


async def test_an_agent_that_is_gone_for_good_is_a_failure_and_not_an_end():
    async def says_and_waits(work):
        await work.say("one ", last=False)
        await asyncio.Event().wait()

    port = _free_port()
    async with Proxy("127.0.0.1", port) as proxy:
        async with served(says_and_waits, port=port, said_to_be=proxy.url) as (_, _):
            run = await graph_of(proxy.url, tries=2).start({"input": "x"})
            async for event in run.events():
                if isinstance(event, NodeChunk):
                    break
        proxy.cut()  # the agent is gone by now
        events = [event async for event in run.events()]
    assert "run.failed" == events[-1].type
    assert "E3060" == events[-1].error.code


async def test_a_new_attempt_goes_on_with_the_task_of_the_one_before():
    told = []

    async def once(work):
        told.append(work.told)
        await work.say("all of it")
        await work.update.complete()

    class Breaks(RemoteAgent):
        """Fails once after the agent has answered."""

        failed = False

        async def _speak(self, given, ctx):
            async for text in super()._speak(given, ctx):
                yield text
                if not self.failed:
                    self.failed = True
                    raise ConnectionError("here, not there")

    async with served(once) as (url, agent):
        agent_node = Breaks(url, egress=HERE, interval=0.01)
        graph = StateGraph(dict).add_node("agent", agent_node, retry_policy=SOON).add_edge(START, "agent").compile()
        assert "all of it" == (await graph.ainvoke({"input": "x"}))["output"]
    assert ["x"] == told
    assert 1 == len(agent.began)


async def test_a_task_that_the_agent_has_forgotten_is_given_anew():
    saver = InMemorySaver()

    async def asks(work):
        if work.told == "go":
            await work.update.requires_input(said("sure?"))
            return
        await work.update.complete(said(work.told))

    async with served(asks) as (url, _):
        await graph_of(url, saver).ainvoke({"input": "go"}, THREAD)
    port = int(url.rpartition(":")[2])
    async with served(asks, port=port) as (_, agent):  # started again, and remembers nothing
        asked = await graph_of(url, saver).ainvoke(Command(resume="yes"), THREAD)
    # The answer was to the question of a task that is gone: what is asked in the new one, the same, has that answer.
    assert "yes" == asked["output"]
    assert 2 == len(agent.began)
    assert 1 == len([event for event in await newest_log(saver) if event.type == "run.completed"])


async def test_nothing_is_left_of_many_runs():
    async with served(words) as (url, agent):
        graph = graph_of(url)
        before = asyncio.all_tasks()
        for _ in range(30):
            await graph.ainvoke({"input": "x"})
        await until(lambda: before == asyncio.all_tasks())  # a stream of the SDK is closed in a task of its own
    assert 30 == len(agent.began)


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_hundreds_of_runs_that_ended_or_were_stopped_leave_nothing_behind():
    ours = ("riverrun", "httpx", "httpcore", "a2a.client")  # the agent, in the same process, remembers its tasks

    async def waits(work):
        await words(work) if work.told == "x" else await work.say("one ", last=False)

    async def cycles(graph, count):
        for number in range(count):
            run = await graph.start({"input": "wait" if number % 2 else "x"})
            async with aclosing(run.events()) as events:
                async for event in events:
                    if number % 2 and isinstance(event, NodeChunk):
                        await run.stop()
            await run.settled()
        await until(lambda: before == asyncio.all_tasks())

    async with served(waits, binding="JSONRPC") as (url, agent):
        graph, before = graph_of(url), asyncio.all_tasks()
        await cycles(graph, 20)
        first = held(*ours)
        await cycles(graph, 200)  # a run takes the agent and us 40 ms of processor
        last = held(*ours)
        assert (220, 110) == (len(agent.began), len(agent.cancelled))
    assert last.objects - first.objects < 100, "something is kept of every second run"
    assert last.files <= first.files + 2


# --- who we are ---


def scheme(**kinds):
    """Say what a card asks for."""
    return {
        "security_schemes": {name: {kind: fields} for name, (kind, fields) in kinds.items()},
        "security_requirements": [{"schemes": {name: {}}} for name in kinds],
    }


@pytest.mark.parametrize(
    ("asks", "secret", "shown"),
    [
        (("http_auth_security_scheme", {"scheme": "bearer"}), "secret", ("authorization", "Bearer secret")),
        (("http_auth_security_scheme", {"scheme": "Basic"}), "user:pw", ("authorization", "Basic dXNlcjpwdw==")),
        (("api_key_security_scheme", {"location": "header", "name": "X-Key"}), "secret", ("x-key", "secret")),
        (("api_key_security_scheme", {"location": "cookie", "name": "k"}), "secret", ("cookie", "k=secret")),
        (("oauth2_security_scheme", {"description": "x"}), "token", ("authorization", "Bearer token")),
    ],
)
async def test_credentials_are_shown_as_the_card_asks_for_them(asks, secret, shown):
    async with served(words, guard=shown, **scheme(mine=asks)) as (url, _):
        graph = graph_of(url, credentials={"mine": secret})
        assert "You said x" == (await graph.ainvoke({"input": "x"}))["output"]
        for wrong in ({}, {"other": secret}):
            with pytest.raises(RunFailed, match=r"E3062.*asks for mine"):
                await graph_of(url, credentials=wrong).ainvoke({"input": "x"})


async def test_credentials_and_questions_do_not_go_where_a_card_points():
    async with served(words) as (elsewhere, other), served(words, said_to_be=elsewhere) as (url, _):
        with pytest.raises(RunFailed, match="E3059"):
            await graph_of(url, credentials={"mine": "secret"}).ainvoke({"input": "x"})
        assert [] == other.began
        allowed = graph_of(url, origins=(elsewhere,))
        assert "You said x" == (await allowed.ainvoke({"input": "x"}))["output"]
    assert 1 == len(other.began)


async def test_an_address_without_an_agent_is_said_to_be_so():
    async with served(words) as (url, _):
        with pytest.raises(RunFailed, match="E3059"):
            await graph_of(f"{url}/nothing").ainvoke({"input": "x"})
        with pytest.raises(RunFailed, match="E3059"):
            await graph_of(url, card_path="/elsewhere.json").ainvoke({"input": "x"})


def _free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port
