// One run on a server: attach to its log, stop it, wait for its result (PROTOCOL.md §4).
// It does not know fetch (connect.ts) nor when to reconnect (session.ts).

import type { Connect } from "./connect.js";
import { decodeBody, isTerminal } from "./decode.js";
import { RiverrunError } from "./errors.js";
import { endingOf } from "./session.js";
import { Subscription, type AttachOptions } from "./subscription.js";
import type { Ending, Field } from "./tables.js";
import { newKey } from "./time.js";
import type { AskingRun, Event, Json, RunInfo } from "./types.js";

const TEXT: Field = [true, "text"];
const INTEGER: Field = [true, "integer"];

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
    return new Subscription(this.connect, `${this.path}/events`, place, log, { ...this.defaults, ...options });
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
    const { idemKey = newKey(), ...from } = options;
    const headers = { "idempotency-key": idemKey };
    const asked = { method: "POST", body: JSON.stringify(from), headers };
    const { run } = await this.connect.ask(`${this.path}/fork`, decodeRun, asked);
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
