// A subscription reads a log whole through a network that fails, ends only for a reason, and leaves when it is told to.

import assert from "node:assert/strict";
import { afterEach, test } from "node:test";

import { Client, type ClientOptions } from "../src/client.js";
import { RiverrunError } from "../src/errors.js";
import type { Event } from "../src/types.js";
import type { Subscription } from "../src/subscription.js";
import { ManualPage, ManualTime } from "./manual.js";
import { begin, bodyOf, cutAt, hangsAfter, json, LogServer, logOf, mute, RUN, status, type Answer } from "./server.js";

const QUICK = { firstDelay: 0.005, longestDelay: 0.02 };
const EVENTS = logOf(9);
const servers: LogServer[] = [];

afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});

async function serving(...faults: Answer[]): Promise<LogServer> {
  const server = await LogServer.on(EVENTS, ...faults);
  servers.push(server);
  return server;
}

function attach(server: LogServer, options: ClientOptions = {}, after: number | string = 0): Subscription {
  return new Client(server.url, { pace: QUICK, ...options }).run(RUN).attach(after);
}

async function all(subscription: Subscription): Promise<Event[]> {
  const events: Event[] = [];
  for await (const event of subscription) events.push(event);
  return events;
}

/** Let promises that are settled be heard of. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

function seqs(events: readonly Event[]): number[] {
  return events.map((event) => event.seq);
}

test("a log is read once, in order, to its end", async () => {
  const server = await serving();
  const subscription = attach(server);
  assert.deepEqual(await all(subscription), EVENTS);
  assert.equal(subscription.close, "ended");
  assert.equal(subscription.ending, "completed");
  assert.equal(subscription.duty, "never");
  assert.equal(subscription.cursor, "0a1b2c3d.9");
  assert.equal(server.reads.length, 1);
  assert.deepEqual(await subscription.next(), { done: true, value: undefined });
});

test("a reader of the middle asks for what follows, and one of the end is done", async () => {
  const server = await serving();
  assert.deepEqual(seqs(await all(attach(server, {}, "0a1b2c3d.6"))), [7, 8, 9]);
  assert.equal(server.reads[0]!.query.get("after"), "0a1b2c3d.6");
  assert.deepEqual(await all(attach(server, {}, 9)), []);
});

test("a stream that is cut at any byte is read whole", async () => {
  const size = Buffer.byteLength(bodyOf(EVENTS, 0));
  const server = await serving();
  for (let at = 0; at <= size; at += 13) {
    server.faults.push(cutAt(at));
    assert.deepEqual(await all(attach(server)), EVENTS, `cut after ${at} bytes`);
  }
});

test("after a cut only what is missing is asked for", async () => {
  const first = Buffer.byteLength(bodyOf(EVENTS.slice(0, 4), 0));
  const server = await serving(cutAt(first));
  const subscription = attach(server);
  assert.deepEqual(seqs(await all(subscription)), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
  assert.deepEqual(server.reads.map((asked) => asked.query.get("after")), ["0", "0a1b2c3d.4"]);
  assert.equal(subscription.reconnects, 1);
});

test("batches give all that is here at once, and null at the end", async () => {
  const subscription = attach(await serving());
  const seen: number[] = [];
  for (let events = await subscription.batch(); events !== null; events = await subscription.batch()) {
    seen.push(...seqs(events));
  }
  assert.deepEqual(seen, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

test("a refusal ends it with what the server said, once", async () => {
  const told = { code: "E2005", detail: "no such run", where: "there", mend: "look" };
  const subscription = attach(await serving(status(404, told)));
  await assert.rejects(all(subscription), (error: RiverrunError) => {
    assert.deepEqual([error.code, error.where, error.mend, error.status], ["E2005", "there", "look", 404]);
    return error.message.includes("no such run");
  });
  assert.deepEqual(await all(subscription), []);
  assert.equal(subscription.duty, "never");
});

test("a place that the log does not have is a question for the user", async () => {
  const subscription = attach(await serving(status(410, { code: "E4007", head: 90, floor: 40 })), {}, 3);
  await assert.rejects(all(subscription), (error: RiverrunError) => error.head === 90 && error.floor === 40);
  assert.equal(subscription.duty, "ask");
});

test("a redirection is not followed", async () => {
  const server = await serving(status(302, undefined, { location: `/v1/runs/${RUN}/events` }));
  const subscription = attach(server);
  await assert.rejects(all(subscription), RiverrunError);
  assert.equal(server.asked.length, 1);
  assert.equal(subscription.close, "refused");
});

test("a gateway that answers by itself is waited for", async () => {
  const server = await serving(status(502), status(504), status(502));
  assert.deepEqual(await all(attach(server)), EVENTS);
});

test("a proxy that holds streams back is polled through", async () => {
  const empty: Answer = (response) => void begin(response).end();
  const server = await serving(empty, empty, empty);
  const states: string[] = [];
  const run = new Client(server.url, { pace: QUICK }).run(RUN);
  assert.deepEqual(await all(run.attach(0, { onChange: ({ state }) => states.push(state) })), EVENTS);
  assert.ok(states.includes("polling"));
  assert.equal(server.reads.at(-1)!.query.get("wait"), "25");
  assert.equal(server.reads.at(-1)!.headers.accept, "application/json");
});

test("what is no page is refused", async () => {
  const server = await serving(mute, json({ events: [] }));
  const subscription = attach(server, { pace: { ...QUICK, barrenLimit: 1 }, timeout: 0.05 });
  await assert.rejects(all(subscription), (error: RiverrunError) => error.code === "E5003");
  assert.equal(subscription.close, "refused");
});

test("a server that is gone for longer than the user has patience is given up", async () => {
  const server = await serving();
  await server.close();
  const subscription = attach(server, { pace: { ...QUICK, patience: 0.03 } });
  await assert.rejects(all(subscription), (error: RiverrunError) => error.code === "E5001");
  assert.equal(subscription.duty, "now");
});

test("leaving ends the iteration and the connection, and does not stop the run", async () => {
  const server = await serving(hangsAfter(3));
  const subscription = attach(server);
  const seen: number[] = [];
  for await (const event of subscription) {
    seen.push(event.seq);
    if (event.seq === 3) void Promise.resolve().then(subscription.detach);
  }
  assert.deepEqual(seen, [1, 2, 3]);
  assert.equal(subscription.close, "detached");
  assert.equal(subscription.ending, null);
  await server.until(() => server.open === 0);
  assert.ok(server.asked.every((asked) => asked.method === "GET"));
});

test("a loop that is left early leaves the log", async () => {
  const server = await serving(hangsAfter(3));
  const subscription = attach(server);
  for await (const event of subscription) if (event.seq === 2) break;
  assert.equal(subscription.state, "ended");
  assert.equal(subscription.place, 2);
  await server.until(() => server.open === 0);
});

test("a signal leaves the log, also while an answer is waited for", async () => {
  const server = await serving(mute);
  const leaving = new AbortController();
  const subscription = new Client(server.url).run(RUN).attach(0, { signal: leaving.signal });
  const reading = all(subscription);
  await server.until(() => server.open === 1);
  leaving.abort();
  assert.deepEqual(await reading, []);
  assert.equal(subscription.close, "detached");
  await server.until(() => server.open === 0);
  const late = new Client(server.url).run(RUN).attach(0, { signal: leaving.signal });
  assert.deepEqual(await all(late), []);
});

test("one subscription is asked for one event at a time", async () => {
  const subscription = attach(await serving());
  const first = subscription.next();
  await assert.rejects(subscription.next(), (error: RiverrunError) => error.code === "E3012");
  assert.equal((await first).value?.seq, 1);
});

test("headers are asked for anew with each request", async () => {
  const server = await serving(cutAt(60));
  let number = 0;
  const headers = (): Record<string, string> => ({ authorization: `Bearer ${(number += 1)}` });
  await all(attach(server, { headers }));
  assert.deepEqual(server.reads.map((asked) => asked.headers.authorization), ["Bearer 1", "Bearer 2"]);
});

test("a stream that falls silent is given up, and read on elsewhere", async () => {
  const time = new ManualTime();
  const server = await serving(hangsAfter(4));
  const subscription = attach(server, { time });
  const reading = all(subscription);
  await time.until(37.5);
  time.pass(37.4);
  assert.equal(subscription.state, "live");
  time.pass(0.1);
  assert.deepEqual(seqs(await reading), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
  assert.equal(subscription.reconnects, 1);
});

test("the watchdog sleeps while the page is hidden, and looks at once when it is shown", async () => {
  const time = new ManualTime();
  const page = new ManualPage();
  const server = await serving(hangsAfter(4));
  const subscription = attach(server, { time, surroundings: page });
  const reading = all(subscription);
  await time.until(37.5);
  page.hide();
  time.pass(600);
  await turns();
  assert.equal(subscription.state, "live");
  page.wake();
  assert.deepEqual(seqs(await reading), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

test("a page that is shown again leaves a stream alone that was heard a moment ago", async () => {
  const time = new ManualTime();
  const page = new ManualPage();
  const server = await serving(hangsAfter(4));
  const subscription = attach(server, { time, surroundings: page });
  const reading = all(subscription);
  await time.until(37.5);
  time.pass(14);
  page.wake();
  await turns();
  assert.equal(subscription.state, "live");
  assert.equal(server.reads.length, 1);
  subscription.detach();
  await reading;
});

test("a page that is online again does not wait for the back-off to end", async () => {
  const time = new ManualTime();
  const page = new ManualPage();
  const server = await serving(status(502), status(502));
  const pace = { firstDelay: 50, longestDelay: 50 };
  const reading = all(attach(server, { time, surroundings: page, dice: () => 0, pace }));
  await time.until(25);
  page.wake();
  assert.deepEqual(await reading, EVENTS);
});

test("a server that is busy is not asked sooner because a page is shown", async () => {
  const time = new ManualTime();
  const page = new ManualPage();
  const server = await serving(status(429, { code: "E3010" }, { "retry-after": "7" }));
  const reading = all(attach(server, { time, surroundings: page, dice: () => 0, pace: {} }));
  await time.until(7.125);
  page.wake();
  await turns();
  assert.ok(time.due.includes(7.125), "it waits no longer");
  time.pass(7.125);
  assert.deepEqual(await reading, EVENTS);
});
