// One reader's place on a log far away: an iterator of events that heals its connection by itself.
//
// It does what the reader says and tells the reader what happened; it decides nothing. Bytes are read only when the
// caller asks for the next event, so a slow caller is felt by the server, not by memory here.

import { Stream, type Connect } from "./connect.js";
import { ConnectionFault, RiverrunError } from "./errors.js";
import { Reader, type Outcome } from "./reader.js";
import { dutyOf, reconnectsOf } from "./session.js";
import { page, type Surroundings } from "./surroundings.js";
import type { Close, Duty, Ending, Pace, State } from "./tables.js";
import { systemDice } from "./time.js";
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
}

/** Read the events of a run: each once, in order, until its terminal event. Leaving never changes the run. */
export class Subscription implements AsyncIterableIterator<Event, undefined> {
  private readonly reader: Reader;
  private readonly leaving = new AbortController();
  private readonly around: Surroundings;
  private readonly dice: () => number;
  private readonly onChange: ((change: Change) => void) | undefined;
  private readonly outer: AbortSignal | undefined;
  private ready: readonly Event[] = [];
  private given = 0; // how many of `ready` the caller has
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
  ) {
    this.reader = new Reader(place, log, options.pace);
    this.at = place;
    this.around = options.surroundings ?? page();
    this.dice = options.dice ?? systemDice;
    this.onChange = options.onChange;
    this.outer = options.signal;
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

  /** Id of the log, once known. */
  get log(): string | null {
    return this.reader.session.log;
  }

  /** Where the connection is; it may be ahead of `place` by events that are here already. */
  get state(): State {
    return this.reader.session.state;
  }

  /** How often a stream was granted again after it was lost. */
  get reconnects(): number {
    return reconnectsOf(this.reader.session);
  }

  /** How the last connection ended: `detached` when the reader left, `network` when it was cut, and so on. */
  get close(): Close | null {
    return this.reader.session.close;
  }

  /** How the run ended, once its terminal event is here: `stopped` when a user ended it, `timed_out`, and so on. */
  get ending(): Ending | null {
    return this.reader.session.ending;
  }

  /** Once ended: `ask` when the user is to decide whether to go on, `never` when the matter is closed. */
  get duty(): Duty | null {
    return dutyOf(this.reader.session);
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
    this.reader.leave();
    this.leaving.abort();
    this.release();
    if (before !== "ended") this.tell();
  };

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
    this.ready = this.reader.report(told, this.connect.time.now(), this.dice());
    if (this.reader.action.do !== "read") this.release();
    if (this.state !== before || this.reader.action.delay > 0) this.tell();
  }

  private async act(): Promise<Stream | Outcome> {
    const { action, session, cursor } = this.reader;
    if (action.do === "read" && this.stream !== null) {
      return await this.stream.read(action.listen, session.pace.heartbeatInterval, this.around);
    }
    if (action.delay > 0) await this.pause(action.delay, session.close !== "busy");
    if (this.leaving.signal.aborted) return { kind: "closed", how: "network" };
    if (action.do === "poll") return await this.connect.poll(this.path, cursor, this.leaving.signal);
    return await this.connect.openStream(this.path, cursor, this.leaving.signal);
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
    this.stream = null;
    if (this.state === "ended") this.outer?.removeEventListener("abort", this.detach);
  }

  private tell(): void {
    this.onChange?.({ state: this.state, close: this.close, delay: this.reader.action.delay });
  }

  private end(): false {
    if (this.told || this.close === "ended" || this.close === "detached") return false;
    this.told = true;
    const { fault, session } = this.reader;
    const what = `the server was not heard for ${session.pace.patience} s`;
    throw fault ?? new ConnectionFault("E5002", what, { where: this.path });
  }
}
