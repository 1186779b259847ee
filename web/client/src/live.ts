// One run as a whole browser looks at it: one connection and one view, however many parts of however many pages show it.
//
// What is read is shown in beats (beat.ts), kept in the browser's storage (keeping.ts) and shared with other tabs
// (tabs.ts). The connection lives as long as anybody looks, and a moment longer, so that a part that is taken away and
// put back in one breath (as React does in StrictMode) does not cost a connection. It knows neither React nor the DOM.

import { Beat } from "./beat.js";
import { AT_A_TIME, breath } from "./breath.js";
import type { Client } from "./client.js";
import { RiverrunError } from "./errors.js";
import { Keeping, type Kept } from "./keeping.js";
import type { Change } from "./subscription.js";
import { RUN_DUTIES, type Duty } from "./tables.js";
import { Tab, type Reading } from "./tabs.js";
import type { Event } from "./types.js";
import { View } from "./view.js";

export { BEAT } from "./beat.js";
/** Seconds that a connection outlives the last who looked. */
const LINGER = 1;
/** So many events are kept for those who look at single events; of older ones only their number is. */
export const EVENTS_KEPT = 10_000;
/** Those that were not told yet are kept beyond that, up to so many. */
const EVENTS_MOST = 100_000;

/** Where the connection of a run is. */
export interface Connection extends Change {
  /** How often a stream was granted again after it was lost. */
  readonly reconnects: number;
  /** Once ended: `ask` when the user is to decide whether to go on. */
  readonly duty: Duty | null;
  /** What only the user can settle. */
  readonly fault: RiverrunError | null;
  /** Whether another tab holds the connection. */
  readonly shared: boolean;
  /** Whether what is read outlives the page. */
  readonly kept: Kept;
}

const UNKEPT: Kept = { where: "memory", why: "nothing is kept for this reader" };
const TRIMMED: Kept = { where: "memory", why: "the beginning of the log is no longer there" };
const IDLE = { state: "connecting", close: null, delay: 0, reconnects: 0, duty: null, fault: null } as const;

/** A run that is looked at. */
export class LiveRun {
  /** What was made of the events so far; another object after `afresh`. */
  view = new View();
  /** Counts what was told; what was computed for one number stays good until the next. */
  version = 0;
  /** Where the connection is; another object after each change. */
  connection: Connection;
  /** The newest events, oldest first. */
  readonly events: Event[] = [];
  private readonly listeners = new Set<() => void>();
  private readonly beat: Beat;
  private readonly keeping: Keeping | null;
  private restored = false;
  private reading: Reading | null = null;
  /** Counts the times that reading was begun or given up; null while nothing is read. */
  private turn: number | null = null;
  private turns = 0;
  private cancelEnd: (() => void) | null = null;
  private unwatch: (() => void) | null = null;
  private away = false;

  constructor(
    private readonly client: Client,
    /** Id of the run. */
    readonly run: string,
    private readonly onBusy: (busy: boolean) => void = () => undefined,
  ) {
    this.beat = new Beat(client.time, () => this.tell());
    const { shelf } = client;
    this.keeping = shelf && new Keeping(shelf, run, client.time, () => this.say({ ...this.connection }));
    this.connection = { ...IDLE, shared: false, kept: this.keeping?.kept ?? UNKEPT };
  }

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
    this.unwatch ??= this.watch();
    if (this.turn === null && this.connection.state !== "ended") void this.read();
    return () => {
      if (this.listeners.delete(call) && this.listeners.size === 0) {
        this.cancelEnd = this.client.time.after(LINGER, () => this.end());
      }
    };
  }

  /** Go on after an ending that asked the user: read again from the same place. */
  again(): void {
    if (this.turn === null && this.view.ending === null) void this.read();
  }

  /**
   * Read all of it again from the server: the way on where what is here belongs to a log that was replaced.
   *
   * @param floor Where the log begins that is left, if it was trimmed (`floor` of the fault E4007); nothing is kept then.
   */
  async afresh(floor = 0): Promise<void> {
    this.giveUp()?.detach();
    this.view = new View(floor);
    this.restored ||= floor > 0;
    this.events.length = 0;
    await this.keeping?.forget();
    if (this.turn === null && this.listeners.size > 0) await this.read();
  }

  /** Ask the server to stop the run. Leaving is something else, and stops nothing. */
  async stop(reason = ""): Promise<void> {
    await this.client.run(this.run).stop(reason);
  }

  private async read(): Promise<void> {
    const turn = (this.turns += 1);
    this.turn = turn;
    this.say(IDLE);
    if (this.keeping !== null && !this.restored) await this.restore(this.keeping);
    if (this.turn !== turn) return;
    if (this.view.ending !== null) {
      this.turn = null;
      this.say({ ...IDLE, state: "ended", close: "ended", duty: RUN_DUTIES[this.view.ending] });
      return;
    }
    const reading = this.attach();
    if (reading === null) return;
    let fault: RiverrunError | null = null;
    const { time } = this.client;
    let began = time.now();
    try {
      for (let events = await reading.batch(); events !== null; events = await reading.batch()) {
        if (this.reading === reading) this.take(events);
        if (time.now() - began < AT_A_TIME / 1000) continue;
        await breath();
        began = time.now();
      }
    } catch (error) {
      if (!(error instanceof RiverrunError)) throw error;
      fault = error;
      reading.detach();
    }
    if (this.reading !== reading) return;
    this.reading = this.turn = null;
    const { close, duty, reconnects } = reading;
    // Events that the view cannot take are not allowed by the protocol, however well they arrived.
    const broken = fault?.code === "E5004" ? ({ close: "refused", duty: "never" } as const) : { close, duty };
    this.keeping?.flush(this.view.log);
    this.say({ ...IDLE, state: "ended", ...broken, reconnects, fault });
  }

  /** Take what was kept on an earlier visit. */
  private async restore(keeping: Keeping): Promise<void> {
    const events = await keeping.restore();
    if (this.restored) return;
    this.restored = true;
    try {
      this.apply(events);
    } catch (error) {
      if (!(error instanceof RiverrunError)) throw error;
      this.view = new View();
      this.events.length = 0;
      await keeping.forget();
    }
    if (events.length > 0) this.beat.touch();
  }

  private attach(): Reading | null {
    try {
      const { log, place } = this.view;
      this.reading = this.client.sharing === null ? this.own() : this.shared(log === "" ? null : log, place);
    } catch (error) {
      if (!(error instanceof RiverrunError)) throw error;
      this.turn = null;
      this.say({ ...IDLE, state: "ended", close: "refused", duty: "never", fault: error });
      return null;
    }
    return this.reading;
  }

  /** A connection of its own. */
  private own(): Reading {
    const { log, place } = this.view;
    const onChange = (change: Change): void => {
      // The end is told once what came before it is applied.
      if (this.reading !== subscription || change.state === "ended") return;
      const { reconnects, duty } = subscription;
      this.say({ ...IDLE, ...change, reconnects, duty });
    };
    const after = log === "" ? place : `${log}.${place}`;
    const subscription = this.client.run(this.run).attach(after, { onChange, adaptive: true });
    return subscription;
  }

  /** One connection for all tabs. */
  private shared(log: string | null, place: number): Reading {
    const run = this.client.run(this.run);
    const { time, surroundings: around, dice } = this.client;
    return new Tab({
      ...this.client.sharing!(this.run),
      place,
      log,
      around,
      time,
      dice,
      open: (after, onChange) => run.attach(after, { onChange, adaptive: true }),
      page: (after) => run.page(after),
      since: (seq) => (seq < this.dropped ? null : this.events.slice(seq - this.dropped)),
      onTold: (told, shared) => this.say({ ...IDLE, ...told, shared }),
    });
  }

  private take(events: readonly Event[]): void {
    const silent = this.view.chunks === 0;
    this.apply(events);
    if (this.view.floor === 0) this.keeping?.take(events, this.view.log);
    this.beat.touch();
    // The first that is said is what everybody waits for.
    if (silent && this.view.chunks > 0 && !this.client.surroundings.hidden()) this.beat.flush();
  }

  private apply(events: readonly Event[]): void {
    for (const event of events) {
      this.view.apply(event);
      this.events.push(event);
    }
    this.cut(EVENTS_MOST);
  }

  /** Let go of old events where there are more than so many; in lumps, because each cut moves the whole array. */
  private cut(most: number): void {
    if (this.events.length > most * 1.1) this.events.splice(0, this.events.length - most);
  }

  /** Tell where the connection is. */
  private say(connection: Omit<Connection, "shared" | "kept"> & { readonly shared?: boolean }): void {
    const kept = this.view.floor > 0 ? TRIMMED : (this.keeping?.kept ?? UNKEPT);
    this.connection = { shared: false, ...connection, kept };
    this.beat.touch();
  }

  private tell(): void {
    this.version += 1;
    for (const listener of [...this.listeners]) listener();
    this.cut(EVENTS_KEPT);
  }

  /** See to the page: what is hidden may never be shown again. */
  private watch(): () => void {
    const { surroundings } = this.client;
    const asleep = surroundings.onWake(() => {
      this.beat.flush();
      if (this.away) void this.read();
      this.away = false;
    });
    const unhide = surroundings.onHide?.((left) => {
      this.keeping?.flush(this.view.log);
      if (!left || this.turn === null) return;
      // It may come back from the cache of the browser, and reads on then.
      this.away = true;
      this.giveUp()?.farewell();
    });
    return () => {
      asleep();
      unhide?.();
    };
  }

  /** Read no more, and hand over what was read from. */
  private giveUp(): Reading | null {
    const { reading } = this;
    this.reading = this.turn = null;
    return reading;
  }

  private end(): void {
    this.cancelEnd = null;
    this.giveUp()?.detach();
    this.away = false;
    this.unwatch?.();
    this.unwatch = null;
    this.keeping?.flush(this.view.log);
    this.beat.flush();
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
