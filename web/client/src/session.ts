// The reconnect machine: what a reader of one run does next, whatever the network does (PROTOCOL.md §3 and §8).
//
// The same machine as src/riverrun/client/session.py; the cases of conformance/ hold both to it.
// * A session never changes: a move gives a new one, an action for the shell, and the events that may be applied.
// * The events that all steps of a session give, put together, are 1, 2, 3 … from its first place, whatever arrives.
// * A move that the table does not allow throws, and changes nothing.
// It is told the time and given its randomness. It does not know fetch, pages, timers, or what an event means.

import { isTerminal } from "./decode.js";
import { RiverrunError } from "./errors.js";
import {
  CLOSE_DUTIES,
  MOVES,
  PACE,
  RUN_DUTIES,
  type Close,
  type Do,
  type Duty,
  type Ending,
  type Move,
  type Pace,
  type State,
} from "./tables.js";
import type { Event } from "./types.js";

/** What the shell does next; it closes an open stream before anything but `read`. */
export interface Action {
  /** `connect`: ask for a stream; `poll`: ask for one page; `read`: from the open stream; `end`: close what is open. */
  readonly do: Do;
  /** Seconds to wait before `connect` or `poll`. */
  readonly delay: number;
  /** Seconds without a byte after which the stream is silent. */
  readonly listen: number;
}

/** One reader's dealings with one run. */
export interface Session {
  readonly pace: Pace;
  /** seq of the last event that was given out. */
  readonly place: number;
  /** Id of the log, once known; the cursor names it, so that another log is never taken for it. */
  readonly log: string | null;
  readonly state: State;
  /** How many streams were granted. */
  readonly opens: number;
  /** How the last connection ended; once `ended`, why. */
  readonly close: Close | null;
  /** How the run ended, once its terminal event was given out. */
  readonly ending: Ending | null;
  /** Since the server was last heard. */
  readonly tries: number;
  /** Barren streams in a row. */
  readonly barren: number;
  /** An event that was applied or a heartbeat, on this stream; in `polling`: whether a poll succeeded. */
  readonly heard: boolean;
  /** Any byte, on this stream. */
  readonly touched: boolean;
  /** When this stream was opened, or polling first succeeded. */
  readonly since: number;
  /** When the poll that is under way was due. */
  readonly asked: number;
  /** When contact was lost; null while there is contact. */
  readonly lost: number | null;
}

/** The outcome of a move: the session after it, what to do now, and which events to apply first. */
export interface Step {
  readonly session: Session;
  readonly action: Action;
  readonly events: readonly Event[];
}

/** What came out of a stream with some bytes; nothing whole is fine, too. */
export interface Received {
  readonly events: readonly Event[];
  readonly heartbeats?: number;
  /** Id of the log that the stream named last. */
  readonly log?: string | null;
}

/** Begin; the first action is to connect. */
export function begin(place = 0, log: string | null = null, pace: Partial<Pace> = {}): Step {
  const session: Session = {
    pace: { ...PACE, ...pace },
    place,
    log,
    state: "connecting",
    opens: 0,
    close: null,
    ending: null,
    tries: 0,
    barren: 0,
    heard: false,
    touched: false,
    since: 0,
    asked: 0,
    lost: null,
  };
  return step(session, "connect");
}

/** Where to attach. */
export function cursorOf(session: Session): string {
  return session.log === null ? String(session.place) : `${session.log}.${session.place}`;
}

/** How many streams were granted after the first. */
export function reconnectsOf(session: Session): number {
  return Math.max(0, session.opens - 1);
}

/** Once ended: whether the user is to decide (`ask`) or the matter is closed (`never`); `now` after giving up. */
export function dutyOf(session: Session): Duty | null {
  if (session.state !== "ended" || session.close === null) return null;
  return session.ending === null ? CLOSE_DUTIES[session.close] : RUN_DUTIES[session.ending];
}

/** Report that a stream was granted, at `now` seconds. */
export function opened(before: Session, now: number): Step {
  const changes = { opens: before.opens + 1, since: now, heard: false, touched: false };
  return step(to(before, "opened", "live", changes), "read", { listen: before.pace.firstByteTimeout });
}

/** Report what came out of the stream. `dice` is a random number in [0, 1). */
export function received(before: Session, told: Received, now: number, dice: number): Step {
  check(before, "received");
  const log = told.log ?? null;
  if (log !== null && before.log !== null && before.log !== log) return over(before, "received", "gone");
  const { good, gap } = continuing(before.place, told.events);
  const heard = good.length > 0 || (told.heartbeats ?? 0) > 0;
  const after: Session = {
    ...before,
    place: before.place + good.length,
    log: log ?? before.log,
    heard: before.heard || heard,
    touched: true,
    tries: heard ? 0 : before.tries,
    barren: heard ? 0 : before.barren,
    lost: null,
  };
  if (endsWith(good)) return over(after, "received", "ended", good);
  if (gap) return again(after, "received", "network", now, dice, { events: good });
  const listen = Math.max(2.5 * after.pace.heartbeatInterval, after.pace.firstByteTimeout);
  return step(after, "read", { listen, events: good });
}

/** Report a page. */
export function polled(
  before: Session,
  page: { readonly events: readonly Event[]; readonly log: string; readonly ended: boolean },
  now: number,
  dice: number,
): Step {
  check(before, "polled");
  if (before.log !== null && before.log !== page.log) return over(before, "polled", "gone");
  const { good, gap } = continuing(before.place, page.events);
  // A page that gave nothing, and at once, is not asked for again at once.
  const tries = good.length === 0 && now - before.asked < 1 ? before.tries + 1 : 0;
  const delay = waiting(before.pace, tries, dice);
  const since = before.heard ? before.since : now;
  const place = before.place + good.length;
  const after: Session = { ...before, place, log: page.log, heard: true, since, lost: null, tries };
  if (endsWith(good) || (page.ended && !gap)) return over(after, "polled", "ended", good);
  if (now - since >= after.pace.pollSeconds) {
    // One barren stream, and the next is a poll again.
    const back = to(after, "polled", "reconnecting", { barren: after.pace.barrenLimit - 1 });
    return step(back, "connect", { events: good });
  }
  return step(to(after, "polled", "polling", { asked: now + delay }), "poll", { delay, events: good });
}

/** Report 204: the run has ended and the reader has all of it. */
export function drained(before: Session): Step {
  return over(before, "drained", "ended");
}

/** Report that the stream ended or that a request got no answer; `refused` for what the protocol does not allow. */
export function closed(before: Session, how: Close, now: number, dice: number): Step {
  if (!["network", "silent", "rotated", "superseded", "refused"].includes(how)) {
    throw new RiverrunError("E3012", `'${how}' is not how a connection closes by itself`);
  }
  return again(before, "closed", how, now, dice);
}

/** Report that a request was not granted. `retryAfter` is what the server asked for, in seconds. */
export function problem(before: Session, status: number, now: number, dice: number, retryAfter?: number | null): Step {
  const how = closeOf(status);
  return again(before, "problem", how, now, dice, { atLeast: how === "busy" ? (retryAfter ?? 0) : 0 });
}

/** Report that the reader leaves. */
export function detached(before: Session): Step {
  return over(before, "detached", "detached");
}

/** Say what a status other than 200 and 204 means for a reader (PROTOCOL.md §8). */
export function closeOf(status: number): Close {
  if (status === 429 || status === 503) return "busy";
  if (status === 410) return "gone";
  return status >= 500 ? "network" : "refused";
}

/** Give the events to apply, up to the terminal event or a gap, and whether there was a gap. */
function continuing(place: number, events: readonly Event[]): { good: Event[]; gap: boolean } {
  const good: Event[] = [];
  for (const event of events) {
    const next = place + good.length + 1;
    if (event.seq > next) return { good, gap: true };
    if (event.seq === next) {
      good.push(event);
      if (isTerminal(event)) break;
    }
  }
  return { good, gap: false };
}

function endsWith(events: readonly Event[]): boolean {
  const last = events.at(-1);
  return last !== undefined && isTerminal(last);
}

/** Do the reader's duty after a connection ended. */
function again(
  before: Session,
  move: Move,
  how: Close,
  now: number,
  dice: number,
  { atLeast = 0, events = [] as readonly Event[] } = {},
): Step {
  check(before, move);
  if (CLOSE_DUTIES[how] !== "now") return over(before, move, how, events);
  const pace = before.pace;
  const barren = before.barren + (wasBarren(before, how, now) ? 1 : 0);
  // A server that is busy is never asked again at once.
  const delay = atLeast + waiting(pace, how === "busy" ? Math.max(before.tries, 1) : before.tries, dice);
  const lost = before.lost ?? now;
  if (pace.patience !== null && now + delay - lost > pace.patience) return over(before, move, how, events);
  const polling = before.state === "polling" || barren >= pace.barrenLimit;
  const after = to(before, move, polling ? "polling" : "reconnecting", {
    close: how,
    barren: polling ? 0 : barren,
    tries: before.tries + 1,
    lost,
    asked: now + delay,
    // In `polling` this says whether a poll ever succeeded, so it starts anew on the way in.
    heard: before.heard && before.state === "polling",
  });
  return step(after, polling ? "poll" : "connect", { delay, events });
}

function wasBarren(session: Session, how: Close, now: number): boolean {
  if (session.state === "connecting" || session.state === "reconnecting") {
    return how === "silent"; // asked, and not even a head came: a proxy may be holding all of it back
  }
  if (session.state !== "live" || how === "rotated" || session.heard) return false;
  return !session.touched || now - session.since < session.pace.barrenSeconds;
}

function waiting(pace: Pace, tries: number, dice: number): number {
  // PROTOCOL.md §8: "the first try at once, then 0.25 s doubled up to 5 s, each times a random factor"
  if (tries === 0) return 0;
  return Math.min(pace.longestDelay, pace.firstDelay * 2 ** Math.min(tries - 1, 30)) * (0.5 + dice / 2);
}

function over(before: Session, move: Move, close: Close, events: readonly Event[] = []): Step {
  const ending = endsWith(events) ? endingOf(events.at(-1)!) : null;
  return step(to(before, move, "ended", { close, ending }), "end", { events });
}

/** Say how a run ended, by its terminal event. */
export function endingOf(event: Event): Ending {
  return event.type.slice("run.".length) as Ending;
}

function check(session: Session, move: Move): void {
  if (MOVES[session.state][move] === undefined) {
    throw new RiverrunError("E3012", `'${move}' was reported to a session that is '${session.state}'`);
  }
}

/** Go to a state by the table; everything that moves passes here. */
function to(before: Session, move: Move, state: State, changes: Partial<Session>): Session {
  check(before, move);
  if (!MOVES[before.state][move]!.includes(state)) {
    throw new RiverrunError("E3012", `'${before.state}' does not lead to '${state}' by '${move}'`);
  }
  return { ...before, ...changes, state };
}

function step(
  session: Session,
  what: Do,
  { delay = 0, listen = 0, events = [] as readonly Event[] } = {},
): Step {
  return { session, action: { do: what, delay, listen }, events };
}
