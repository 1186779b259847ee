// What one agent says, message by message, as rows of which only those in sight are drawn.
//
// Messages may grow at the same time, so a row is found by counting the rows of the messages before it. It knows neither
// React nor what is in sight.

import type { Json, NodeChunk } from "riverrun";

import { Passage, type Block } from "./passage";

/** One message of an agent: text in blocks, or values. */
export interface Speech {
  readonly message: string;
  readonly exec: string;
  readonly key: string | null;
  readonly passage: Passage;
  readonly values: Json[];
  /** UTF-16 code units that were taken back. */
  voided: number;
  /** How often. */
  voids: number;
  /** UTF-16 code units of its beginning that the log no longer has. */
  missing: number;
}

/** A row of a pane: the head of a message, a block of its text, or a value. */
export type Row =
  | { readonly kind: "head"; readonly speech: Speech }
  | { readonly kind: "block"; readonly speech: Speech; readonly block: Block }
  | { readonly kind: "value"; readonly speech: Speech; readonly value: Json; readonly at: number };

/** All that one agent says. */
export class Pane {
  /** In the order of their first chunk. */
  readonly speeches: Speech[] = [];
  /** Changes with each event that changes a row. */
  version = 0;
  /** Changes when rows are no longer where they were: text was taken back, or two messages grow at once. */
  shape = 0;
  /** Of the text that stands, in UTF-16 code units. */
  length = 0;
  chunks = 0;
  private readonly byMessage = new Map<string, Speech>();
  private starts: number[] = [];
  private counted = -1;

  constructor(
    /** The name to show. */
    readonly agent: string,
    /** Which agent of the run it is, from 0; its colour. */
    readonly ordinal: number,
  ) {}

  /** Take a chunk in. */
  add(chunk: NodeChunk): void {
    let speech = this.byMessage.get(chunk.message);
    if (speech === undefined) {
      const { message, exec, key = null, start } = chunk;
      speech = { message, exec, key, passage: new Passage(), values: [], voided: 0, voids: 0, missing: start ?? 0 };
      this.byMessage.set(message, speech);
      this.speeches.push(speech);
    }
    // What grows in the middle moves what is below.
    if (speech !== this.speeches.at(-1)) this.shape += 1;
    if (typeof chunk.value === "string") {
      speech.passage.append(chunk.value);
      this.length += chunk.value.length;
    } else {
      speech.values.push(chunk.value);
    }
    this.chunks += 1;
    this.version += 1;
  }

  /** Take back what a message said so far; say how much text it was. */
  void(message: string): number {
    const speech = this.byMessage.get(message);
    if (speech === undefined) return 0;
    const { length } = speech.passage;
    if (length > 0 || speech.values.length > 0) speech.voids += 1;
    speech.voided += length;
    speech.missing = 0;
    speech.passage.clear();
    speech.values.length = 0;
    this.length -= length;
    this.shape += 1;
    this.version += 1;
    return length;
  }

  /** How many rows there are. */
  get rows(): number {
    this.count();
    return this.starts.at(-1)!;
  }

  /** Give a row. */
  row(index: number): Row | null {
    this.count();
    if (index < 0 || index >= this.starts.at(-1)!) return null;
    let low = 0;
    let high = this.speeches.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.starts[middle]! <= index) low = middle;
      else high = middle - 1;
    }
    const speech = this.speeches[low]!;
    const inner = index - this.starts[low]! - 1;
    if (inner < 0) return { kind: "head", speech };
    const block = speech.passage.blocks[inner];
    if (block !== undefined) return { kind: "block", speech, block };
    const at = inner - speech.passage.blocks.length;
    return { kind: "value", speech, value: speech.values[at]!, at };
  }

  /** All text that stands, messages apart. */
  get text(): string {
    return this.speeches.map((speech) => speech.passage.text).join("\n\n");
  }

  private count(): void {
    if (this.counted === this.version) return;
    this.counted = this.version;
    this.starts = [0];
    for (const { passage, values } of this.speeches) {
      this.starts.push(this.starts.at(-1)! + 1 + passage.blocks.length + values.length);
    }
  }
}
