// A session and the bytes it is fed: what happened on the network, told to the machine in its own words.
//
// Pure, so the cases of conformance/ drive it without a network. It does not know fetch, timers or pages.

import { decodeFrame, decodePage } from "./decode.js";
import { ProtocolFault, RiverrunError } from "./errors.js";
import {
  begin,
  closed,
  cursorOf,
  detached,
  drained,
  opened,
  polled,
  problem,
  received,
  type Action,
  type Session,
  type Step,
} from "./session.js";
import { Parser } from "./sse.js";
import type { Close, Pace } from "./tables.js";
import type { Event } from "./types.js";

/** What came of an action. */
export type Outcome =
  | { readonly kind: "stream" }
  | { readonly kind: "bytes"; readonly bytes: Uint8Array }
  | { readonly kind: "events"; readonly events: readonly Event[]; readonly heartbeats: number; readonly log: string | null }
  | { readonly kind: "page"; readonly text: string }
  | { readonly kind: "drained" }
  | { readonly kind: "problem"; readonly status: number; readonly error: RiverrunError }
  | { readonly kind: "closed"; readonly how: Close; readonly error?: RiverrunError };

/** One reader: tell it what happened, then do what its `action` says. */
export class Reader {
  session: Session;
  action: Action;
  /** What only the user can settle, once the session has ended by it. */
  fault: RiverrunError | null = null;
  private parser = new Parser();

  constructor(place = 0, log: string | null = null, pace: Partial<Pace> = {}) {
    ({ session: this.session, action: this.action } = begin(place, log, pace));
  }

  /** Ask for pages from the first request on. */
  poll(): void {
    this.session = { ...this.session, state: "polling" };
    this.action = { do: "poll", delay: 0, listen: 0 };
  }

  /** Where to attach. */
  get cursor(): string {
    return cursorOf(this.session);
  }

  /**
   * Report what came of the action.
   *
   * @param now Seconds on a clock that never goes back.
   * @param dice A random number in [0, 1).
   * @returns The events to apply.
   */
  report(outcome: Outcome, now: number, dice: number): readonly Event[] {
    try {
      return this.take(this.told(outcome, now, dice));
    } catch (error) {
      if (!(error instanceof ProtocolFault)) throw error;
      return this.take(this.told({ kind: "closed", how: "refused", error }, now, dice));
    }
  }

  /** Report that the reader leaves; idempotent. */
  leave(): void {
    if (this.session.state !== "ended") this.take(detached(this.session));
  }

  private take({ session, action, events }: Step): readonly Event[] {
    this.session = session;
    this.action = action;
    return events;
  }

  private told(outcome: Outcome, now: number, dice: number): Step {
    this.fault = null;
    switch (outcome.kind) {
      case "stream":
        this.parser = new Parser();
        return opened(this.session, now);
      case "bytes":
        return this.heard(outcome.bytes, now, dice);
      case "events":
        return this.inLog(outcome.log, received(this.session, outcome, now, dice));
      case "page": {
        const page = decodePage(outcome.text);
        return this.inLog(page.log, polled(this.session, page, now, dice));
      }
      case "drained":
        return drained(this.session);
      case "problem":
        this.fault = outcome.error;
        return problem(this.session, outcome.status, now, dice, outcome.error.retryAfter);
      case "closed":
        this.fault = outcome.error ?? null;
        return closed(this.session, outcome.how, now, dice);
    }
  }

  private heard(bytes: Uint8Array, now: number, dice: number): Step {
    const { blocks, heartbeats, lastId } = this.parser.feed(bytes);
    const log = lastId.slice(0, Math.max(0, lastId.lastIndexOf("."))) || null;
    const events = blocks.filter((block) => block.event === "message").flatMap((block) => decodeFrame(block.data));
    const step = received(this.session, { events, heartbeats, log }, now, dice);
    const goodbye = blocks.find((block) => block.event === "close");
    if (step.action.do === "read" && goodbye !== undefined) {
      // PROTOCOL.md §5.4: "the reader comes back with its cursor", unless it is there already.
      return { ...closed(step.session, reasonOf(goodbye.data), now, dice), events: step.events };
    }
    return this.inLog(log, step);
  }

  private inLog(log: string | null, step: Step): Step {
    if (step.session.close === "gone") {
      this.fault = new RiverrunError("E2008", `the place was in log ${this.session.log}, the server reads ${log}`);
    }
    return step;
  }
}

/** Say what a close frame means; a reason of a later version is to come back. */
function reasonOf(data: string): Close {
  try {
    return (JSON.parse(data) as { readonly reason?: unknown } | null)?.reason === "superseded" ? "superseded" : "rotated";
  } catch {
    return "rotated";
  }
}
