// The cases of conformance/ hold for this client as they do for the Python one (tests/client/test_conformance.py).

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { decodeEvent } from "../src/decode.js";
import { RiverrunError } from "../src/errors.js";
import { Parser, type Block } from "../src/sse.js";
import { View } from "../src/view.js";
import { Driven, load, type SessionFile, type Told } from "./cases.js";

const RUN = "018b2f5e3c7d0123456789abcdef0123";
const SESSIONS = load<SessionFile>("session");

describe("the session does what the case says", () => {
  for (const given of SESSIONS.cases) {
    test(given.name, () => {
      for (const dice of [0, 0.5, 0.999]) {
        const driven = new Driven(SESSIONS, given, dice);
        for (const step of given.steps) {
          const found = driven.happen(step);
          const expect = Object.entries<any>(step["expect"] ?? {});
          for (const [name, want] of expect) same(name, want, found[name], dice, step);
        }
      }
    });
  }
});

function same(name: string, want: any, found: any, dice: number, step: Told): void {
  const said = JSON.stringify(step);
  if (name === "delay") {
    const [low, high] = Array.isArray(want) ? want : [want, want];
    assert.ok(Math.abs(low + dice * (high - low) - found) < 1e-9, `delay is ${found}: ${said}`);
  } else {
    assert.deepEqual(found, want, `${name}: ${said}`);
  }
}

test("a case that says something else is noticed", () => {
  const driven = new Driven(SESSIONS, { name: "wrong", steps: [] }, 0.5);
  const found = driven.happen({ fails: "refused" });
  for (const [name, value] of [["state", "polling"], ["applied", [1]], ["delay", [1, 2]], ["close", "gone"]] as const) {
    assert.throws(() => same(name, value, found[name], 0.5, {}), name);
  }
});

interface ParserCase {
  readonly name: string;
  readonly bytes?: string;
  readonly hex?: string;
  readonly blocks: readonly Block[];
  readonly last_id: string;
  readonly heartbeats?: number;
}

describe("the parser gives what the case says, however the network cuts", () => {
  for (const given of load<{ readonly cases: readonly ParserCase[] }>("sse").cases) {
    test(given.name, () => {
      const hex = given.hex?.replaceAll(" ", "");
      const data = hex === undefined ? Buffer.from(given.bytes!, "utf8") : Buffer.from(hex, "hex");
      for (const pieces of cuts(data)) {
        const parser = new Parser();
        const found = pieces.map((piece) => parser.feed(piece));
        assert.deepEqual(found.flatMap((piece) => piece.blocks), given.blocks);
        assert.equal(parser.lastId, given.last_id);
        assert.equal(found.reduce((sum, piece) => sum + piece.heartbeats, 0), given.heartbeats ?? 0);
      }
    });
  }
});

/** Cut bytes as a network might: not at all, at each place once, and into single bytes. */
function cuts(data: Buffer): readonly Buffer[][] {
  const places = Array.from(data, (_, at) => at);
  const halves = places.slice(1).map((at) => [data.subarray(0, at), data.subarray(at)]);
  return [[data], ...halves, places.map((at) => data.subarray(at, at + 1))];
}

interface ViewCase {
  readonly name: string;
  readonly events: readonly Told[];
  readonly expect: Told;
}

describe("the view has what the case says", () => {
  for (const given of load<{ readonly cases: readonly ViewCase[] }>("view").cases) {
    test(given.name, () => {
      const view = new View();
      for (const { verdict = "apply", ...event } of given.events) {
        assert.equal(applied(view, { seq: view.place + 1, ts: 1, run: RUN, ...event }), verdict);
      }
      const { messages, texts, ...want } = given.expect;
      const shown: Told = { ...view, nodes: Object.fromEntries(view.nodes), questions: [...view.questions.keys()] };
      for (const [name, value] of Object.entries(want)) assert.deepEqual(shown[name], value, name);
      for (const [key, text] of Object.entries(texts ?? {})) assert.equal(view.text(key), text);
      if (messages !== undefined) sameMessages(messages, [...view.messages.values()]);
    });
  }
});

function applied(view: View, event: Told): string {
  try {
    return view.apply(decodeEvent(JSON.stringify(event)));
  } catch (error) {
    assert.ok(error instanceof RiverrunError);
    return error.code;
  }
}

/** What a case does not say of a message is not looked at. */
function sameMessages(want: readonly Told[], found: readonly Told[]): void {
  assert.deepEqual(found.map((message) => message["id"]), want.map((message) => message["id"]));
  for (const [at, message] of want.entries()) {
    for (const [name, value] of Object.entries(message)) assert.deepEqual(found[at]![name], value, name);
  }
}
