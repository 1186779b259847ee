// Reads the cases of conformance/ and puts a reader to them: the counterpart of tests/client/test_conformance.py.

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { parse } from "yaml";

import { ConnectionFault, ProtocolFault } from "../src/errors.js";
import { decodeProblem } from "../src/decode.js";
import { Reader, type Outcome } from "../src/reader.js";
import { dutyOf, reconnectsOf } from "../src/session.js";
import type { Pace } from "../src/tables.js";

export type Told = { readonly [name: string]: any };

export interface SessionFile {
  readonly log: string;
  readonly events: readonly Told[];
  readonly cases: readonly SessionCase[];
}

export interface SessionCase {
  readonly name: string;
  readonly after?: number;
  readonly log?: string;
  readonly pace?: Told;
  readonly steps: readonly Told[];
}

/** Read one file of cases; compiled, this file stands in web/client/build/test. */
export function load<File>(name: string): File {
  return parse(readFileSync(fileURLToPath(new URL(`../../../../conformance/${name}.yaml`, import.meta.url)), "utf8"));
}

/** A reader without a network: what the cases say happens to it, and nothing else does. */
export class Driven {
  private now = 0;
  private readonly reader: Reader;
  private readonly events: Map<number, Told>;
  private applied: readonly number[] = [];

  constructor(
    private readonly file: SessionFile,
    given: SessionCase,
    private readonly dice: number,
  ) {
    this.events = new Map(file.events.map((event) => [event["seq"], event]));
    const pace = Object.entries(given.pace ?? {}).map(([name, value]) => [camel(name), value]);
    this.reader = new Reader(given.after ?? 0, given.log ?? null, Object.fromEntries(pace) as Partial<Pace>);
  }

  /** Let one thing happen, and say where the reader is then, in the words of the cases. */
  happen(step: Told): Told {
    this.applied = [];
    if ("wait" in step) this.now += step["wait"];
    else if ("leave" in step) this.reader.leave();
    else if (Object.keys(step).some((name) => name !== "expect")) {
      this.applied = this.reader.report(this.outcome(step), this.now, this.dice).map((event) => event.seq);
    }
    const { session, action, cursor } = this.reader;
    return {
      next: action.do,
      state: session.state,
      delay: action.delay,
      listen: action.listen,
      applied: this.applied,
      place: session.place,
      cursor,
      close: session.close,
      ending: session.ending,
      duty: dutyOf(session),
      reconnects: reconnectsOf(session),
    };
  }

  private outcome(step: Told): Outcome {
    if ("stream" in step) return streamOf(step["stream"]);
    if ("read" in step) return { kind: "bytes", bytes: this.bytes(step["read"]) };
    if (step["cut"] === "silence") {
      this.now += this.reader.action.listen;
      return { kind: "closed", how: "silent" };
    }
    if ("cut" in step) return { kind: "closed", how: "network" };
    if (step["fails"] === "timeout") {
      return { kind: "closed", how: "silent", error: new ConnectionFault("E5005", "no answer") };
    }
    if ("fails" in step) return { kind: "closed", how: "network", error: new ConnectionFault("E5001", "refused") };
    if (step["status"] === 204) return { kind: "drained" };
    if ("status" in step) {
      const error = decodeProblem(step["status"], "", step["retry_after"] ?? null);
      return { kind: "problem", status: step["status"], error };
    }
    const page = { head: 8, floor: 0, log: this.file.log, ended: false, ...step["page"] };
    page.events = page.events.map((seq: number) => this.events.get(seq));
    return { kind: "page", text: JSON.stringify(page) };
  }

  private bytes(parts: readonly (number | string)[]): Uint8Array {
    const log = this.file.log;
    const texts = parts.map((part) => {
      if (part === "opening") return `retry: 500\nid: ${log}.${this.reader.session.place}\n\n`;
      return typeof part === "string" ? part : `id: ${log}.${part}\ndata: ${JSON.stringify(this.events.get(part))}\n\n`;
    });
    return new TextEncoder().encode(texts.join(""));
  }
}

function streamOf(kind: string): Outcome {
  if (kind.split(";")[0]!.trim().toLowerCase() === "text/event-stream") return { kind: "stream" };
  return { kind: "closed", how: "refused", error: new ProtocolFault("E5003", `the server sent ${kind}`) };
}

function camel(name: string): string {
  return name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
}
