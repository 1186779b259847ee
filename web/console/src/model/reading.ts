// One run as the page looks at it: its events, the picture of the newest and the picture that is shown, and the truth
// about the connection.
//
// The client's live run holds the connection: one for all tabs, kept from visit to visit, and told in beats. A run that
// goes on, one that has ended and a file are read the same way; to play a log again is to fold its first events once
// more. Leaving never changes the run. It does not know React (use.ts) nor how anything is drawn.

import { AT_A_TIME, RiverrunError, breath, isTerminal, liveRun, type Client, type Event, type Json, type LiveRun, type View } from "riverrun";

import { Picture } from "./picture";
import { Lag, UNTOUCHED, changed, shown, type Standing, type Truth } from "./truth";

/** Milliseconds between two looks while there is much to take, and while there is very much: each look costs as well. */
const SHOWN = 100;
const CATCHING = 300;
/** So many events are very much. */
const FAR = 1_000;
/** So many events may wait to be taken: of those that the live run has let go of each would have to be fetched again. */
const WAITING = 4_000;

/** A moment that is being made ready to be shown. */
interface Ahead {
  readonly at: number;
  readonly picture: Picture;
}

/** A run that is looked at. */
export class Reading {
  /** All events that the log still has, in order. */
  readonly events: Event[] = [];
  /** The picture of all of them. */
  live = new Picture();
  /** The picture that is shown: the live one, or that of an earlier event. */
  shown: Picture = this.live;
  /** seq that is shown; null follows the newest. */
  at: number | null = null;
  truth: Truth = UNTOUCHED;
  /** Counts what was told. */
  version = 0;
  /** seq of the last event that is known to exist. */
  head = 0;
  /** Name of the graph, once known. */
  graph = "";
  /** Of a file: what it says. */
  text = "";
  private readonly source: LiveRun | null;
  private readonly listeners = new Set<() => void>();
  private readonly lag = new Lag();
  private leave: (() => void) | null = null;
  private left = false;
  private view: View | null = null;
  private connection: LiveRun["connection"] | null = null;
  private ahead: Ahead | null = null;
  private filling = false;
  private behind = false;
  private due: ReturnType<typeof setTimeout> | undefined;
  /** When it was told last, in ms. */
  private toldAt = Number.NEGATIVE_INFINITY;

  constructor(
    /** Where it is read; null for a file. */
    readonly client: Client | null,
    /** Id of the run. */
    readonly run: string,
  ) {
    this.source = client === null ? null : liveRun(client, run);
  }

  /** Play a file. */
  static of(events: readonly Event[], text: string): Reading {
    const reading = new Reading(null, events[0]!.run);
    for (const event of events) reading.take(event);
    reading.head = events.length;
    reading.text = text;
    reading.truth = { ...UNTOUCHED, standing: "stored" };
    return reading;
  }

  /** What the dot says. */
  get standing(): Standing {
    const parked = this.live.view.questions.size > 0;
    return shown(this.truth, { online: navigator.onLine, place: this.live.place, head: this.head, parked });
  }

  /** Why nothing more is kept of it for the next visit; empty where it is, or where nothing ever is. */
  get unkept(): string {
    const kept = this.connection?.kept;
    return kept?.where === "memory" && this.client?.shelf != null && this.floor === 0 ? kept.why : "";
  }

  /** Look at the run; what is returned ends it. */
  look(listener: () => void): () => void {
    const call = (): void => listener(); // the same function may look twice
    this.listeners.add(call);
    if (this.listeners.size === 1) this.begin();
    return () => {
      if (this.listeners.delete(call) && this.listeners.size === 0) this.end();
    };
  }

  /** Read on from where it was left. */
  attach(): void {
    this.left = false;
    this.begin();
    this.source?.again();
    this.pull();
  }

  /** Read all of it again: its log was replaced, or what stood before `floor` was removed. */
  async afresh(floor = 0): Promise<void> {
    await this.source?.afresh(floor);
  }

  /** seq before the first event: more than 0 where the beginning of the log was removed. */
  get floor(): number {
    return this.live.view.floor;
  }

  /** Give the event of a seq; null where it is not here. */
  event(seq: number): Event | null {
    return this.events[seq - 1 - this.floor] ?? null;
  }

  /** Leave the log; the run goes on. */
  detach(): void {
    this.left = true;
    this.stopLooking();
    this.truth = { ...this.truth, standing: "detached", close: "detached", lag: null };
    this.tell();
  }

  /** seq that is shown, or that is being made ready to be shown. */
  get aim(): number {
    return this.ahead?.at ?? this.at ?? this.live.place;
  }

  /**
   * Show the run as it was at an event; null, or the newest one, follows the newest. One to come is waited for. In a long
   * log it takes a while, in which the page goes on; who looks elsewhere meanwhile is led there instead.
   */
  seek(seq: number | null): void {
    const { place } = this.live;
    const at = seq === null || seq === place || (seq > place && this.live.view.ending !== null) ? null : Math.max(this.floor + 1, seq);
    if (at === null) {
      this.ahead = null;
      this.shown = this.live;
      this.at = null;
    } else {
      // Forwards it goes on from what is shown; backwards it begins anew.
      const onwards = this.shown !== this.live && this.shown.place <= at;
      this.ahead = { at, picture: onwards ? this.shown : new Picture(this.floor) };
      void this.fold(this.ahead);
    }
    if (at === null || this.ahead !== null) this.tell();
  }

  private async fold(ahead: Ahead): Promise<void> {
    while (!this.foldSome(ahead)) {
      await breath();
      if (this.ahead !== ahead) return;
    }
    this.ahead = null;
    this.shown = ahead.picture;
    this.at = ahead.at;
    this.tell();
  }

  /** Fold events for a while; gives whether it is there. */
  private foldSome({ at, picture }: Ahead): boolean {
    const over = performance.now() + AT_A_TIME;
    while (picture.place < Math.min(at, this.live.place)) {
      picture.apply(this.event(picture.place + 1)!);
      if (picture.place % 32 === 0 && performance.now() > over) return false;
    }
    return true;
  }

  /** Answer questions. */
  async answer(answers: Readonly<Record<string, Json>>): Promise<void> {
    await this.client?.run(this.run).resume(answers);
  }

  private begin(): void {
    if (this.source === null || this.leave !== null || this.left || this.listeners.size === 0) return;
    this.leave = this.source.look(this.pull);
    window.addEventListener("online", this.tell);
    window.addEventListener("offline", this.tell);
    void this.ask();
    this.pull();
  }

  private end(): void {
    this.stopLooking();
  }

  private stopLooking(): void {
    this.leave?.();
    this.leave = null;
    clearTimeout(this.due);
    this.due = undefined;
    window.removeEventListener("online", this.tell);
    window.removeEventListener("offline", this.tell);
  }

  private readonly tell = (): void => {
    clearTimeout(this.due);
    this.due = undefined;
    this.version += 1;
    this.toldAt = performance.now();
    for (const listener of [...this.listeners]) listener();
  };

  /** Take what the live run has and this has not. */
  private readonly pull = (): void => {
    const { source } = this;
    if (source === null || this.left) return;
    if (this.view !== null && this.view !== source.view) this.forget();
    this.view = source.view;
    const before = this.live.place;
    const silent = this.live.view.chunks === 0;
    if (before < source.dropped) void this.fill();
    else if (!this.takeSome(source)) this.goOn();
    this.connected(source.connection);
    if (this.live.place > before) this.arrived();
    this.show(silent && this.live.view.chunks > 0);
  };

  /** Tell what was taken, now or soon. */
  private show(first: boolean): void {
    const far = this.live.place + FAR < this.head;
    const wait = this.toldAt + (far ? CATCHING : this.behind ? SHOWN : 0) - performance.now();
    if (first || wait <= 0) this.tell();
    else this.due ??= setTimeout(this.tell, wait);
  }

  /** Take events for a while; gives whether that was all. */
  private takeSome({ dropped, events }: LiveRun): boolean {
    const over = performance.now() + AT_A_TIME;
    for (let index = this.live.place - dropped; index < events.length; index += 1) {
      this.take(events[index]!);
      const rest = events.length - index - 1;
      if (index % 32 === 0 && rest < WAITING && performance.now() > over) return rest === 0;
    }
    return true;
  }

  /** Go on once the page has had its turn. */
  private goOn(): void {
    if (this.behind) return;
    this.behind = true;
    void breath().then(() => {
      this.behind = false;
      this.pull();
    });
  }

  private forget(): void {
    this.events.length = 0;
    this.live = new Picture(this.source?.view.floor);
    this.shown = this.live;
    this.at = null;
    this.ahead = null;
    this.head = 0;
  }

  private connected(connection: LiveRun["connection"]): void {
    const before = this.connection;
    if (connection === before) return;
    this.connection = connection;
    const { state, delay, duty, fault, reconnects } = connection;
    // Another object may say the same.
    const again = before === null || state !== before.state || delay !== before.delay || connection.close !== before.close;
    if (again) this.truth = changed(this.truth, connection, reconnects);
    this.truth = { ...this.truth, duty, fault, reconnects, ...(fault === null ? {} : { standing: "refused" as const }) };
    if (state === "live" && before?.state !== "live") void this.ask();
  }

  /** Learn how much there is, to say how far it has caught up; without an answer nothing is said. */
  private async ask(): Promise<void> {
    try {
      const { head, graph } = await this.client!.run(this.run).info();
      this.graph = graph;
      this.head = Math.max(this.head, head);
      this.tell();
    } catch (error) {
      if (!(error instanceof RiverrunError)) throw error;
    }
  }

  /** Fetch what the live run no longer keeps: it keeps the newest events only. */
  private async fill(): Promise<void> {
    if (this.filling) return;
    this.filling = true;
    try {
      while (this.source !== null && this.live.place < this.source.dropped) {
        const page = await this.client!.run(this.run).page(this.live.place);
        if (page.events.length === 0 || page.log !== this.source.view.log) break;
        for (const event of page.events) this.take(event);
        this.tell();
      }
    } catch (error) {
      if (!(error instanceof RiverrunError)) throw error;
      this.truth = { ...this.truth, standing: "refused", fault: error };
    } finally {
      this.filling = false;
    }
    if (this.source !== null && this.live.place >= this.source.dropped) this.pull();
    else this.tell();
  }

  private take(event: Event): void {
    if (this.live.apply(event) !== "apply") return;
    this.events.push(event);
    if (event.type === "run.started") this.graph = event.graph;
    // A place that was asked for before it was here.
    if (this.at !== null && this.shown !== this.live && this.shown.place < this.at) this.shown.apply(event);
    if (this.at !== null && this.at > this.live.place && isTerminal(event)) this.seek(null);
  }

  private arrived(): void {
    const last = this.events.at(-1)!;
    // Of what was stored long ago nothing can be late.
    const fresh = this.live.place >= this.head && !isTerminal(last);
    this.truth = { ...this.truth, lag: fresh ? this.lag.take(last.ts, Date.now()) : null };
  }
}
