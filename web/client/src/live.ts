// One run as a whole page looks at it: one connection and one view, however many parts of the page show it.
//
// The first change is told at once, later ones in beats of 100 ms, and more slowly when the page cannot keep up. The
// connection lives as long as anybody looks, and a moment longer, so that a part that is taken away and put back in one
// breath (as React does in StrictMode) does not cost a connection. It knows neither React nor the DOM.

import type { Client } from "./client.js";
import { RiverrunError } from "./errors.js";
import type { Change, Subscription } from "./subscription.js";
import type { Duty } from "./tables.js";
import type { Event } from "./types.js";
import { View } from "./view.js";

/** Seconds between two beats. */
export const BEAT = 0.1;
const SLOWEST_BEAT = 1;
/** Seconds that a connection outlives the last who looked. */
const LINGER = 1;
/** So many events are kept for those who look at single events; of older ones only their number is. */
export const EVENTS_KEPT = 10_000;

/** Where the connection of a run is. */
export interface Connection extends Change {
  /** How often a stream was granted again after it was lost. */
  readonly reconnects: number;
  /** Once ended: `ask` when the user is to decide whether to go on. */
  readonly duty: Duty | null;
  /** What only the user can settle. */
  readonly fault: RiverrunError | null;
}

const IDLE: Connection = { state: "connecting", close: null, delay: 0, reconnects: 0, duty: null, fault: null };

/** A run that is looked at. */
export class LiveRun {
  /** What was made of the events so far. */
  readonly view = new View();
  /** Counts what was told; what was computed for one number stays good until the next. */
  version = 0;
  /** Where the connection is; another object after each change. */
  connection: Connection = IDLE;
  /** The newest events, oldest first. */
  readonly events: Event[] = [];
  private readonly listeners = new Set<() => void>();
  private subscription: Subscription | null = null;
  private cancelBeat: (() => void) | null = null;
  private cancelEnd: (() => void) | null = null;
  private told = Number.NEGATIVE_INFINITY;
  private beat = BEAT;
  private fresh = false;

  constructor(
    private readonly client: Client,
    /** Id of the run. */
    readonly run: string,
    private readonly onBusy: (busy: boolean) => void = () => undefined,
  ) {}

  /** How many events are no longer kept. */
  get dropped(): number {
    return this.view.place - this.events.length;
  }

  /** Look at the run; what is returned ends it. The first who looks opens the connection. */
  look(listener: () => void): () => void {
    const call = (): void => listener(); // the same function may look twice
    this.listeners.add(call);
    this.cancelEnd?.();
    this.cancelEnd = null;
    if (this.listeners.size === 1) this.onBusy(true);
    if (this.subscription === null && this.connection.state !== "ended") void this.read();
    return () => {
      if (this.listeners.delete(call) && this.listeners.size === 0) {
        this.cancelEnd = this.client.time.after(LINGER, () => this.end());
      }
    };
  }

  /** Go on after an ending that asked the user: read again from the same place. */
  again(): void {
    if (this.subscription === null && this.view.ending === null) void this.read();
  }

  /** Ask the server to stop the run. Leaving is something else, and stops nothing. */
  async stop(reason = ""): Promise<void> {
    await this.client.run(this.run).stop(reason);
  }

  private async read(): Promise<void> {
    const subscription = this.attach();
    if (subscription === null) return;
    let fault: RiverrunError | null = null;
    try {
      for (let events = await subscription.batch(); events !== null; events = await subscription.batch()) {
        this.take(events);
      }
    } catch (error) {
      if (!(error instanceof RiverrunError)) throw error;
      fault = error;
      subscription.detach();
    }
    if (this.subscription !== subscription) return;
    this.subscription = null;
    const { close, duty } = subscription;
    // Events that the view cannot take are not allowed by the protocol, however well they arrived.
    const broken = fault?.code === "E5004" ? ({ close: "refused", duty: "never" } as const) : { close, duty };
    this.connection = { state: "ended", ...broken, delay: 0, reconnects: subscription.reconnects, fault };
    this.touch();
  }

  private attach(): Subscription | null {
    const { log, place } = this.view;
    const onChange = (change: Change): void => {
      const { subscription } = this;
      if (subscription === null) return;
      this.connection = { ...change, reconnects: subscription.reconnects, duty: subscription.duty, fault: null };
      this.touch();
    };
    try {
      this.subscription = this.client.run(this.run).attach(log === "" ? place : `${log}.${place}`, { onChange });
    } catch (error) {
      if (!(error instanceof RiverrunError)) throw error;
      this.connection = { ...IDLE, state: "ended", close: "refused", duty: "never", fault: error };
      this.touch();
      return null;
    }
    this.connection = IDLE;
    this.touch();
    return this.subscription;
  }

  private take(events: readonly Event[]): void {
    for (const event of events) {
      this.view.apply(event);
      this.events.push(event);
    }
    // Cut in lumps, because each cut moves the whole array.
    if (this.events.length > EVENTS_KEPT * 1.1) this.events.splice(0, this.events.length - EVENTS_KEPT);
    this.touch();
  }

  private touch(): void {
    this.fresh = true;
    if (this.cancelBeat !== null) return;
    const wait = this.told + this.beat - this.client.time.now();
    if (wait <= 0) this.tell();
    else this.tellAfter(wait);
  }

  private tellAfter(wait: number): void {
    const due = this.client.time.now() + wait;
    this.cancelBeat = this.client.time.after(wait, () => {
      this.cancelBeat = null;
      // A beat that comes late says that the page is busy: it is given twice as long as it was late.
      this.beat = Math.min(SLOWEST_BEAT, Math.max(BEAT, 2 * (this.client.time.now() - due)));
      if (this.fresh) this.tell();
    });
  }

  private tell(): void {
    this.fresh = false;
    this.told = this.client.time.now();
    this.version += 1;
    for (const listener of [...this.listeners]) listener();
  }

  private end(): void {
    this.cancelEnd = null;
    this.cancelBeat?.();
    this.cancelBeat = null;
    const { subscription } = this;
    this.subscription = null;
    subscription?.detach();
    if (this.fresh) this.tell();
    this.onBusy(false);
  }
}

interface LiveRuns {
  /** Those that somebody looks at. */
  readonly busy: Map<string, LiveRun>;
  /** Those that were asked for and that nobody looks at yet, or any more. */
  readonly idle: Map<string, WeakRef<LiveRun>>;
}

const LIVE_RUNS = new WeakMap<Client, LiveRuns>();

/** Give the one live run of an id; it opens no connection before somebody looks. */
export function liveRun(client: Client, run: string): LiveRun {
  const runs = LIVE_RUNS.get(client) ?? { busy: new Map<string, LiveRun>(), idle: new Map<string, WeakRef<LiveRun>>() };
  LIVE_RUNS.set(client, runs);
  const known = runs.busy.get(run) ?? runs.idle.get(run)?.deref();
  if (known !== undefined) return known;
  const live: LiveRun = new LiveRun(client, run, (busy) => {
    runs.busy.delete(run);
    if (busy) runs.busy.set(run, live);
    else runs.idle.set(run, new WeakRef(live));
  });
  for (const [other, reference] of runs.idle) if (reference.deref() === undefined) runs.idle.delete(other);
  runs.idle.set(run, new WeakRef(live));
  return live;
}
