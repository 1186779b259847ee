// What is true of a connection, in the words of the page: live, catching up, reconnecting for the n-th time, polling,
// offline, left, over. Pure; it decides nothing about reconnecting (that is the client's session).

import type { Change, Close, Duty, RiverrunError } from "riverrun";

/** What the dot beside the run says. */
export type Standing =
  | "connecting"
  | "live"
  | "catching"
  | "waiting"
  | "reconnecting"
  | "polling"
  | "offline"
  | "detached"
  | "ended"
  | "stored"
  | "refused";

/** The connection of one run as the page shows it. */
export interface Truth {
  readonly standing: Standing;
  /** Which try of reconnecting it is, from 1; 0 while none is needed. */
  readonly tries: number;
  /** Seconds until the next try. */
  readonly delay: number;
  /** How often a stream was granted again. */
  readonly reconnects: number;
  /** Milliseconds between an event and its being here, beyond the quickest one; null while nothing says so. */
  readonly lag: number | null;
  readonly close: Close | null;
  readonly duty: Duty | null;
  /** What only the user can settle. */
  readonly fault: RiverrunError | null;
}

/** Before anything happened. */
export const UNTOUCHED: Truth = {
  standing: "connecting",
  tries: 0,
  delay: 0,
  reconnects: 0,
  lag: null,
  close: null,
  duty: null,
  fault: null,
};

/** Take in what the client tells of its connection. */
export function changed(before: Truth, change: Change, reconnects: number): Truth {
  const { close, delay } = change;
  switch (change.state) {
    case "live":
      return { ...before, standing: "live", tries: 0, delay: 0, reconnects, close };
    case "polling":
      return { ...before, standing: "polling", tries: delay > 0 ? before.tries + 1 : 0, delay, reconnects, close };
    case "reconnecting":
      return { ...before, standing: "reconnecting", tries: before.tries + 1, delay, reconnects, close };
    case "ended":
      return { ...before, standing: close === "detached" ? "detached" : "ended", delay: 0, close, reconnects };
    default:
      return { ...before, standing: "connecting", delay, reconnects, close };
  }
}

/** Say what to show, with what the connection itself cannot know. */
export function shown(
  truth: Truth,
  around: { readonly online: boolean; readonly place: number; readonly head: number; readonly parked: boolean },
): Standing {
  const lost = truth.standing === "reconnecting" || truth.standing === "connecting";
  if (lost && !around.online) return "offline";
  if (truth.standing !== "live") return truth.standing;
  if (around.place < around.head) return "catching";
  return around.parked ? "waiting" : "live";
}

/** How late events are, measured against the quickest one, because two clocks never agree. */
export class Lag {
  private least = Number.POSITIVE_INFINITY;

  /** Take in the newest event of a page that arrived at `now`, both in ms; give how late it is. */
  take(ts: number, now: number): number {
    const late = now - ts;
    this.least = Math.min(this.least, late);
    return late - this.least;
  }
}
