// Several tabs that look at one run: one of them, the lead, holds the connection, and tells the others what it reads.
//
// * Each tab keeps its own place and applies an event only if its seq is place + 1, so whatever is said twice, late or
//   by two leads at once is harmless, and a new lead goes on from its own place without loss.
// * A tab that misses events asks the lead for them, or the server where the lead no longer has them.
// * A tab that is looked at does not depend on one that is hidden (whose watchdog sleeps) or silent: it takes the lead.
// * Whatever cannot be agreed on ends in a connection of its own.
//
// It does not know fetch, React, or what an event means.

import type { EventPage } from "./decode.js";
import { isTerminal } from "./decode.js";
import { RiverrunError } from "./errors.js";
import type { Lead, Stand } from "./lead.js";
import { endingOf } from "./session.js";
import type { Change, Subscription } from "./subscription.js";
import type { Surroundings } from "./surroundings.js";
import { RUN_DUTIES, type Close, type Duty } from "./tables.js";
import type { Time } from "./time.js";
import type { Event } from "./types.js";

/** Seconds between two looks after the lead, while this tab is looked at. */
const LOOK = 5;
/** So many events are said at once. */
const LUMP = 2_000;
/** Seconds before the same is asked for again. */
const AGAIN = 0.5;
/** So many may wait to be applied here; what is beyond is asked for again. */
const INBOX_LIMIT = 50_000;

/** What a live run reads from: a connection of its own, or other tabs. */
export interface Reading {
  batch(): Promise<readonly Event[] | null>;
  detach(): void;
  farewell(): void;
  readonly close: Close | null;
  readonly duty: Duty | null;
  readonly reconnects: number;
}

/** Where the connection of the lead is, as far as another tab needs to know. */
export interface Told extends Change {
  readonly reconnects: number;
}

/** What a tab is given. */
export interface TabOptions {
  /** Of the channel: names the server, the run and who reads. */
  readonly name: string;
  /** Id of this tab. */
  readonly id: string;
  readonly place: number;
  readonly log: string | null;
  readonly stand: Stand;
  readonly around: Surroundings;
  readonly time: Time;
  readonly dice: () => number;
  /** Open a connection at a place. */
  readonly open: (after: string, onChange: (change: Change) => void) => Subscription;
  /** Ask the server for what it has after a place. */
  readonly page: (after: string) => Promise<EventPage>;
  /** Give what is kept of the events after a place, or null where some of them are not. */
  readonly since: (place: number) => readonly Event[] | null;
  /** Told where the connection is, whoever holds it. */
  readonly onTold: (told: Told, shared: boolean) => void;
}

type Note =
  | { readonly say: "want"; readonly place: number }
  | { readonly say: "here"; readonly hidden: boolean; readonly place: number; readonly log: string | null; readonly told: Told }
  | { readonly say: "events"; readonly to?: string; readonly log: string | null; readonly events: readonly Event[] }
  | { readonly say: "ask the server"; readonly to: string; readonly log: string | null }
  | { readonly say: "take" }
  | { readonly say: "bye"; readonly led: boolean };

type Letter = Note & { readonly from: string };

/** One of the tabs. */
export class Tab implements Reading {
  close: Close | null = null;
  duty: Duty | null = null;
  private readonly channel: BroadcastChannel;
  private readonly lead: Lead;
  private place: number;
  private log: string | null;
  private mode: "following" | "leading" | "alone" | "over" = "following";
  private subscription: Subscription | null = null;
  private told: Told = { state: "connecting", close: null, delay: 0, reconnects: 0 };
  private readonly inbox = new Inbox();
  private asking = false;
  private signal: () => void = () => undefined;
  private led = 0; // since when
  private wanted = { place: -1, at: 0 };
  private readonly others = new Set<string>(); // of whom this tab has heard
  private known = ""; // who leads, as far as this tab was told
  private cancelLook: (() => void) | null = null;
  private readonly ends: readonly (() => void)[];

  constructor(private readonly given: TabOptions) {
    this.place = given.place;
    this.log = given.log;
    this.channel = new BroadcastChannel(given.name);
    this.channel.onmessage = ({ data }: MessageEvent<Letter>) => this.hear(data);
    this.lead = given.stand({ won: () => this.won(), lost: () => this.lost() });
    const hidden = given.around.onHide?.(() => this.mode === "leading" && this.here());
    this.ends = [given.around.onWake(() => this.look()), hidden ?? (() => undefined)];
    this.look();
  }

  get reconnects(): number {
    return this.told.reconnects;
  }

  /** As of a subscription: what the next events are, whoever reads them. */
  async batch(): Promise<readonly Event[] | null> {
    for (;;) {
      if (this.mode === "over") return null;
      const { subscription } = this;
      const events = subscription === null ? this.received() : await this.read(subscription);
      if (events === "over") return null;
      if (events.length > 0) return this.gone(events);
      if (this.subscription === null) await this.news();
    }
  }

  /** Leave: another tab may lead. */
  detach(): void {
    this.over("detached", "never");
  }

  /** Leave because the page goes. The server is told only where no other tab goes on. */
  farewell(): void {
    if (this.mode === "alone" || (this.mode === "leading" && this.others.size === 0)) this.subscription?.farewell();
    this.detach();
  }

  private async read(subscription: Subscription): Promise<readonly Event[] | "over"> {
    let events: readonly Event[] | null;
    try {
      events = await subscription.batch();
    } catch (error) {
      if (this.subscription !== subscription) return []; // the lead was lost meanwhile, and with it what went wrong
      this.over(subscription.close, subscription.duty);
      throw error;
    }
    this.log = subscription.log ?? this.log;
    if (events === null) {
      if (this.subscription !== subscription) return [];
      this.over(subscription.close, subscription.duty);
      return "over";
    }
    const fresh = events.filter((event) => event.seq > this.place);
    // To copy each event for nobody takes as long as to read it.
    if (this.mode === "leading" && this.others.size > 0) this.say({ say: "events", log: this.log, events: fresh });
    return fresh;
  }

  /** What others said that continues; the rest is asked for. */
  private received(): readonly Event[] {
    const { fresh, gap } = this.inbox.take(this.place);
    if (gap) this.want();
    return fresh;
  }

  private gone(events: readonly Event[]): readonly Event[] {
    const last = events.at(-1)!;
    this.place = last.seq;
    // A tab that led says the end itself; the others know it by the terminal event.
    if (isTerminal(last) && this.subscription === null) this.over("ended", RUN_DUTIES[endingOf(last)]);
    return events;
  }

  private async news(): Promise<void> {
    if (this.mode === "over" || !this.inbox.empty) return;
    await new Promise<void>((resolve) => (this.signal = resolve));
  }

  private won(): void {
    if (this.mode !== "following") return;
    this.mode = "leading";
    this.led = this.given.time.now();
    this.cancelLook?.();
    this.connect();
    this.here();
  }

  private lost(): void {
    if (this.mode !== "leading") return;
    this.mode = "following";
    this.subscription?.detach();
    this.subscription = null;
    this.signal();
    this.look();
  }

  /** Read for oneself: the tabs do not agree, or the channel fails. */
  private alone(): void {
    if (this.mode === "over" || this.mode === "alone") return;
    this.mode = "alone";
    this.lead.leave();
    this.cancelLook?.();
    if (this.subscription === null) this.connect();
  }

  private connect(): void {
    const subscription = this.given.open(cursor(this.log, this.place), (change) => {
      // That it ended each tab finds out for itself: by the terminal event, or by asking the server.
      if (this.subscription !== subscription || change.state === "ended") return;
      this.told = { ...change, reconnects: subscription.reconnects };
      this.given.onTold(this.told, false);
      if (this.mode === "leading") this.here();
    });
    this.subscription = subscription;
    this.told = { state: subscription.state, close: subscription.close, delay: 0, reconnects: 0 };
    this.given.onTold(this.told, false);
    this.signal();
  }

  private over(close: Close | null, duty: Duty | null): void {
    if (this.mode === "over") return;
    const { mode } = this;
    this.mode = "over";
    this.close = close;
    this.duty = duty;
    this.subscription?.detach();
    if (mode !== "alone") this.say({ say: "bye", led: mode === "leading" });
    this.lead.leave();
    for (const end of [...this.ends, this.cancelLook]) end?.();
    this.channel.close();
    this.signal();
  }

  private say(note: Note): void {
    this.channel.postMessage({ ...note, from: this.given.id } satisfies Letter);
  }

  private here(): void {
    const { place, log, told } = this;
    this.say({ say: "here", hidden: this.given.around.hidden(), place, log, told });
  }

  /** Look after the lead, now and from time to time; one that does not answer is gone. */
  private look(): void {
    if (this.mode !== "following") return;
    this.want(true);
    if (this.given.around.hidden()) {
      this.later(LOOK, () => this.look());
      return;
    }
    // Not all at the same moment: the first who takes it answers the others.
    const patience = this.lead.patience * (1 + this.given.dice() / 2);
    this.later(patience, () => this.take());
  }

  private later(seconds: number, call: () => void): void {
    this.cancelLook?.();
    this.cancelLook = this.given.time.after(seconds, call);
  }

  private take(): void {
    if (this.mode !== "following") return;
    this.say({ say: "take" });
    this.lead.take();
  }

  private want(anyway = false): void {
    const at = this.given.time.now();
    if (this.mode !== "following" || this.asking) return;
    if (!anyway && this.wanted.place === this.place && at - this.wanted.at < AGAIN) {
      // The answer may be on its way; if not, it is looked after soon.
      this.later(AGAIN, () => this.look());
      return;
    }
    this.wanted = { place: this.place, at };
    this.say({ say: "want", place: this.place });
  }

  private hear(letter: Letter): void {
    if (this.mode === "over" || this.mode === "alone") return;
    this.others.add(letter.from);
    switch (letter.say) {
      case "want":
        if (this.mode === "leading") this.answer(letter.from, letter.place);
        return;
      case "here":
        this.met(letter);
        return;
      case "events":
        if (letter.to === undefined || letter.to === this.given.id) this.takeIn(letter.log, letter.events);
        return;
      case "ask the server":
        if (letter.to === this.given.id && this.agrees(letter.log)) void this.catchUp();
        return;
      case "take":
        this.contested(letter.from);
        return;
      case "bye":
        this.others.delete(letter.from);
        if (this.mode !== "following" || !letter.led) return;
        this.later(0.1 * this.given.dice(), () => this.look());
    }
  }

  /** Another tab takes the lead. Of two that do so at once one keeps it, or they would go on for ever. */
  private contested(by: string): void {
    if (this.mode !== "leading") return;
    const fresh = this.given.time.now() - this.led < AGAIN;
    if (!this.lead.sure && fresh && this.given.id < by) {
      this.here();
      return;
    }
    this.lead.yield();
    this.lost();
  }

  /** Another tab leads. */
  private met(letter: Letter & { readonly say: "here" }): void {
    if (this.mode === "leading") {
      // Two lead at once: the smaller id goes on.
      if (!this.lead.sure && letter.from < this.given.id) {
        this.lead.yield();
        this.lost();
      } else if (!this.lead.sure) {
        this.here();
      }
      return;
    }
    if (!this.agrees(letter.log)) return;
    // A lead says events only where it knows of somebody, and a new one may not know of this tab.
    const met = this.known === letter.from || this.given.time.now() - this.wanted.at < AGAIN;
    this.known = letter.from;
    if (letter.hidden && !this.given.around.hidden()) {
      this.later(0.2 * this.given.dice(), () => this.take());
      return;
    }
    this.later(LOOK, () => this.look());
    this.told = letter.told;
    this.given.onTold(letter.told, true);
    if (!met || (letter.place > this.place && this.inbox.empty)) this.want(!met);
  }

  private answer(to: string, place: number): void {
    const events = place < this.place ? this.given.since(place) : [];
    if (events === null) this.say({ say: "ask the server", to, log: this.log });
    for (const lump of lumps(events ?? [])) this.say({ say: "events", to, log: this.log, events: lump });
    // At the end, because who hears of a place that it does not have asks again.
    this.here();
  }

  private takeIn(log: string | null, events: readonly Event[]): void {
    if (this.mode !== "following" || !this.agrees(log)) return;
    if (this.inbox.put(events)) this.signal();
  }

  /** Whether the others read the same log; if not, this tab reads for itself, and is told by the server what is wrong. */
  private agrees(log: string | null): boolean {
    if (log === null || this.log === null || log === this.log) {
      this.log ??= log;
      return true;
    }
    this.alone();
    return false;
  }

  /** Read from the server what the lead no longer has. */
  private async catchUp(): Promise<void> {
    if (this.asking) return;
    this.asking = true;
    try {
      await readOn(this.given.page, this.log, this.place, ({ log, events }) => {
        this.takeIn(log, events);
        return this.mode === "following";
      });
    } catch (error) {
      if (!(error instanceof RiverrunError)) throw error;
      this.alone();
      return;
    } finally {
      this.asking = false;
    }
    this.want();
  }
}

/** What others said and was not applied yet; bounded. */
class Inbox {
  private events: Event[] = [];

  get empty(): boolean {
    return this.events.length === 0;
  }

  /** Take events in, unless there is no room: then they are missed, and asked for again. */
  put(events: readonly Event[]): boolean {
    if (this.events.length + events.length > INBOX_LIMIT) return false;
    for (const event of events) this.events.push(event);
    return true;
  }

  /** Give what continues after a place, and say whether something is missing before the rest, which is dropped. */
  take(place: number): { readonly fresh: readonly Event[]; readonly gap: boolean } {
    const fresh: Event[] = [];
    const events = this.events;
    this.events = [];
    for (const event of events) {
      const next = place + fresh.length + 1;
      if (event.seq > next) return { fresh, gap: true };
      if (event.seq === next) fresh.push(event);
    }
    return { fresh, gap: false };
  }
}

/** Read pages up to the head. */
async function readOn(
  page: (after: string) => Promise<EventPage>,
  log: string | null,
  place: number,
  take: (page: EventPage) => boolean,
): Promise<void> {
  for (let at = place; ; ) {
    const got = await page(cursor(log, at));
    if (!take(got)) return;
    at = got.events.at(-1)?.seq ?? at;
    if (got.events.length === 0 || at >= got.head) return;
  }
}

function* lumps(events: readonly Event[]): Generator<readonly Event[]> {
  for (let at = 0; at < events.length; at += LUMP) yield events.slice(at, at + LUMP);
}

function cursor(log: string | null, place: number): string {
  return log === null ? String(place) : `${log}.${place}`;
}
