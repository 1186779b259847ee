// However many look at a run, there is one connection, one view, and one beat.

import assert from "node:assert/strict";
import { afterEach, test } from "node:test";

import { Client } from "../src/client.js";
import { liveRun, type LiveRun } from "../src/live.js";
import { ManualPage, ManualTime } from "./manual.js";
import { begin, blockOf, event, json, LogServer, logOf, LOG, RUN, status, type Answer } from "./server.js";

const servers: LogServer[] = [];
const leaves: (() => void)[] = [];

afterEach(async () => {
  for (const leave of leaves.splice(0)) leave();
  for (const server of servers.splice(0)) await server.close();
});

async function serving(...faults: Answer[]): Promise<LogServer> {
  const server = await LogServer.on(logOf(9), ...faults);
  servers.push(server);
  return server;
}

/** Look at a run until something of it is so. */
async function until(live: LiveRun, so: () => boolean): Promise<void> {
  await new Promise<void>((resolve) => {
    const leave = live.look(() => so() && resolve());
    leaves.push(leave);
    if (so()) resolve();
  });
}

/** Let everything else take its turns until something is so. */
async function eventually(so: () => boolean): Promise<void> {
  const end = Date.now() + 10_000;
  while (!so()) {
    assert.ok(Date.now() < end, "it did not happen");
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** A stream that a test writes to. */
function held(): { readonly answer: Answer; readonly write: (text: string) => void } {
  let write: (text: string) => void = () => undefined;
  const answer: Answer = (response) => {
    begin(response).write(`id: ${LOG}.0\n\n`);
    write = (text) => void response.write(text);
  };
  return { answer, write: (text) => write(text) };
}

test("twenty who look share one connection and one view", async () => {
  const server = await serving();
  const client = new Client(server.url);
  const runs = Array.from({ length: 20 }, () => liveRun(client, RUN));
  assert.equal(new Set(runs).size, 1);
  await Promise.all(runs.map((live) => until(live, () => live.view.ending !== null)));
  assert.equal(server.reads.length, 1);
  assert.equal(runs[0]!.events.length, 9);
  assert.equal(runs[0]!.dropped, 0);
});

test("no connection is opened before somebody looks, and none is left a moment after the last has gone", async () => {
  const time = new ManualTime();
  const { answer, write } = held();
  const server = await serving(answer);
  const live = liveRun(new Client(server.url, { time }), RUN);
  assert.equal(server.reads.length, 0);
  const leave = live.look(() => undefined);
  await server.until(() => server.open === 1);
  leave();
  leave();
  const back = live.look(() => undefined); // as React does in StrictMode
  time.pass(5);
  write(blockOf(server.events[0]!)); // the connection still carries events
  await eventually(() => live.view.place === 1);
  back();
  time.pass(0.9);
  assert.equal(server.open, 1);
  time.pass(0.2);
  await server.until(() => server.open === 0);
  assert.equal(server.reads.length, 1);
});

test("who comes back goes on from the same place", async () => {
  const time = new ManualTime();
  const { answer, write } = held();
  const server = await serving(answer);
  const client = new Client(server.url, { time });
  const live = liveRun(client, RUN);
  const leave = live.look(() => undefined);
  await server.until(() => server.open === 1);
  write(server.events.slice(0, 4).map(blockOf).join(""));
  await eventually(() => live.view.place === 4);
  leave();
  time.pass(1);
  await server.until(() => server.open === 0);
  assert.equal(liveRun(client, RUN), live);
  leaves.push(live.look(() => undefined));
  await eventually(() => live.view.ending !== null);
  assert.deepEqual(server.reads.map((asked) => asked.query.get("after")), ["0", `${LOG}.4`]);
  assert.equal(live.view.text("text"), logOf(9).map((one) => ("value" in one ? one.value : "")).join(""));
});

test("the first change is told at once, and the first that is said; later ones in beats", async () => {
  const time = new ManualTime();
  const { answer, write } = held();
  const server = await serving(answer);
  const live = liveRun(new Client(server.url, { time }), RUN);
  let calls = 0;
  leaves.push(live.look(() => (calls += 1)));
  assert.equal(calls, 1); // it connects
  await server.until(() => server.open === 1);
  time.pass(1);
  for (const one of server.events.slice(0, 8)) {
    write(blockOf(one));
    await eventually(() => live.view.place === one.seq);
  }
  assert.equal(calls, 3);
  time.pass(0.099);
  assert.equal(calls, 3);
  time.pass(0.001);
  assert.equal(calls, 4);
  time.pass(1);
  assert.equal(calls, 4);
});

test("a beat that comes late is given more time, and less again when the page keeps up", async () => {
  const time = new ManualTime();
  const { answer, write } = held();
  const server = await serving(answer);
  const live = liveRun(new Client(server.url, { time }), RUN);
  leaves.push(live.look(() => undefined));
  await server.until(() => server.open === 1);
  write(server.events.slice(0, 2).map(blockOf).join(""));
  await eventually(() => live.view.place === 2); // the first that is said is told at once
  write(blockOf(server.events[2]!));
  await time.until(0.1);
  time.jump(0.4);
  write(blockOf(server.events[3]!));
  await time.until(0.6);
  time.jump(5);
  write(blockOf(server.events[4]!));
  await time.until(1);
  time.pass(1);
  write(blockOf(server.events[5]!));
  await time.until(0.1);
});

test("what only the user can settle is told, and the user may go on", async () => {
  const server = await serving(status(410, { code: "E4007", head: 9, floor: 2 }));
  const live = liveRun(new Client(server.url), RUN);
  await until(live, () => live.connection.state === "ended");
  const { fault, duty, close } = live.connection;
  assert.deepEqual([fault?.code, duty, close], ["E4007", "ask", "gone"]);
  live.again();
  await until(live, () => live.view.ending === "completed");
  assert.equal(live.connection.fault, null);
  live.again();
  assert.equal(server.reads.length, 2);
});

test("text that does not continue is told, and is not taken for the user's leaving", async () => {
  const server = await serving();
  const hole = { node: "n", exec: "n:1", message: "m", value: "x", start: 5 };
  server.events.splice(1, 1, event(2, "node.chunk", hole));
  const live = liveRun(new Client(server.url), RUN);
  await until(live, () => live.connection.state === "ended");
  assert.deepEqual([live.connection.fault?.code, live.connection.close], ["E5004", "refused"]);
});

test("stopping is asked of the server; leaving is not", async () => {
  const server = await serving();
  const info = { run: RUN, graph: "g", status: "ended", head: 9, log: LOG };
  server.routes.set(`POST /v1/runs/${RUN}/stop`, json(info));
  const live = liveRun(new Client(server.url), RUN);
  await live.stop("enough");
  assert.deepEqual(server.asked.map((asked) => [asked.method, asked.body]), [["POST", '{"reason":"enough"}']]);
});

test("a run whose id is none is an end, not an exception", async () => {
  const live = liveRun(new Client("http://127.0.0.1:1"), "nonsense");
  await until(live, () => live.connection.state === "ended");
  assert.equal(live.connection.fault?.code, "E2005");
});

test("a page that goes tells the server, and reads on from its place when it comes back", async () => {
  const surroundings = new ManualPage();
  const { answer, write } = held();
  const server = await serving(answer);
  server.routes.set(`POST /v1/runs/${RUN}/leave`, (response) => void response.writeHead(204).end());
  const live = liveRun(new Client(server.url, { surroundings }), RUN);
  leaves.push(live.look(() => undefined));
  await server.until(() => server.open === 1);
  write(server.events.slice(0, 4).map(blockOf).join(""));
  await eventually(() => live.view.place === 4);
  surroundings.hide();
  assert.equal(server.open, 1);
  surroundings.leave();
  await server.until(() => server.open === 0 && server.asked.length === 2);
  const [read, left] = server.asked;
  assert.equal(left!.query.get("reader"), read!.query.get("reader"));
  assert.deepEqual([left!.headers["content-type"], left!.body], ["text/plain", '{"leaving":true}']);
  surroundings.wake();
  await eventually(() => live.connection.state === "ended");
  assert.equal(live.view.ending, "completed");
  assert.deepEqual(server.reads.map((asked) => asked.query.get("after")), ["0", `${LOG}.4`]);
  surroundings.leave();
  surroundings.wake();
  assert.equal(server.asked.length, 3);
});

test("what changed while the page was hidden is shown when it is looked at again", async () => {
  const time = new ManualTime();
  const surroundings = new ManualPage();
  const { answer, write } = held();
  const server = await serving(answer);
  const live = liveRun(new Client(server.url, { time, surroundings }), RUN);
  let shown = 0;
  leaves.push(live.look(() => (shown = live.view.place)));
  await server.until(() => server.open === 1);
  surroundings.hide();
  write(server.events.slice(0, 3).map(blockOf).join(""));
  await eventually(() => live.view.place === 3);
  assert.equal(shown, 0);
  surroundings.wake();
  assert.equal(shown, 3);
});

test("a run whose log was replaced can be read afresh", async () => {
  const server = await serving(
    (response) => void begin(response).end(`id: ffffffff.0\n\nid: ffffffff.1\ndata: {"type":"run.started","seq":1,"ts":1,"run":"${RUN}","graph":"g","log":"ffffffff"}\n\n`),
  );
  const live = liveRun(new Client(server.url, { pace: { firstDelay: 0.01 } }), RUN);
  await until(live, () => live.connection.state === "ended");
  assert.deepEqual([live.connection.close, live.connection.duty, live.view.place], ["gone", "ask", 1]);
  await live.afresh();
  assert.equal(live.view.ending, "completed");
  assert.deepEqual([live.view.log, live.events.length, live.connection.fault], [LOG, 9, null]);
});

test("of a log that was trimmed what is left can be read, and what is missing is counted", async () => {
  const server = await serving(status(410, { code: "E4007", head: 9, floor: 4 }));
  const live = liveRun(new Client(server.url, { pace: { firstDelay: 0.01 } }), RUN);
  await until(live, () => live.connection.state === "ended");
  const { fault } = live.connection;
  assert.deepEqual([fault?.code, fault?.floor, live.view.place], ["E4007", 4, 0]);
  await live.afresh(fault!.floor!);
  await until(live, () => live.view.ending !== null);
  assert.deepEqual(server.reads.map((asked) => asked.place), [0, 4]);
  assert.deepEqual([live.view.floor, live.view.place, live.dropped, live.events.length], [4, 9, 4, 5]);
  const { text, length, missing } = live.view.messages.get("m")!;
  const all = server.events.map((one) => (one.type === "node.chunk" ? one.value : "")).join("");
  assert.deepEqual([text, length], [all.slice(missing), all.length]);
  assert.ok(missing > 0);
});

test("where nothing is kept for a reader, it says so", async () => {
  const server = await serving();
  const live = liveRun(new Client(server.url), RUN);
  await until(live, () => live.view.ending !== null);
  assert.deepEqual(live.connection.kept, { where: "memory", why: "nothing is kept for this reader" });
  const named = liveRun(new Client(server.url, { as: `somebody ${process.pid}` }), RUN);
  await until(named, () => named.view.ending !== null);
  assert.deepEqual(named.connection.kept, { where: "memory", why: "this browser keeps nothing" });
  assert.equal(await new Client(server.url, { as: "nobody" }).forget(), false);
  assert.equal(await new Client(server.url).forget(), true);
});
