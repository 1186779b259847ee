// Server-sent events, taken apart as HTML §9.2.6 says, however the network cuts the bytes.
//
// Our own, because a reader must learn its place also from a block without data (PROTOCOL.md §5.1), which the usual
// parsers drop, and because what is held back must be bounded. It does not know what is inside `data`.

import { ProtocolFault } from "./errors.js";

/** One event may be as large as this, in UTF-16 code units. */
export const EVENT_LIMIT = 64 * 1024 * 1024;

/** What one block with data says. */
export interface Block {
  /** The last id that was sent, in this block or before. */
  readonly id: string;
  /** Its name; `message` when none was sent. */
  readonly event: string;
  /** Its data lines, joined by LF. */
  readonly data: string;
}

/** What came out of some bytes. */
export interface Piece {
  /** The blocks that are complete now; often none. */
  readonly blocks: readonly Block[];
  /** How many comment lines came. */
  readonly heartbeats: number;
  /** The last id that the server sent; empty before the first. */
  readonly lastId: string;
}

/** Makes blocks of one response body. What is held when the body ends is dropped, as it must be. */
export class Parser {
  /** What `Last-Event-ID` says when the connection ends now; empty when nothing was received. */
  lastId = "";
  private readonly decoder = new TextDecoder("utf-8", { ignoreBOM: false });
  private tail: string[] = []; // pieces of a line without its end
  private tailLength = 0;
  private afterCr = false; // a LF that comes now belongs to the CR before it
  private id = "";
  private event = "";
  private data: string[] = [];
  private dataLength = 0;
  private heartbeats = 0;

  constructor(private readonly limit: number = EVENT_LIMIT) {}

  /**
   * Take in what the network gave.
   *
   * @param chunk Any bytes.
   * @returns What is complete now.
   * @throws ProtocolFault E5003: one event is larger than the limit; close the connection.
   */
  feed(chunk: Uint8Array): Piece {
    const blocks: Block[] = [];
    this.heartbeats = 0;
    this.lines(this.decoder.decode(chunk, { stream: true }), blocks);
    return { blocks, heartbeats: this.heartbeats, lastId: this.lastId };
  }

  private lines(text: string, blocks: Block[]): void {
    let start = 0;
    if (this.afterCr && text !== "") {
      this.afterCr = false;
      start = text.startsWith("\n") ? 1 : 0;
    }
    const ends = /\r\n?|\n/g;
    ends.lastIndex = start;
    for (let end = ends.exec(text); end !== null; end = ends.exec(text)) {
      this.line(this.whole(text.slice(start, end.index)), blocks);
      start = ends.lastIndex;
      this.afterCr = start === text.length && end[0] === "\r";
    }
    if (start < text.length) {
      this.tail.push(text.slice(start));
      this.tailLength += text.length - start;
    }
    this.check();
  }

  private whole(end: string): string {
    if (this.tail.length === 0) return end;
    const line = this.tail.join("") + end;
    this.tail = [];
    this.tailLength = 0;
    return line;
  }

  private line(line: string, blocks: Block[]): void {
    if (line === "") {
      this.dispatch(blocks);
      return;
    }
    const colon = line.indexOf(":");
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
    if (name === "data") {
      this.data.push(value);
      this.dataLength += value.length + 1;
      this.check();
    } else if (name === "id") {
      if (!value.includes("\0")) this.id = value;
    } else if (name === "event") {
      this.event = value;
    } else if (name === "") {
      this.heartbeats += 1;
    }
  }

  private dispatch(blocks: Block[]): void {
    this.lastId = this.id;
    if (this.data.length > 0) {
      blocks.push({ id: this.id, event: this.event || "message", data: this.data.join("\n") });
      this.data = [];
      this.dataLength = 0;
    }
    this.event = "";
  }

  private check(): void {
    if (this.dataLength + this.tailLength > this.limit) {
      throw new ProtocolFault("E5003", `one event is larger than ${this.limit} characters`);
    }
  }
}
