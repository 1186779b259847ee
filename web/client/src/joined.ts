// Chunks that the server joined to one frame, taken apart into the events that they stand for (PROTOCOL.md §14).
//
// Behind this file nothing knows of joining: each event is applied exactly once by its seq, as ever. It does not know
// how anything arrived.

import { ProtocolFault } from "./errors.js";
import type { Event, Json } from "./types.js";

/** The type of a frame of joined chunks; an event never has it. */
export const JOINED = "node.chunks";

interface Item {
  readonly value: Json;
  readonly start?: number;
  readonly seqs: readonly number[];
  readonly sizes?: readonly number[];
  readonly [name: string]: Json | undefined;
}

/**
 * Take a frame of joined chunks apart.
 *
 * @param frame An object with the type `node.chunks`.
 * @returns The events from `from` to `seq`, as objects that were not looked at yet.
 * @throws ProtocolFault E5003: it does not stand for each of these events once.
 */
export function apart(frame: { readonly [name: string]: unknown }): readonly object[] {
  const { from, seq, ts, run, chunks } = frame;
  const whole = isSeq(from) && isSeq(seq) && from <= seq && Array.isArray(chunks) && chunks.every(isItem);
  // With so many, none twice and none outside, each is there; and the list is never larger than what was sent.
  if (!whole || seq - from >= chunks.reduce((count, item) => count + item.seqs.length, 0)) throw wrong();
  const events: object[] = new Array(seq - from + 1);
  for (const item of chunks) {
    for (const [at, value, start] of pieces(item)) {
      const place = at - from;
      if (place < 0 || at > seq || events[place] !== undefined) throw wrong();
      const { seqs: _, sizes: __, value: ___, start: ____, ...shared } = item;
      const begins = start === undefined ? {} : { start };
      events[place] = { type: "node.chunk", seq: at, ts, run, ...shared, value, ...begins };
    }
  }
  return events;
}

/** The events of one item: seq, value and where its text starts. */
function* pieces(item: Item): Generator<readonly [number, Json, number | undefined]> {
  const { seqs, sizes, value, start } = item;
  if (seqs.length === 1) {
    yield [seqs[0]!, value, start];
    return;
  }
  if (typeof value !== "string" || start === undefined || sizes?.length !== seqs.length) throw wrong();
  let taken = 0;
  for (const [at, seq] of seqs.entries()) {
    yield [seq, value.slice(taken, taken + sizes[at]!), start + taken];
    taken += sizes[at]!;
  }
  if (taken !== value.length) throw wrong();
}

function isItem(item: unknown): item is Item {
  if (typeof item !== "object" || item === null) return false;
  const { seqs, sizes = [], start } = item as Partial<Item>;
  const lists = Array.isArray(seqs) && seqs.length > 0 && seqs.every(isSeq) && Array.isArray(sizes);
  return lists && "value" in item && sizes.every(isSize) && (start === undefined || isSize(start));
}

function isSize(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isSeq(value: unknown): value is number {
  return isSize(value) && value > 0;
}

function wrong(): ProtocolFault {
  return new ProtocolFault("E5003", "a frame of joined chunks does not stand for each of its events once");
}

/** Say whether something that arrived as an event is a frame of joined chunks. */
export function isJoined(value: unknown): value is { readonly [name: string]: unknown } {
  return typeof value === "object" && value !== null && (value as Partial<Event>).type === (JOINED as string);
}
