// The text of one message, cut into blocks that never change once they are closed, so that only the last one is drawn
// again while the text grows.
//
// The texts of all blocks, one behind the other, are the text of the message, to the letter. A block ends behind a blank
// line outside of a fence, around a fence, and in any case before it gets too long to be drawn quickly. It knows neither
// React nor Markdown beyond fences.

/** No block is much longer than this, in UTF-16 code units: it is drawn in one go. */
export const BLOCK_LENGTH = 2000;
/** A single line is cut after so many. */
const LINE_LENGTH = 4000;

const FENCE = /^ {0,3}(`{3,}|~{3,})([^`\n]*)$/;

/** One piece of a text that is drawn on its own. */
export interface Block {
  /** What it says, line breaks included. */
  readonly text: string;
  /** Where it begins in its message, in UTF-16 code units. */
  readonly start: number;
  /** The fence that it goes on with from the block before, as it was opened; empty when it begins outside of one. */
  readonly fence: string;
}

interface Fence {
  readonly opening: string;
  readonly mark: string;
}

/** A text that grows. */
export class Passage {
  /** In order; only the last may still change, and is then another object. */
  readonly blocks: Block[] = [];
  /** Of the whole text, in UTF-16 code units. */
  length = 0;
  private line = ""; // the unfinished last line
  private fence: Fence | null = null;
  private closed = true; // whether the next piece begins a block

  /** The whole text. */
  get text(): string {
    return this.blocks.map((block) => block.text).join("");
  }

  /** Add a piece. */
  append(piece: string): void {
    for (let from = 0; from < piece.length; ) {
      const end = piece.indexOf("\n", from);
      let to = end < 0 ? piece.length : end + 1;
      const room = LINE_LENGTH - this.line.length;
      // A line that never ends is cut where it is too long, but not within a character.
      if (to - from > room) to = from + (isHigh(piece, from + room - 1) ? room - 1 : room);
      if (to === from) to = from + 2;
      this.take(piece.slice(from, to), to === end + 1);
      from = to;
    }
  }

  /** Take it all back. */
  clear(): void {
    this.blocks.length = 0;
    this.length = 0;
    this.line = "";
    this.fence = null;
    this.closed = true;
  }

  private take(part: string, whole: boolean): void {
    this.line += part;
    if (!whole) {
      this.grow(part);
      if (this.line.length >= LINE_LENGTH - 1 && !isHigh(part, part.length - 1)) this.cut();
      return;
    }
    const line = this.line.replace(/\r?\n$/, "");
    const fence = this.fence === null ? FENCE.exec(line) : null;
    if (fence !== null) {
      // What stands before a fence is closed, so that the fence begins a block.
      this.grow(part);
      this.split(this.line.length);
      this.fence = { opening: line.trim(), mark: fence[1]! };
    } else {
      this.grow(part);
      if (this.fence !== null && closes(line, this.fence.mark)) {
        this.fence = null;
        this.closed = true;
      } else if (this.fence === null && line.trim() === "") {
        this.closed = true;
      }
    }
    this.line = "";
    if ((this.blocks.at(-1)?.text.length ?? 0) > BLOCK_LENGTH) this.closed = true;
  }

  private grow(part: string): void {
    if (this.closed) {
      this.blocks.push({ text: part, start: this.length, fence: this.fence?.opening ?? "" });
      this.closed = false;
    } else {
      const last = this.blocks.length - 1;
      const block = this.blocks[last]!;
      this.blocks[last] = { ...block, text: block.text + part };
    }
    this.length += part.length;
  }

  /** Give the last `length` units of the last block a block of their own. */
  private split(length: number): void {
    const last = this.blocks.length - 1;
    const block = this.blocks[last]!;
    const at = block.text.length - length;
    if (at <= 0) return;
    this.blocks[last] = { ...block, text: block.text.slice(0, at) };
    this.blocks.push({ text: block.text.slice(at), start: block.start + at, fence: "" });
  }

  private cut(): void {
    this.line = "";
    this.closed = true;
  }
}

function closes(line: string, mark: string): boolean {
  const told = line.trim();
  return told.length >= mark.length && told === mark[0]!.repeat(told.length);
}

/** Whether the first half of a surrogate pair stands there. */
function isHigh(text: string, at: number): boolean {
  const unit = text.charCodeAt(at);
  return unit >= 0xd800 && unit <= 0xdbff;
}
