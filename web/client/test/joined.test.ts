// Joined chunks stand for the events they were made of, each once; a frame that does not is refused.

import assert from "node:assert/strict";
import { test } from "node:test";

import { decodeFrame, decodePage } from "../src/decode.js";
import { ProtocolFault } from "../src/errors.js";
import { Reader } from "../src/reader.js";
import type { Event, NodeChunk } from "../src/types.js";
import { event, LOG, RUN } from "./server.js";

type Frame = Record<string, any>;

/** Random numbers that are the same each time. */
function rolling(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state * 1103515245 + 12345) % 2147483648;
    return Math.floor((state / 2147483648) * below);
  };
}

/** A log of what several messages say in turns: texts of any length, and values that are no text. */
function talk(roll: (below: number) => number, count: number): NodeChunk[] {
  const starts = new Map<string, number>();
  return Array.from({ length: count }, (_, at) => {
    const message = `m${roll(3)}`;
    const who = { node: "n", exec: `n:${message}`, message, ...(roll(2) === 0 ? { key: "text" } : {}) };
    if (roll(6) === 0) return event(at + 1, "node.chunk", { ...who, message: `${message}v`, value: { at } }) as NodeChunk;
    const value = ["", "a", "wörd ", "👩‍👩‍👧", "世界 "][roll(5)]!;
    const start = starts.get(message) ?? 0;
    starts.set(message, start + value.length);
    return event(at + 1, "node.chunk", { ...who, value, start }) as NodeChunk;
  });
}

/** Join events as PROTOCOL.md §14 says. */
function joined(events: readonly NodeChunk[]): Frame {
  const items: Frame[] = [];
  for (const { seq, ts: _, run: __, type: ___, value, start, ...shared } of events) {
    const alike = (item: Frame): boolean => item["message"] === shared.message && item["key"] === shared.key;
    const item = typeof value === "string" ? items.find((one) => "sizes" in one && alike(one)) : undefined;
    if (item !== undefined && item["start"] + item["value"].length === start) {
      item["value"] += value as string;
      item["seqs"].push(seq);
      item["sizes"].push((value as string).length);
    } else if (typeof value === "string") {
      items.push({ ...shared, value, start, seqs: [seq], sizes: [value.length] });
    } else {
      items.push({ ...shared, value, seqs: [seq] });
    }
  }
  return { type: "node.chunks", from: events[0]!.seq, seq: events.at(-1)!.seq, ts: events.at(-1)!.ts, run: RUN, chunks: items };
}

test("what was joined comes apart into what it was joined from", () => {
  for (let seed = 1; seed <= 200; seed += 1) {
    const roll = rolling(seed);
    const events = talk(roll, 1 + roll(40));
    const ts = events.at(-1)!.ts;
    assert.deepEqual(
      decodeFrame(JSON.stringify(joined(events))),
      events.map((one) => ({ ...one, ts })),
      `seed ${seed}`,
    );
  }
});

test("a reader applies each event that a frame stands for once, wherever it begins", () => {
  const events = talk(rolling(7), 12);
  for (let place = 0; place < 12; place += 1) {
    const reader = new Reader(place);
    reader.report({ kind: "stream" }, 0, 0);
    const bytes = new TextEncoder().encode(`id: ${LOG}.12\ndata: ${JSON.stringify(joined(events))}\n\n`);
    const seqs = reader.report({ kind: "bytes", bytes }, 0, 0).map((one: Event) => one.seq);
    assert.deepEqual(seqs, events.slice(place).map((one) => one.seq));
    assert.equal(reader.cursor, `${LOG}.12`);
  }
});

test("a frame after a gap is not applied; the reader asks again after its place", () => {
  const reader = new Reader(3);
  reader.report({ kind: "stream" }, 0, 0);
  const frame = joined(talk(rolling(7), 12).slice(5));
  const bytes = new TextEncoder().encode(`id: ${LOG}.12\ndata: ${JSON.stringify(frame)}\n\n`);
  assert.deepEqual(reader.report({ kind: "bytes", bytes }, 0, 0), []);
  assert.deepEqual([reader.action.do, reader.cursor], ["connect", `${LOG}.3`]);
});

test("a page may hold joined chunks beside events", () => {
  const events = talk(rolling(3), 5);
  const last = event(6, "run.completed", { steps: 1 });
  const page = { events: [joined(events), last], head: 6, floor: 0, log: LOG, ended: true };
  assert.deepEqual(decodePage(JSON.stringify(page)).events.map((one) => one.seq), [1, 2, 3, 4, 5, 6]);
});

test("a frame that does not stand for each of its events once is refused", () => {
  const chunk = { node: "n", exec: "n:1", message: "m", value: "abc", start: 0, seqs: [1, 2], sizes: [1, 2] };
  const whole = { type: "node.chunks", from: 1, seq: 2, ts: 1, run: RUN, chunks: [chunk] };
  assert.equal(decodeFrame(JSON.stringify(whole)).length, 2);
  const wrong: Frame[] = [
    { ...whole, from: 2 },
    { ...whole, seq: 3 },
    { ...whole, seq: 1e15 },
    { ...whole, from: 0 },
    { ...whole, chunks: [] },
    { ...whole, chunks: "no" },
    { ...whole, chunks: [null] },
    { ...whole, chunks: [chunk, chunk] },
    { ...whole, chunks: [{ ...chunk, seqs: [1, 1] }] },
    { ...whole, chunks: [{ ...chunk, seqs: [1, 2.5] }] },
    { ...whole, chunks: [{ ...chunk, sizes: [1, 1] }] },
    { ...whole, chunks: [{ ...chunk, sizes: [-1, 4] }] },
    { ...whole, chunks: [{ ...chunk, sizes: [3] }] },
    { ...whole, chunks: [{ ...chunk, start: "0" }] },
    { ...whole, chunks: [{ ...chunk, value: 7 }] },
    { ...whole, chunks: [{ ...chunk, node: 7 }] },
  ];
  for (const frame of wrong) {
    assert.throws(() => decodeFrame(JSON.stringify(frame)), (error) => {
      return error instanceof ProtocolFault && error.code === "E5003";
    }, JSON.stringify(frame));
  }
});
