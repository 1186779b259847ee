// Keeps what one live run applies on the shelf, in lumps, and says whether that goes well.
//
// Nothing depends on it: where the browser forbids storage or has no room left, reading goes on in memory, and it says
// so. It does not know IndexedDB (shelf.ts).

import { NotKept, type Shelf } from "./shelf.js";
import type { Time } from "./time.js";
import type { Event } from "./types.js";

/** Seconds between two lumps. */
const LUMP = 1;
/** About so many letters of text are kept at once: more would hold up the page. */
const LUMP_LENGTH = 400_000;
/** An event counts for so many letters beside its text. */
const EVENT_LENGTH = 200;
/** So many events may wait for the storage; a browser that does not keep up is not waited for any longer. */
const WAITING_LIMIT = 100_000;

/** Whether what is read outlives the page: `kept` in the browser's storage, or only in `memory`, and why. */
export interface Kept {
  readonly where: "kept" | "memory";
  readonly why: string;
}

/** One run on its way to the shelf. */
export class Keeping {
  /** How it goes. */
  kept: Kept = { where: "kept", why: "" };
  private waiting: Event[] = [];
  private cancel: (() => void) | null = null;
  private saving: Promise<void> = Promise.resolve();

  constructor(
    private readonly shelf: Shelf,
    private readonly run: string,
    private readonly time: Time,
    private readonly onChange: () => void,
  ) {}

  /** Give what is kept of the run, from its first event on; nothing where nothing is, or nothing can be. */
  async restore(): Promise<readonly Event[]> {
    try {
      return await this.shelf.load(this.run);
    } catch (error) {
      this.fail(error);
      return [];
    }
  }

  /** Take in what was applied, to be kept soon. */
  take(events: readonly Event[], log: string): void {
    if (this.kept.where === "memory") return;
    for (const event of events) this.waiting.push(event);
    if (this.waiting.length > WAITING_LIMIT) this.fail(new NotKept("the storage of this browser is too slow"));
    else this.cancel ??= this.time.after(LUMP, () => this.flush(log));
  }

  /** Keep now what waits: the page may be about to go. */
  flush(log: string): void {
    this.cancel?.();
    this.cancel = null;
    const events = this.waiting;
    this.waiting = [];
    if (events.length === 0 || log === "") return;
    this.saving = this.saving.then(async () => {
      try {
        for (const lump of lumps(events)) {
          if (this.kept.where === "memory") return;
          await this.shelf.save(this.run, log, lump);
        }
      } catch (error) {
        this.fail(error);
      }
    });
  }

  /** Forget the run: its log was replaced. */
  async forget(): Promise<void> {
    this.waiting = [];
    await this.saving;
    await this.shelf.forget(this.run).catch((error: unknown) => this.fail(error));
  }

  private fail(error: unknown): void {
    if (!(error instanceof NotKept)) throw error;
    this.cancel?.();
    this.cancel = null;
    this.waiting = [];
    this.kept = { where: "memory", why: error.message };
    this.onChange();
  }
}

/** Cut events into lumps that are quickly written down. */
function* lumps(events: readonly Event[]): Generator<readonly Event[]> {
  let from = 0;
  let length = 0;
  for (const [at, event] of events.entries()) {
    length += EVENT_LENGTH;
    if (event.type === "node.chunk" && typeof event.value === "string") length += event.value.length;
    if (length < LUMP_LENGTH && at + 1 < events.length) continue;
    yield events.slice(from, at + 1);
    from = at + 1;
    length = 0;
  }
}
