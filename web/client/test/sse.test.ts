// The parser holds no more than it may, and gives what a parser of others gives.

import assert from "node:assert/strict";
import { test } from "node:test";

import { createParser } from "eventsource-parser";

import { ProtocolFault } from "../src/errors.js";
import { Parser } from "../src/sse.js";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Numbers in [0, 1) that are the same each time (a linear congruential generator). */
function dice(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 1664525 + 1013904223) % 2 ** 32) / 2 ** 32;
}

test("an event that is larger than the limit is refused, and not before", () => {
  const parser = new Parser(20);
  assert.equal(parser.feed(bytes("data: 0123456789012345678\n\n")).blocks.length, 1);
  assert.throws(() => parser.feed(bytes("data: 01234567890123456789\n")), ProtocolFault);
  const line = new Parser(20);
  line.feed(bytes("data: 0123456789"));
  assert.throws(() => line.feed(bytes("0123456789")), ProtocolFault);
  const many = new Parser(20);
  many.feed(bytes("data: 012345678\n"));
  assert.throws(() => many.feed(bytes("data: 012345678\ndata: 0\n")), ProtocolFault);
});

test("many small events are no large one", () => {
  const parser = new Parser(20);
  for (let number = 0; number < 100; number += 1) parser.feed(bytes("data: 0123456789\n\n"));
  assert.equal(parser.feed(bytes("data: 1\n\n".repeat(50))).blocks.length, 50);
});

test("blocks with data are those that a parser of others gives, for any lines in any pieces", () => {
  const fields = ["id: 7", "event: close", ": hb", "retry: 9", "x: y", "", ""];
  const lines = ["data: one", "data:two", "data", "data:  é世👩", ...fields];
  const ends = ["\n", "\r", "\r\n"];
  const roll = dice(7);
  const one = <Item>(items: readonly Item[]): Item => items[Math.floor(roll() * items.length)]!;
  for (let round = 0; round < 300; round += 1) {
    const text = Array.from({ length: 12 }, () => one(lines) + one(ends)).join("") + "data: last\n\n\n";
    const theirs: object[] = [];
    createParser({ onEvent: ({ event = "message", data }) => theirs.push({ event, data }) }).feed(text);
    const parser = new Parser();
    const ours: object[] = [];
    for (let rest = bytes(text); rest.length > 0; ) {
      const size = 1 + Math.floor(roll() * 9);
      for (const { event, data } of parser.feed(rest.subarray(0, size)).blocks) ours.push({ event, data });
      rest = rest.subarray(size);
    }
    assert.deepEqual(ours, theirs, JSON.stringify(text));
  }
});
