// The cases of conformance/frames.yaml hold for this client as they do for the Python one (tests/client/test_websocket.py).
//
// A page does not see why a handshake was refused, so the cases that are about that are left to the Python client.

import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";

import { Client } from "../src/client.js";
import type { RiverrunError } from "../src/errors.js";
import { load, type Told } from "./cases.js";

interface FramesFile {
  readonly log: string;
  readonly run: string;
  readonly events: readonly Told[];
  readonly cases: readonly FramesCase[];
}

interface FramesCase {
  readonly name: string;
  readonly after?: number;
  readonly log?: string;
  readonly sockets: readonly any[];
  readonly expect: Told;
}

const FILE = load<FramesFile>("frames");
const SEEN = FILE.cases.filter(({ sockets }) => sockets.every((script) => Array.isArray(script)));

let left: any[] = [];
let attaches: string[] = [];
let before: typeof WebSocket;

beforeEach(() => {
  before = globalThis.WebSocket;
  globalThis.WebSocket = Played as unknown as typeof WebSocket;
  attaches = [];
});
afterEach(() => {
  globalThis.WebSocket = before;
});

/** What a page has for WebSocket, as far as it is used; the other side plays the script. */
class Played {
  static readonly OPEN = 1;
  readyState = 0;
  onopen: (() => void) | null = null;
  onclose: ((event: object) => void) | null = null;
  onmessage: ((event: object) => void) | null = null;

  constructor() {
    setImmediate(() => {
      this.readyState = 1;
      this.onopen?.();
    });
  }

  send(text: string): void {
    const asked = JSON.parse(text) as Told;
    if (asked["type"] !== "attach") return;
    attaches.push(String(asked["after"]));
    const script: any[] = left.shift() ?? [];
    setImmediate(() => {
      for (const step of script) this.play(asked, typeof step === "string" ? { [step]: {} } : step);
    });
  }

  close(): void {
    this.readyState = 3;
  }

  private play(asked: Told, step: Told): void {
    const name = step["id"] ?? asked["id"];
    if ("cut" in step) this.end(1006);
    else if ("code" in step) this.end(step["code"]);
    else if ("text" in step) this.onmessage?.({ data: step["text"] });
    else if ("close" in step) this.say({ type: "close", reason: step["close"] });
    else if ("heartbeat" in step) this.say({ type: "heartbeat" });
    else if ("events" in step) {
      const events = step["events"].map((seq: number) => FILE.events.find((event) => event["seq"] === seq));
      this.say({ type: "events", id: name, events, ...step["more"] });
    } else if ("problem" in step) {
      const { id = name, ...problem } = step["problem"];
      this.say({ type: "problem", id, problem: { type: "x", title: "x", detail: "x", ...problem } });
    } else if ("attached" in step) {
      const after = Number(String(asked["after"]).split(".").at(-1));
      this.say({ type: "attached", id: name, run: FILE.run, log: FILE.log, after, head: 6, floor: 0, ...step["attached"] });
    } else {
      this.say({ type: Object.keys(step)[0], id: name });
    }
  }

  private say(frame: object): void {
    this.onmessage?.({ data: JSON.stringify(frame) });
  }

  private end(code: number): void {
    this.readyState = 3;
    this.onclose?.({ code, reason: "" });
  }
}

async function outcome(given: FramesCase): Promise<Told> {
  left = [...given.sockets];
  const client = new Client("http://127.0.0.1:1", {
    transport: "websocket",
    pace: { firstDelay: 0.001, longestDelay: 0.002 },
  });
  const { after = 0, log } = given;
  const reading = client.run(FILE.run).attach(log === undefined ? after : `${log}.${after}`);
  const applied: number[] = [];
  let error: string | null = null;
  try {
    for await (const event of reading) applied.push(event.seq);
  } catch (fault) {
    error = (fault as RiverrunError).code;
  }
  const { close, ending, duty, reconnects } = reading;
  return { attaches, applied, close, ending, duty, reconnects, error };
}

describe("the reader does what the case says", () => {
  for (const given of SEEN) {
    test(given.name, async () => {
      const found = await outcome(given);
      for (const [name, want] of Object.entries({ error: null, ...given.expect })) {
        assert.deepEqual(found[name], want, `${name}: ${JSON.stringify(found)}`);
      }
    });
  }
});

test("only cases of handshakes that are refused are left out", () => {
  assert.ok(SEEN.length >= 20, String(SEEN.length));
  const others = FILE.cases.filter((given) => !SEEN.includes(given));
  assert.ok(others.every(({ sockets }) => sockets.some((script) => "refused" in script)));
});
