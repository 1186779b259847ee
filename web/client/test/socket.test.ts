// Many runs are read over one socket, and what goes wrong with one of them, or with the socket, is told to whom it concerns.
//
// The other side is scripted here; that of the real server is met in tests/web (test_client.py, test_browser_client.py).

import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

import { Client } from "../src/client.js";
import type { RiverrunError } from "../src/errors.js";
import type { Subscription } from "../src/subscription.js";
import type { Event } from "../src/types.js";
import { ManualTime } from "./manual.js";
import { LogServer, logOf, LOG, RUN } from "./server.js";

const OTHER = "f".repeat(32);
const PACE = { firstDelay: 0.01, longestDelay: 0.02 };
let sockets: Scripted[] = [];
let waiting: (() => void)[] = [];

/** What a page has for WebSocket, as far as it is used, with the test on the other side. */
class Scripted {
  static readonly OPEN = 1;
  readyState = 0;
  readonly sent: Record<string, any>[] = [];
  onopen: (() => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;

  constructor(
    readonly url: string,
    readonly protocol: string,
  ) {
    sockets.push(this);
    changed();
  }

  send(text: string): void {
    this.sent.push(JSON.parse(text) as Record<string, any>);
    changed();
  }

  close(): void {
    this.readyState = 3;
    changed();
  }

  open(): void {
    this.readyState = 1;
    this.onopen?.();
  }

  say(...frames: unknown[]): void {
    for (const frame of frames) this.onmessage?.({ data: typeof frame === "string" ? frame : JSON.stringify(frame) });
  }

  end(code: number): void {
    this.readyState = 3;
    this.onclose?.({ code, reason: "because" });
  }
}

function changed(): void {
  for (const one of waiting.splice(0)) one();
}

async function until(so: () => boolean): Promise<void> {
  while (!so()) await new Promise<void>((resolve) => waiting.push(resolve));
}

const attached = (id: string, after = 0): object => ({ type: "attached", id, run: RUN, log: LOG, after, head: 9, floor: 0 });
const events = (id: string, ...list: Event[]): object => ({ type: "events", id, events: list });

let before: typeof WebSocket;
beforeEach(() => {
  before = globalThis.WebSocket;
  globalThis.WebSocket = Scripted as unknown as typeof WebSocket;
  sockets = [];
});
afterEach(() => {
  globalThis.WebSocket = before;
});

interface Read {
  readonly subscription: Subscription;
  readonly seqs: number[];
  readonly error: () => RiverrunError | null;
  readonly done: Promise<void>;
}

function reading(client: Client, run = RUN, after = 0): Read {
  const subscription = client.run(run).attach(after);
  const seqs: number[] = [];
  let error: RiverrunError | null = null;
  const done = (async () => {
    try {
      for (let list = await subscription.batch(); list !== null; list = await subscription.batch()) {
        seqs.push(...list.map((one) => one.seq));
        changed();
      }
    } catch (fault) {
      error = fault as RiverrunError;
    }
    changed();
  })();
  return { subscription, seqs, error: () => error, done };
}

function socketed(time?: ManualTime): Client {
  return new Client("http://127.0.0.1:1/api", { transport: "websocket", pace: PACE, ...(time && { time }) });
}

test("two runs are read over one socket, which is closed when the last has ended", async () => {
  const client = socketed();
  const log = logOf(4);
  const [one, other] = [reading(client), reading(client, OTHER, 2)];
  await until(() => sockets.length === 1);
  const [socket] = sockets;
  assert.deepEqual([socket!.url, socket!.protocol], ["ws://127.0.0.1:1/api/v1/ws", "riverrun.v1"]);
  socket!.open();
  await until(() => socket!.sent.length === 2);
  assert.deepEqual(socket!.sent, [
    { type: "attach", id: "1", run: RUN, after: "0" },
    { type: "attach", id: "2", run: OTHER, after: "2" },
  ]);
  socket!.say({ type: "later" }, attached("2", 2), attached("1"), events("1", ...log.slice(0, 3)), { type: "heartbeat" });
  socket!.say(events("2", ...log.slice(2)), { type: "ended", id: "2" });
  await other.done;
  assert.deepEqual([other.seqs, other.subscription.ending], [[3, 4], "completed"]);
  assert.equal(socket!.readyState, 1);
  socket!.say(events("1", log[3]!), { type: "ended", id: "1" });
  await one.done;
  assert.deepEqual([one.seqs, one.subscription.cursor], [[1, 2, 3, 4], `${LOG}.4`]);
  assert.equal(socket!.readyState, 3);
  assert.equal(sockets.length, 1);
});

test("a problem concerns its run only", async () => {
  const client = socketed();
  const [one, other] = [reading(client), reading(client, OTHER)];
  await until(() => sockets.length === 1);
  const [socket] = sockets;
  socket!.open();
  await until(() => socket!.sent.length === 2);
  const problem = { type: "t", title: "t", status: 404, detail: "there is no such run", code: "E2005" };
  socket!.say({ type: "problem", id: "1", problem }, attached("2"));
  await one.done;
  assert.deepEqual([one.error()?.code, one.subscription.close], ["E2005", "refused"]);
  socket!.say(events("2", ...logOf(3)));
  await other.done;
  assert.deepEqual(other.seqs, [1, 2, 3]);
});

test("who has all of a run that has ended is told so", async () => {
  const one = reading(socketed(), RUN, 9);
  await until(() => sockets.length === 1);
  sockets[0]!.open();
  await until(() => sockets[0]!.sent.length === 1);
  sockets[0]!.say({ type: "ended", id: "1" });
  await one.done;
  assert.deepEqual([one.seqs, one.subscription.close], [[], "ended"]);
});

for (const [code, close] of [[1001, "rotated"], [1012, "rotated"], [1006, "network"], [1000, "network"], [1013, "network"]] as const) {
  test(`a socket that closes with ${code} is opened again at the place that was reached`, async () => {
    const one = reading(socketed());
    await until(() => sockets.length === 1);
    sockets[0]!.open();
    await until(() => sockets[0]!.sent.length === 1);
    sockets[0]!.say(attached("1"), events("1", ...logOf(9).slice(0, 5)));
    await until(() => one.seqs.length === 5);
    sockets[0]!.end(code);
    await until(() => sockets.length === 2);
    assert.equal(one.subscription.close, close);
    sockets[1]!.open();
    await until(() => sockets[1]!.sent.length === 1);
    assert.equal(sockets[1]!.sent[0]!["after"], `${LOG}.5`);
    sockets[1]!.say(attached("1", 5), events("1", ...logOf(9).slice(5)));
    await one.done;
    assert.deepEqual(one.seqs, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });
}

test("what this page does not allow is the end, and is told", async () => {
  for (const wrong of [
    (socket: Scripted) => socket.end(1008),
    (socket: Scripted) => socket.say("not JSON"),
    (socket: Scripted) => socket.say("7"),
    (socket: Scripted) => socket.onmessage?.({ data: new ArrayBuffer(2) }),
    (socket: Scripted) => socket.say({ type: "events", id: "1" }),
    (socket: Scripted) => socket.say({ type: "events", id: "1", events: [{ seq: 1 }] }),
    (socket: Scripted) => socket.say({ type: "problem", id: "1" }),
    (socket: Scripted) => socket.say({ type: "problem", id: null, problem: { status: 400 } }),
  ]) {
    sockets = [];
    const one = reading(socketed());
    await until(() => sockets.length === 1);
    sockets[0]!.open();
    await until(() => sockets[0]!.sent.length === 1);
    sockets[0]!.say(attached("1"));
    wrong(sockets[0]!);
    await one.done;
    assert.deepEqual([one.error()?.code, one.subscription.close], ["E5003", "refused"], String(wrong));
  }
});

test("a close frame calls all runs back, each with its place", async () => {
  const client = socketed();
  const reads = [reading(client), reading(client, OTHER)];
  await until(() => sockets.length === 1);
  sockets[0]!.open();
  await until(() => sockets[0]!.sent.length === 2);
  sockets[0]!.say(attached("1"), attached("2"), events("2", ...logOf(9).slice(0, 2)), { type: "close", reason: "shutdown" });
  await until(() => sockets.length === 2);
  sockets[1]!.open();
  await until(() => sockets[1]!.sent.length === 2);
  assert.deepEqual(sockets[1]!.sent.map((frame) => frame["after"]).sort(), [`${LOG}.0`, `${LOG}.2`]);
  for (const read of reads) read.subscription.detach();
  await Promise.all(reads.map((read) => read.done));
  assert.deepEqual(sockets[1]!.sent.slice(2).map((frame) => frame["type"]), ["detach", "detach"]);
  assert.equal(sockets[1]!.readyState, 3);
});

test("a socket that says nothing is given up, and one whose other runs are busy is not", async () => {
  const time = new ManualTime();
  const client = socketed(time);
  const [quiet, busy] = [reading(client), reading(client, OTHER)];
  await until(() => sockets.length === 1);
  sockets[0]!.open();
  await until(() => sockets[0]!.sent.length === 2);
  sockets[0]!.say(attached("1"), attached("2"));
  for (let at = 0; at < 8; at += 1) {
    await time.until(37.5); // both listen
    time.pass(10);
    sockets[0]!.say(events("2", logOf(9)[at]!));
    await until(() => busy.seqs.length === at + 1);
  }
  assert.deepEqual([sockets.length, quiet.subscription.state], [1, "live"]);
  await time.until(37.5);
  time.pass(38);
  await until(() => sockets.length === 2);
  assert.equal(sockets[0]!.readyState, 3);
  for (const read of [quiet, busy]) read.subscription.detach();
});

test("a reader that does not keep up comes back with its place, and what waits for it is bounded", async () => {
  const many = logOf(40_001);
  const subscription = socketed().run(RUN).attach();
  const first = subscription.batch();
  await until(() => sockets.length === 1);
  sockets[0]!.open();
  await until(() => sockets[0]!.sent.length === 1);
  sockets[0]!.say(attached("1"));
  for (let at = 0; at < 40_000; at += 1000) sockets[0]!.say(events("1", ...many.slice(at, at + 1000)));
  await until(() => sockets[0]!.readyState === 3);
  let count = (await first)!.length;
  while (sockets.length === 1) {
    const more = subscription.batch();
    const list = await Promise.race([more, until(() => sockets.length === 2).then(() => null)]);
    count += list?.length ?? 0;
  }
  assert.ok(count >= 19_000 && count <= 21_000, String(count));
  sockets[1]!.open();
  await until(() => sockets[1]!.sent.length === 1);
  assert.equal(sockets[1]!.sent[0]!["after"], `${LOG}.${count}`);
  subscription.detach();
});

test("where no socket opens, events are read over HTTP", async () => {
  const server = await LogServer.on(logOf(5));
  try {
    const client = new Client(server.url, { transport: "websocket", pace: PACE });
    const one = reading(client);
    for (const number of [1, 2]) {
      await until(() => sockets.length === number);
      sockets[number - 1]!.end(1006);
    }
    await one.done;
    assert.deepEqual([one.seqs, sockets.length], [[1, 2, 3, 4, 5], 2]);
  } finally {
    await server.close();
  }
});

test("a socket that never opens is not waited for", async () => {
  const time = new ManualTime();
  const one = reading(socketed(time));
  await until(() => sockets.length === 1);
  await time.until(30);
  time.pass(30);
  await until(() => one.subscription.close === "silent");
  one.subscription.detach();
  assert.equal(sockets[0]!.readyState, 3);
});

test("without WebSocket the transport is refused", () => {
  delete (globalThis as { WebSocket?: unknown }).WebSocket;
  assert.throws(() => socketed(), (error: RiverrunError) => error.code === "E6006");
});
