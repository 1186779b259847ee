// One run on a server: attach to its log, stop it, wait for its result (PROTOCOL.md §4).
// It does not know fetch (connect.ts) nor when to reconnect (session.ts).

import type { Connect } from "./connect.js";
import { decodeBody, isTerminal, type EventPage } from "./decode.js";
import { RiverrunError } from "./errors.js";
import { endingOf } from "./session.js";
import { Subscription, type AttachOptions } from "./subscription.js";
import type { Ending, Field } from "./tables.js";
import { newKey } from "./time.js";
import type { AskingRun, Event, Json, RunInfo, TextPart } from "./types.js";

const TEXT: Field = [true, "text"];
const INTEGER: Field = [true, "integer"];
const FLAG: Field = [true, "flag"];

/** From where a text is asked for. */
export interface TextOptions {
  /** In UTF-16 code units; the beginning where nothing is said. */
  readonly offset?: number;
  /** Of which attempt the reader's text is; where that was taken back, the answer begins anew. */
  readonly attempt?: number;
  /** `place` of the part before, which spares the server work. */
  readonly after?: number;
  /** Seconds, up to 60, that the answer may be held back until there is something. */
  readonly wait?: number;
}

/** Where a fork begins. */
export interface ForkOptions {
  /** The last seq that is copied; by default where the work of the run ended. */
  readonly at?: number;
  /** How many executions of nodes the new run may make. */
  readonly limit?: number;
  /** The conversation that the new run belongs to. */
  readonly thread?: string;
  /** A key of the caller's, so that also a later call gives the same run. */
  readonly idemKey?: string;
  /** Whether the events come with the answer, which saves a round trip: the first `attach` reads them. */
  readonly attach?: boolean;
}

/**
 * Send one request that begins a run, and say which run that is.
 *
 * @param attach Whether its events come with the answer; they wait in `connect.begun` until they are read.
 */
export async function begun(
  connect: Connect,
  path: string,
  body: object,
  idemKey: string,
  attach: boolean,
): Promise<string> {
  const asked = { method: "POST", body: JSON.stringify(body), headers: { "idempotency-key": idemKey } };
  if (!attach) return (await connect.ask(path, decodeRun, asked)).run;
  const { run, stream } = await connect.begin(path, asked, decodeRun);
  if (stream !== null) {
    const events = `/v1/runs/${run}/events`;
    connect.begun.get(events)?.close();
    connect.begun.set(events, stream);
  }
  return run;
}

/** Read what a server tells of a run. */
export function decodeRun(text: string): RunInfo {
  const fields = { run: TEXT, graph: TEXT, status: TEXT, head: INTEGER, log: TEXT };
  return decodeBody(text, "a run", fields) as unknown as RunInfo;
}

/** A run on a server. Holding it costs nothing; letting go of it does not stop the run. */
export class Run {
  private readonly path: string;

  constructor(
    private readonly connect: Connect,
    /** Its id. */
    readonly id: string,
    private readonly defaults: AttachOptions,
  ) {
    this.path = `/v1/runs/${id}`;
  }

  /**
   * Ask what is known of the run beside its log: its status, its ending, its head, its open questions and more.
   *
   * @throws RiverrunError E2005: there is no such run.
   * @throws ConnectionFault E5001: the server was not reached.
   */
  async info(): Promise<AskingRun> {
    return await this.connect.ask(this.path, decodeRun);
  }

  /**
   * Read the events of the run after a place: each once, in order, whatever the network does.
   *
   * @param after seq of the last event that the caller has, or a `cursor` as a subscription gave it; 0 for all.
   * @returns An iterator that reconnects by itself. `detach` leaves it; that does not stop the run.
   * @throws RiverrunError E2007: `after` is no place.
   */
  attach(after: number | string = 0, options: AttachOptions = {}): Subscription {
    const { log, place } = parseCursor(String(after));
    const path = `${this.path}/events`;
    // What came with the beginning of the run begins at its first event; whoever wants another place asks anew.
    const opened = place === 0 && log === null ? (this.connect.begun.get(path) ?? null) : null;
    if (opened !== null) this.connect.begun.delete(path);
    return new Subscription(this.connect, path, place, log, { ...this.defaults, ...options }, opened);
  }

  /**
   * Give what its log has after a place, at once and without a connection that stays open.
   *
   * @param after As of `attach`.
   * @throws RiverrunError E2005: there is no such run; E2006, E2008, E4007: the log does not have the place.
   * @throws ConnectionFault E5001: the server was not reached.
   */
  async page(after: number | string = 0): Promise<EventPage> {
    return await this.connect.page(`${this.path}/events`, String(after));
  }

  /**
   * Stop the run; one that has ended stays as it ended. Idempotent. Leaving its log is `detach`, and stops nothing.
   *
   * @param reason Why, for its readers.
   * @returns The run as it was when the server took the request; the last event says when it has stopped.
   * @throws RiverrunError E2005: there is no such run.
   * @throws ConnectionFault E5001: the server was not reached.
   */
  async stop(reason = ""): Promise<RunInfo> {
    const body = JSON.stringify(reason === "" ? {} : { reason });
    return await this.connect.ask(`${this.path}/stop`, decodeRun, { method: "POST", body });
  }

  /**
   * Answer questions of the run; those that are not named stay open. To be repeated is harmless.
   *
   * @param answers By id of the question.
   * @throws RiverrunError E2015: no such question is open; E2009: the run has ended.
   * @throws ConnectionFault E5001: the server was not reached.
   */
  async resume(answers: { readonly [question: string]: Json }): Promise<RunInfo> {
    const body = JSON.stringify({ answers });
    return await this.connect.ask(`${this.path}/resume`, decodeRun, { method: "POST", body });
  }

  /**
   * Begin a run with a copy of the log of this one, and go on from there. This one is not changed.
   *
   * @returns The new run.
   * @throws RiverrunError E2016: the log has no such place, or the run cannot be gone on with.
   * @throws ConnectionFault E5001: the server was not reached; the fork may have begun unless `idemKey` is given again.
   */
  async fork(options: ForkOptions = {}): Promise<Run> {
    const { idemKey = newKey(), attach = false, ...from } = options;
    const run = await begun(this.connect, `${this.path}/fork`, from, idemKey, attach);
    return new Run(this.connect, run, this.defaults);
  }

  /**
   * Ask for the state of the graph.
   *
   * @param at The seq it is to be the state of; by default the head.
   * @throws RiverrunError E2006, E4007: the log does not have the place.
   */
  async state(at?: number): Promise<{ readonly [key: string]: Json }> {
    const params: Record<string, string> = at === undefined ? {} : { at: String(at) };
    const decode = (text: string): unknown => decodeBody(text, "a state", { state: [true, ["map", "any"]] })["state"];
    return (await this.connect.ask(`${this.path}/state`, decode, { params })) as { readonly [key: string]: Json };
  }

  /**
   * Give the text of one message from an offset on, for a reader that keeps nothing else (PROTOCOL.md §13).
   *
   * @param message Id of the message.
   * @returns Cut what you have to `offset` and append `text`; ask again from `next` until it is `done`.
   * @throws RiverrunError E2025: the text is shorter than that; E2026: there is no such message.
   * @throws ConnectionFault E5001: the server was not reached.
   */
  async text(message: string, options: TextOptions = {}): Promise<TextPart> {
    const asked = Object.entries({ message, ...options }).filter(([, value]) => value !== undefined);
    const params = Object.fromEntries(asked.map(([name, value]) => [name, String(value)]));
    const has = { text: TEXT, offset: INTEGER, next: INTEGER, attempt: INTEGER, place: INTEGER, done: FLAG, voided: FLAG };
    const decode = (text: string): TextPart => decodeBody(text, "a text", has) as unknown as TextPart;
    return await this.connect.ask(`${this.path}/text`, decode, { params, wait: options.wait ?? 0 });
  }

  /**
   * Wait until the run has ended and give its final state.
   *
   * @throws RiverrunError E3011: it failed, was stopped, timed out or was lost.
   */
  async result(): Promise<{ readonly [key: string]: Json }> {
    const info = await this.info();
    // Of a run that has ended the last event is enough; of one that goes on, what comes is.
    const after = info.status === "ended" ? info.head - 1 : info.head;
    let last: Event | undefined;
    for await (const event of this.attach(`${info.log}.${after}`)) last = event;
    // Without a terminal event that this version knows, the server knows how it ended.
    const terminal = last !== undefined && isTerminal(last);
    const ending = terminal ? endingOf(last!) : ((await this.info()).ending as Ending | null | undefined);
    if (ending === "completed") return await this.state();
    throw failed(this.id, ending ?? null, last);
  }
}

/**
 * Read a cursor, or a bare seq; the empty text means the start.
 *
 * @throws RiverrunError E2007: it is neither.
 */
export function parseCursor(text: string): { readonly log: string | null; readonly place: number } {
  // At most 15 digits: every seq stays exact in a number of JavaScript.
  const parts = /^(?:([0-9a-f]{8})\.)?(\d{1,15})$/.exec(text.trim());
  if (text.trim() === "") return { log: null, place: 0 };
  if (parts === null) throw new RiverrunError("E2007", `'${text.slice(0, 64)}' is not a cursor`);
  return { log: parts[1] ?? null, place: Number(parts[2]) };
}

function failed(run: string, ending: Ending | null, last?: Event): RiverrunError {
  let what = `run ${run} ended as '${ending}'`;
  let where = "";
  if (last?.type === "run.failed") {
    what += `: ${last.error.code} ${last.error.message}`;
    where = last.error.where ?? "";
  } else if ((last?.type === "run.stopped" || last?.type === "run.lost") && last.reason) {
    what += `: ${last.reason}`;
  }
  return new RiverrunError("E3011", what, { where });
}
