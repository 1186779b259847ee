// What is not what the protocol says is refused; what a later version adds is kept.

import assert from "node:assert/strict";
import { test } from "node:test";

import { decodeEvent, decodePage, decodeProblem, isTerminal } from "../src/decode.js";
import { ConnectionFault, ProtocolFault, RiverrunError } from "../src/errors.js";

const HEAD = { seq: 1, ts: 1, run: "r" };
const NODE = { ...HEAD, node: "n", exec: "n:1" };
const event = (fields: object): string => JSON.stringify(fields);

test("an event is kept as it was received, with what a later version adds", () => {
  for (const fields of [
    { type: "node.chunk", ...NODE, message: "m", value: { any: [1, null] }, mood: "calm" },
    { type: "of.a.later.version", ...HEAD, colour: { deep: true } },
    { type: "Question", ...HEAD },
    { type: "run.started", ...HEAD, graph: "g", log: "l", goto: ["a", { node: "b", arg: 1 }], base: { run: "s" } },
  ]) {
    assert.deepEqual(decodeEvent(event(fields)), fields);
  }
});

test("what is no event is refused", () => {
  for (const text of [
    "",
    "null",
    "[]",
    '"text"',
    "{}",
    event({ ...NODE, type: 7 }),
    event({ ...NODE, type: "node.started", seq: 1.5 }),
    event({ ...NODE, type: "node.started", ns: [1] }),
    event({ ...NODE, type: "node.started", attempt: null }),
    event({ ...NODE, type: "node.completed", writes: [1] }),
    event({ ...NODE, type: "node.completed", folds: { a: 1 } }),
    event({ ...NODE, type: "node.completed", goto: [{ arg: 1 }] }),
    event({ ...NODE, type: "node.failed", error: { code: "E1" } }),
    event({ type: "of.a.later.version", seq: 1, ts: 1 }),
    event({ type: "constructor", seq: 1, ts: 1 }),
  ]) {
    assert.throws(() => decodeEvent(text), ProtocolFault, text);
  }
});

test("the last event of a log is told by its type", () => {
  assert.ok(isTerminal(decodeEvent(event({ ...HEAD, type: "run.stopped" }))));
  assert.ok(!isTerminal(decodeEvent(event({ ...HEAD, type: "run.interrupted" }))));
});

test("a page is whole, or it is refused", () => {
  const page = { events: [{ type: "run.lost", ...HEAD }], head: 1, floor: 0, log: "l", ended: true };
  assert.deepEqual(decodePage(event({ ...page, more: 1 })), page);
  for (const wrong of [{ events: {} }, { events: [1] }, { head: "1" }, { floor: null }, { log: 7 }, { ended: "yes" }]) {
    assert.throws(() => decodePage(event({ ...page, ...wrong })), ProtocolFault, JSON.stringify(wrong));
  }
});

test("a problem is what the server said", () => {
  const place = { where: "w", mend: "m", head: 9, floor: 3 };
  const told = { type: "t", title: "t", status: 410, detail: "gone", code: "E4007", ...place };
  const error = decodeProblem(410, event(told), null);
  assert.deepEqual(
    [error.code, error.message, error.where, error.mend, error.head, error.floor, error.status],
    ["E4007", "E4007 gone", "w", "m", 9, 3, 410],
  );
});

test("a status without a description still says what it means", () => {
  for (const [status, code, kind] of [
    [502, "E5001", ConnectionFault],
    [429, "E3010", RiverrunError],
    [404, "E5003", ProtocolFault],
    [200, "E5003", ProtocolFault],
  ] as const) {
    const error = decodeProblem(status, "<h1>oops</h1>", null);
    assert.ok(error instanceof kind);
    assert.deepEqual([error.code, error.mend.length > 0], [code, true]);
  }
});

test("how long to wait is a number of seconds, or nothing", () => {
  const after = (header: string | null, body = ""): number | null => decodeProblem(503, body, header).retryAfter;
  assert.deepEqual(["7", "0"].map((one) => after(one)), [7, 0]);
  for (const one of ["-1", "1e3", "soon", "1234567890", "", null]) assert.equal(after(one), null);
  const body = event({ type: "t", title: "t", status: 503, detail: "d", code: "E4001", retry_after: 2.5 });
  assert.equal(after("7", body), 2.5);
});
