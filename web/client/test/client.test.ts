// What a program calls first: starting is harmless to repeat, stopping is not leaving, and errors say what to do.

import assert from "node:assert/strict";
import { afterEach, test } from "node:test";

import { Client } from "../src/client.js";
import { ConnectionFault, ProtocolFault, RiverrunError } from "../src/errors.js";
import { parseCursor } from "../src/run.js";
import { begin, bodyOf, event, json, LogServer, logOf, mute, RUN, status, type Answer } from "./server.js";

const TIMES = { created_ms: 1, updated_ms: 2 };
const INFO = { run: RUN, graph: "g", status: "running", head: 3, log: "0a1b2c3d", epoch: 1, ...TIMES };
const QUICK = { firstDelay: 0.005, longestDelay: 0.02 };
const servers: LogServer[] = [];

afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});

interface Served {
  readonly server: LogServer;
  readonly client: Client;
}

async function serving(routes: Record<string, Answer>, events = logOf(5)): Promise<Served> {
  const server = await LogServer.on(events);
  servers.push(server);
  for (const [route, answer] of Object.entries(routes)) server.routes.set(route, answer);
  return { server, client: new Client(`${server.url}/`, { pace: QUICK, timeout: 5 }) };
}

test("a run is started with what was asked, under a key", async () => {
  const { server, client } = await serving({ "POST /v1/runs": json(INFO, 201) });
  const run = await client.start("g", { text: "x" }, { thread: "t", limit: 5, timeout: 2.5 });
  assert.equal(run.id, RUN);
  const [asked] = server.asked;
  assert.deepEqual(JSON.parse(asked!.body), { graph: "g", input: { text: "x" }, thread: "t", limit: 5, timeout: 2.5 });
  assert.equal(asked!.headers["content-type"], "application/json");
  assert.match(String(asked!.headers["idempotency-key"]), /^[0-9a-f]{32}$/);
});

test("a start whose answer is lost is tried again under the same key", async () => {
  let tries = 0;
  const lossy: Answer = (response, asked, server) => {
    tries += 1;
    if (tries < 3) response.destroy();
    else json(INFO, 201)(response, asked, server);
  };
  const { server, client } = await serving({ "POST /v1/runs": lossy });
  await client.start("g", {}, { idemKey: "mine" });
  assert.deepEqual(server.asked.map((asked) => asked.headers["idempotency-key"]), ["mine", "mine", "mine"]);
});

test("a server that is never reached is named", async () => {
  const { server, client } = await serving({});
  await server.close();
  await assert.rejects(client.start("g", {}), (error: RiverrunError) => {
    return error instanceof ConnectionFault && error.code === "E5001" && error.where === server.url;
  });
});

test("a start that the server refuses is not repeated", async () => {
  const told = { code: "E2010", detail: "'text' is missing", mend: "give it" };
  const { server, client } = await serving({ "POST /v1/runs": status(422, told) });
  await assert.rejects(client.start("g", {}), (error: RiverrunError) => {
    return error.code === "E2010" && error.mend === "give it";
  });
  assert.equal(server.asked.length, 1);
});

test("too many runs say when to come again", async () => {
  const { client } = await serving({ "POST /v1/runs": status(429, { code: "E3010" }, { "retry-after": "9" }) });
  await assert.rejects(client.start("g", {}), (error: RiverrunError) => error.retryAfter === 9);
});

test("an answer that does not come in time is said to be late", async () => {
  const { server } = await serving({ "GET /v1/graphs": mute });
  const client = new Client(server.url, { timeout: 0.02 });
  await assert.rejects(client.graphs(), (error: RiverrunError) => error.code === "E5005");
});

test("an answer of something else is not believed", async () => {
  const { client } = await serving({ "GET /v1/graphs": json({ hello: "world" }), [`GET /v1/runs/${RUN}`]: json([]) });
  await assert.rejects(client.graphs(), ProtocolFault);
  await assert.rejects(client.run(RUN).info(), ProtocolFault);
  const { client: other } = await serving({ "GET /v1/graphs": (response) => response.end("<h1>hello</h1>") });
  await assert.rejects(other.graphs(), ProtocolFault);
});

test("graphs and runs are listed", async () => {
  const graphs = [{ name: "g", nodes: ["a"], edges: [] }];
  const routes = { "GET /v1/graphs": json({ graphs }), "GET /v1/runs": json({ runs: [INFO] }) };
  const { server, client } = await serving(routes);
  assert.deepEqual(await client.graphs(), graphs);
  assert.deepEqual(await client.runs({ status: "ended", limit: 7 }), [INFO]);
  assert.deepEqual(Object.fromEntries(server.asked[1]!.query), { status: "ended", limit: "7" });
});

test("stopping is asked of the server, with its reason", async () => {
  const { server, client } = await serving({ [`POST /v1/runs/${RUN}/stop`]: json(INFO, 202) });
  assert.deepEqual(await client.run(RUN).stop("enough"), INFO);
  await client.run(RUN).stop();
  assert.deepEqual(server.asked.map((asked) => asked.body), ['{"reason":"enough"}', "{}"]);
});

test("the result is the state of a run that completed", async () => {
  const { server, client } = await serving({
    [`GET /v1/runs/${RUN}`]: json(INFO),
    [`GET /v1/runs/${RUN}/state`]: json({ run: RUN, state: { text: "all" }, at: 5 }),
  });
  assert.deepEqual(await client.run(RUN).result(), { text: "all" });
  assert.equal(server.reads[0]!.query.get("after"), "0a1b2c3d.3");
  await client.run(RUN).state(4);
  assert.equal(server.asked.at(-1)!.query.get("at"), "4");
});

test("a run that did not complete has no result, and the error says how it ended", async () => {
  const ends = { "run.stopped": { reason: "enough" }, "run.failed": { error: { code: "E3001", message: "no key" } } };
  for (const [type, fields] of Object.entries(ends)) {
    const info = { ...INFO, status: "ended", ending: type.slice(4), head: 2 };
    const events = [event(1, "run.started", { graph: "g", log: INFO.log }), event(2, type, fields)];
    const { client } = await serving({ [`GET /v1/runs/${RUN}`]: json(info) }, events);
    await assert.rejects(client.run(RUN).result(), (error: RiverrunError) => {
      return error.code === "E3011" && /enough|no key/.test(error.message);
    });
  }
});

test("what is no id, no cursor and no address is refused where it is given", () => {
  const coded = (code: string) => (error: RiverrunError) => error.code === code;
  assert.throws(() => new Client("http://127.0.0.1:1").run("../../etc"), coded("E2005"));
  assert.throws(() => new Client("http://127.0.0.1:1").run(RUN).attach("x.y"), coded("E2007"));
  assert.throws(() => parseCursor("0a1b2c3d.1234567890123456"), coded("E2007"));
  assert.deepEqual(parseCursor(""), { log: null, place: 0 });
  assert.deepEqual(parseCursor("0a1b2c3d.7"), { log: "0a1b2c3d", place: 7 });
  for (const url of ["ftp://x", "nonsense", "", "http://x/?a=b", "http://x/#a"]) {
    assert.throws(() => new Client(url), coded("E6006"), url);
  }
  assert.equal(new Client("http://x/riverrun/").url, "http://x/riverrun");
});

test("answers are sent by the id of their question", async () => {
  const { server, client } = await serving({ [`POST /v1/runs/${RUN}/resume`]: json(INFO, 202) });
  assert.deepEqual(await client.run(RUN).resume({ "ask:1?1": { ok: true } }), INFO);
  assert.deepEqual(JSON.parse(server.asked[0]!.body), { answers: { "ask:1?1": { ok: true } } });
});

test("a fork is another run, begun under a key", async () => {
  const other = "f".repeat(32);
  const { server, client } = await serving({ [`POST /v1/runs/${RUN}/fork`]: json({ ...INFO, run: other }, 201) });
  const fork = await client.run(RUN).fork({ at: 7, idemKey: "mine" });
  assert.equal(fork.id, other);
  assert.deepEqual(JSON.parse(server.asked[0]!.body), { at: 7 });
  assert.equal(server.asked[0]!.headers["idempotency-key"], "mine");
});

/** Answer a start with the events of the run. */
const along: Answer = (response, _, server) => {
  response.setHeader("location", `/mounted/v1/runs/${RUN}`);
  begin(response, 201).end(bodyOf(server.events, 0));
};

test("a run that is started with its events needs no second request, and another reader asks anew", async () => {
  const { server, client } = await serving({ "POST /v1/runs": along });
  const run = await client.start("g", {}, { attach: true, onDisconnect: { grace: 5 } });
  const [asked] = server.asked;
  assert.equal(asked!.headers.accept, "text/event-stream");
  assert.deepEqual(JSON.parse(asked!.body), { graph: "g", input: {}, on_disconnect: { grace: 5 } });
  for (const requests of [1, 2]) {
    const seqs: number[] = [];
    for await (const one of run.attach()) seqs.push(one.seq);
    assert.deepEqual(seqs, [1, 2, 3, 4, 5]);
    assert.equal(server.asked.length, requests);
  }
});

test("a start whose answer with events is lost asks for a document", async () => {
  const accepts: unknown[] = [];
  const lossy: Answer = (response, asked, server) => {
    accepts.push(asked.headers.accept);
    if (accepts.length === 1) response.destroy();
    else json(INFO, 201)(response, asked, server);
  };
  const { client } = await serving({ "POST /v1/runs": lossy });
  assert.equal((await client.start("g", {}, { attach: true })).id, RUN);
  assert.deepEqual(accepts, ["text/event-stream", "application/json"]);
});

test("a server that answers with the run alone is asked for its events", async () => {
  const { server, client } = await serving({ "POST /v1/runs": json(INFO, 201) });
  const run = await client.start("g", {}, { attach: true });
  assert.equal((await run.attach().next()).value?.seq, 1);
  assert.equal(server.asked.length, 2);
});

test("a run that is begun without a name is refused, and a start that is refused says why", async () => {
  const nameless: Answer = (response, _, server) => void begin(response, 201).end(bodyOf(server.events, 0));
  const { server, client } = await serving({ "POST /v1/runs": nameless });
  await assert.rejects(client.start("g", {}, { attach: true }), (error: RiverrunError) => {
    return error instanceof ProtocolFault && error.code === "E5003";
  });
  server.routes.set("POST /v1/runs", status(404, { code: "E2004" }));
  await assert.rejects(client.start("g", {}, { attach: true }), { code: "E2004" });
});

test("a fork may come with its events", async () => {
  const { server, client } = await serving({ [`POST /v1/runs/${RUN}/fork`]: along });
  const fork = await client.run(RUN).fork({ at: 3, attach: true });
  assert.deepEqual(JSON.parse(server.asked[0]!.body), { at: 3 });
  assert.equal((await fork.attach().next()).value?.seq, 1);
  assert.equal(server.asked.length, 1);
});

test("runs are listed by when they were created", async () => {
  const { server, client } = await serving({ "GET /v1/runs": json({ runs: [INFO] }) });
  await client.runs({ createdAfter: 5, createdBefore: 9, status: "ended" });
  assert.deepEqual(Object.fromEntries(server.asked[0]!.query), { status: "ended", created_after: "5", created_before: "9" });
});

test("a page of a log is given at once", async () => {
  const { server, client } = await serving({});
  server.faults.push(json({ events: logOf(5).slice(2), head: 5, floor: 0, log: "0a1b2c3d", ended: true }));
  const page = await client.run(RUN).page("0a1b2c3d.2");
  assert.deepEqual([page.head, page.events.map((one) => one.seq)], [5, [3, 4, 5]]);
  assert.equal(server.asked[0]!.query.get("wait"), null);
});

test("who wants to poll polls from the beginning", async () => {
  const { server } = await serving({});
  const client = new Client(server.url, { transport: "poll" });
  const seqs: number[] = [];
  for await (const one of client.run(RUN).attach(2)) seqs.push(one.seq);
  assert.deepEqual(seqs, [3, 4, 5]);
  assert.deepEqual(server.asked.map((asked) => [asked.query.get("after"), asked.query.has("wait")]), [["2", true]]);
});

test("a reader says its name, and asks for joined chunks where it was told to", async () => {
  const { server, client } = await serving({});
  for await (const _ of client.run(RUN).attach(0, { adaptive: true, interval: 250, maxBytes: 4096 }));
  const asked = Object.fromEntries(server.asked[0]!.query);
  assert.match(asked["reader"]!, /^[0-9a-f]{32}$/);
  assert.deepEqual([asked["adaptive"], asked["interval"], asked["max_bytes"]], ["1", "250", "4096"]);
});
