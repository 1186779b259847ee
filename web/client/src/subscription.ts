// One reader's place on a log far away: an iterator of events that heals its connection by itself.
//
// It does what the reader says and tells the reader what happened; it decides nothing. Bytes are read only when the
// caller asks for the next event, so a slow caller is felt by the server, not by memory here.

import type { Connect, Wants } from "./connect.js";
import { ConnectionFault, RiverrunError } from "./errors.js";
import { Reader, type Outcome } from "./reader.js";
import { dutyOf, reconnectsOf } from "./session.js";
import { Stream } from "./stream.js";
import { page, type Surroundings } from "./surroundings.js";
import type { Close, Duty, Ending, Pace, State } from "./tables.js";
import { newKey, systemDice } from "./time.js";
import type { Event } from "./types.js";

/** Where a connection is, for people: `state`, why, and in how many seconds the next try is due. */
export interface Change {
  readonly state: State;
  readonly close: Close | null;
  readonly delay: number;
}

/** How to read a log. */
export interface AttachOptions {
  /** Times and counts; by default those of PROTOCOL.md §8. */
  readonly pace?: Partial<Pace>;
  /** Told of each change of state, and of each wait. */
  readonly onChange?: (change: Change) => void;
  /** Leaves the log when it aborts; the run goes on. */
  readonly signal?: AbortSignal;
  /** Gives random numbers in [0, 1). */
  readonly dice?: () => number;
  /** What happens around it; by default the page this runs in. */
  readonly surroundings?: Surroundings;
  /** Let the server join chunks while this reader is behind; their events have one `ts` then (PROTOCOL.md §14). */
  readonly adaptive?: boolean;
  /** Let the server join chunks, with at least so many milliseconds between two writes. */
  readonly interval?: number;
  /** Of joined chunks, at most so many bytes at once. */
  readonly maxBytes?: number;
  /** Ask for pages from the first request on. */
  readonly poll?: boolean;
}

/** Ends that are nobody's fault. */
const QUIET: ReadonlySet<Close | null> = new Set(["ended", "detached", "superseded"] as const);

/** Read the events of a run: each once, in order, until its terminal event. Leaving never changes the run. */
export class Subscription implements AsyncIterableIterator<Event, undefined> {
  private readonly machine: Reader;
  private readonly leaving = new AbortController();
  private readonly around: Surroundings;
  private readonly dice: () => number;
  private readonly onChange: ((change: Change) => void) | undefined;
  private readonly outer: AbortSignal | undefined;
  private ready: readonly Event[] = [];
  private given = 0; // how many of `ready` the caller has
  private readonly wants: Wants;
  private stream: Stream | null = null;
  private busy = false;
  private told = false;
  private at: number;

  constructor(
    private readonly connect: Connect,
    private readonly path: string,
    place: number,
    log: string | null,
    options: AttachOptions = {},
    /** What came with the answer that began the run. */
    private opened: Stream | null = null,
  ) {
    this.machine = new Reader(place, log, options.pace);
    this.at = place;
    this.around = options.surroundings ?? page();
    this.dice = options.dice ?? systemDice;
    this.onChange = options.onChange;
    this.outer = options.signal;
    this.wants = wantsOf(options);
    if (options.poll === true && opened === null) this.machine.poll();
    if (this.outer?.aborted) this.detach();
    else this.outer?.addEventListener("abort", this.detach);
  }

  /** The seq of the last event that the caller was given. */
  get place(): number {
    return this.at;
  }

  /** That place together with its log, once known: what to give to `attach(after)` another time. */
  get cursor(): string {
    return this.log === null ? String(this.at) : `${this.log}.${this.at}`;
  }

  /** The name of this reader to the server: a connection of it that died silently is ended by the next one. */
  get reader(): string {
    return this.wants["reader"]!;
  }

  /** Id of the log, once known. */
  get log(): string | null {
    return this.machine.session.log;
  }

  /** Where the connection is; it may be ahead of `place` by events that are here already. */
  get state(): State {
    return this.machine.session.state;
  }

  /** How often a stream was granted again after it was lost. */
  get reconnects(): number {
    return reconnectsOf(this.machine.session);
  }

  /** How the last connection ended: `detached` when the reader left, `network` when it was cut, and so on. */
  get close(): Close | null {
    return this.machine.session.close;
  }

  /** How the run ended, once its terminal event is here: `stopped` when a user ended it, `timed_out`, and so on. */
  get ending(): Ending | null {
    return this.machine.session.ending;
  }

  /** Once ended: `ask` when the user is to decide whether to go on, `never` when the matter is closed. */
  get duty(): Duty | null {
    return dutyOf(this.machine.session);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /**
   * Give the next event, when it is here.
   *
   * @throws RiverrunError What only the caller can settle, once: a refusal, a place that the log does not have.
   */
  async next(): Promise<IteratorResult<Event, undefined>> {
    if (this.given === this.ready.length && !(await this.fill())) return { done: true, value: undefined };
    const event = this.ready[this.given]!;
    this.given += 1;
    this.at = event.seq;
    return { done: false, value: event };
  }

  /**
   * Give all events that are here, or wait for the next ones; null at the end.
   *
   * @throws RiverrunError As `next`.
   */
  async batch(): Promise<readonly Event[] | null> {
    if (this.given === this.ready.length && !(await this.fill())) return null;
    const events = this.ready.slice(this.given);
    this.given = this.ready.length;
    this.at = events.at(-1)!.seq;
    return events;
  }

  /** Leave, as the end of a `for await` does that was left early. */
  async return(): Promise<IteratorResult<Event, undefined>> {
    this.detach();
    return { done: true, value: undefined };
  }

  /** Leave the log; idempotent. The run goes on; `cursor` says where to come back. */
  readonly detach = (): void => {
    this.ready = [];
    this.given = 0;
    const before = this.state;
    this.machine.leave();
    this.leaving.abort();
    this.release();
    if (before !== "ended") this.tell();
  };

  /** Leave because the page goes, and tell the server at once; whether that means anything the run's start said. */
  farewell(): void {
    if (this.state === "ended") return;
    const path = this.path.replace(/events$/, "leave");
    this.connect.farewell(path, { reader: this.reader }, JSON.stringify({ leaving: true }));
    this.detach();
  }

  /** Make the next events ready, or say that there are none any more. */
  private async fill(): Promise<boolean> {
    if (this.busy) {
      const what = "one subscription is asked twice at once for its next event";
      throw new RiverrunError("E3012", what, { where: this.path });
    }
    this.busy = true;
    try {
      this.ready = [];
      this.given = 0;
      while (this.ready.length === 0) {
        if (this.state === "ended") return this.end();
        await this.advance();
      }
      return true;
    } finally {
      this.busy = false;
    }
  }

  private async advance(): Promise<void> {
    const outcome = await this.act();
    if (this.state === "ended") {
      // The caller left while this waited.
      if (outcome instanceof Stream) outcome.close();
      return;
    }
    if (outcome instanceof Stream) this.stream = outcome;
    const told: Outcome = outcome instanceof Stream ? { kind: "stream" } : outcome;
    const before = this.state;
    this.ready = this.machine.report(told, this.connect.time.now(), this.dice());
    if (this.machine.action.do !== "read") this.release();
    if (this.state !== before || this.machine.action.delay > 0) this.tell();
  }

  private async act(): Promise<Stream | Outcome> {
    const { action, session, cursor } = this.machine;
    if (action.do === "read" && this.stream !== null) {
      return await this.stream.read(action.listen, session.pace.heartbeatInterval, this.around);
    }
    if (action.delay > 0) await this.pause(action.delay, session.close !== "busy");
    if (this.leaving.signal.aborted) return { kind: "closed", how: "network" };
    if (action.do === "poll") return await this.connect.poll(this.path, cursor, this.wants, this.leaving.signal);
    if (this.opened !== null) {
      const { opened } = this;
      this.opened = null;
      return opened;
    }
    return await this.connect.openStream(this.path, cursor, this.wants, this.leaving.signal);
  }

  /** Wait; a page that wakes ends the wait, unless it was the server that asked for it. */
  private async pause(seconds: number, short: boolean): Promise<void> {
    const { signal } = this.leaving;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        cancel();
        asleep();
        signal.removeEventListener("abort", done);
        resolve();
      };
      const cancel = this.connect.time.after(seconds, done);
      const asleep = short ? this.around.onWake(done) : () => undefined;
      signal.addEventListener("abort", done);
    });
  }

  private release(): void {
    this.stream?.close();
    this.opened?.close();
    this.stream = this.opened = null;
    if (this.state === "ended") this.outer?.removeEventListener("abort", this.detach);
  }

  private tell(): void {
    this.onChange?.({ state: this.state, close: this.close, delay: this.machine.action.delay });
  }

  private end(): false {
    if (this.told || QUIET.has(this.close)) return false;
    this.told = true;
    const { fault, session } = this.machine;
    const what = `the server was not heard for ${session.pace.patience} s`;
    throw fault ?? new ConnectionFault("E5002", what, { where: this.path });
  }
}

/** Say what the server is asked for beside a place (PROTOCOL.md §14 and §15). */
function wantsOf(options: AttachOptions): Wants {
  const { interval, maxBytes, adaptive = false } = options;
  return {
    reader: newKey(),
    ...(adaptive ? { adaptive: "1" } : {}),
    ...(interval === undefined ? {} : { interval: String(interval) }),
    ...(maxBytes === undefined ? {} : { max_bytes: String(maxBytes) }),
  };
}
