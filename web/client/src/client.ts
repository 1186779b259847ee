// What a program calls first: which graphs and runs there are, start one, take hold of one (PROTOCOL.md §4).
// It does not know fetch (connect.ts) nor when to reconnect (session.ts).

import { Connect, type Headers } from "./connect.js";
import { decodeBody } from "./decode.js";
import { ConnectionFault, RiverrunError } from "./errors.js";
import { begun, Run } from "./run.js";
import { byLock, byWord } from "./lead.js";
import { NotKept, Shelf } from "./shelf.js";
import { Sockets } from "./socket.js";
import { inPage, page, type Surroundings } from "./surroundings.js";
import { PACE, type Pace } from "./tables.js";
import type { TabOptions } from "./tabs.js";
import { newKey, systemDice, systemTime, type Time } from "./time.js";
import type { GraphInfo, Json, RunInfo } from "./types.js";

const START_TRIES = 4;

/** How events may be read. */
export type Transport = "auto" | "sse" | "websocket" | "poll";

/** In place of a count or of seconds that never come. */
const NEVER = 1e9;

/** How to reach a server. */
export interface ClientOptions {
  /** Headers of every request, such as an `authorization` (PROTOCOL.md §11); a function is asked anew for each one. */
  readonly headers?: Headers;
  /** Seconds that a request may wait for its answer; 30 by default. */
  readonly timeout?: number;
  /** Times and counts of reconnecting; by default those of PROTOCOL.md §8. */
  readonly pace?: Partial<Pace>;
  /**
   * How events are read: `auto`, server-sent events, and polling where a network lets none through; `websocket`, one
   * socket for all runs (which has no `headers`), and server-sent events where no socket gets through; `sse` and
   * `poll`, one of the two whatever the network does.
   */
  readonly transport?: Transport;
  /** Another fetch. */
  readonly fetch?: typeof globalThis.fetch;
  /** Another clock. */
  readonly time?: Time;
  /** Gives random numbers in [0, 1). */
  readonly dice?: () => number;
  /** Another page. */
  readonly surroundings?: Surroundings;
  /**
   * Who reads, in a browser that several people may use: what live runs read is kept in its storage, and shared with
   * its other tabs, for this name only. Where nothing is said, that is done in a page whose client sends no `headers`;
   * null never does it.
   */
  readonly as?: string | null;
}

/** How to start a run. */
export interface StartOptions {
  /** The conversation that the run belongs to. */
  readonly thread?: string;
  /** How many executions of nodes the run may make. */
  readonly limit?: number;
  /** Seconds that the run may take. */
  readonly timeout?: number;
  /** What its nodes may read of it and never change. */
  readonly context?: Json;
  /** What its nodes see as `config`. */
  readonly config?: Json;
  /** What to do while another run of the thread goes on; by default the new one is refused (E3018). */
  readonly whenBusy?: "reject" | "enqueue" | "stop";
  /** What becomes of the run when its last reader has left: by default it goes on; grace is in seconds. */
  readonly onDisconnect?: "continue" | "stop" | { readonly grace: number };
  /** A key of the caller's, so that also a later call gives the same run. */
  readonly idemKey?: string;
  /** Whether the events come with the answer, which saves a round trip: the first `attach` reads them. */
  readonly attach?: boolean;
}

/** Which runs to list. */
export interface ListOptions {
  readonly graph?: string;
  readonly thread?: string;
  /** `queued`, `running`, `parked` or `ended`. */
  readonly status?: string;
  /** At most this many, up to 200; 50 by default. */
  readonly limit?: number;
  /** Created at this time or later, in milliseconds since the Unix epoch. */
  readonly createdAfter?: number;
  /** Created before this time, likewise. */
  readonly createdBefore?: number;
  /** Only runs older than the one of this id: the next page. */
  readonly before?: string;
}

/** One server, reached over HTTP. It holds no connection by itself. */
export class Client {
  /** What happens around live runs. */
  readonly surroundings: Surroundings;
  /** Gives random numbers in [0, 1). */
  readonly dice: () => number;
  /** Where live runs are kept from one visit to the next; null where nothing is kept. */
  readonly shelf: Shelf | null;
  /** How live runs are shared with other tabs; null where each tab reads for itself. */
  readonly sharing: ((run: string) => Pick<TabOptions, "name" | "id" | "stand">) | null;
  private readonly connect: Connect;
  private readonly pace: Partial<Pace>;

  /**
   * @param url Of the server, such as `http://127.0.0.1:8000`, with the path it is mounted at; `.` is the page's own.
   * @throws RiverrunError E6006: `url` is not the address of a server.
   */
  constructor(
    url: string,
    private readonly options: ClientOptions = {},
  ) {
    // Wrapped, because a browser's fetch must be called as a function of its window.
    const send: typeof globalThis.fetch = (input, init) => (options.fetch ?? globalThis.fetch)(input, init);
    const time = options.time ?? systemTime;
    this.connect = new Connect(url, time, send, options.headers ?? {}, options.timeout ?? 30);
    this.pace = paced(options.pace ?? {}, options.transport ?? "auto");
    if (options.transport === "websocket") {
      if (typeof WebSocket === "undefined") throw new RiverrunError("E6006", "there is no WebSocket here");
      this.connect.sockets = new Sockets(this.connect.url, time, options.timeout ?? 30);
    }
    this.dice = options.dice ?? systemDice;
    this.surroundings = options.surroundings ?? page();
    const who = options.as === undefined ? (inPage() && options.headers === undefined ? "" : null) : options.as;
    const whose = `${this.url}|${who}`;
    this.shelf = who === null ? null : new Shelf(() => globalThis.indexedDB, whose, time);
    this.sharing = who === null || typeof BroadcastChannel === "undefined" ? null : (run) => shared(whose, run);
  }

  /** Where the server is. */
  get url(): string {
    return this.connect.url;
  }

  /** The clock that everything here goes by. */
  get time(): Time {
    return this.connect.time;
  }

  /**
   * List the graphs that are served.
   *
   * @throws ConnectionFault E5001: the server was not reached.
   */
  async graphs(): Promise<readonly GraphInfo[]> {
    return await this.connect.ask("/v1/graphs", (text) => listOf<GraphInfo>(text, "graphs"));
  }

  /**
   * Start a run. It answers before any node has run.
   *
   * A lost answer is harmless: the request is tried again under one key, so it starts one run at most.
   *
   * @param input Keys of the graph's state.
   * @throws RiverrunError E2004: no such graph; E2010: the input does not fit; E3010: too many runs, see `retryAfter`.
   * @throws ConnectionFault E5001: the server was not reached in several tries.
   */
  async start(graph: string, input: { readonly [key: string]: Json }, options: StartOptions = {}): Promise<Run> {
    const { idemKey = newKey(), attach = false, whenBusy, onDisconnect, ...limits } = options;
    const body = { graph, input, when_busy: whenBusy, on_disconnect: onDisconnect, ...limits };
    for (let tries = 1; ; tries += 1) {
      try {
        // A proxy that holds streams back gives no answer to the first try; the others ask for a document.
        const along = attach && tries === 1 && this.options.transport !== "poll";
        return this.run(await begun(this.connect, "/v1/runs", body, idemKey, along));
      } catch (error) {
        if (!(error instanceof ConnectionFault) || tries === START_TRIES) throw error;
        // The back-off of PROTOCOL.md §8.
        const delay = (this.pace.firstDelay ?? PACE.firstDelay) * 2 ** (tries - 1) * (0.5 + this.dice() / 2);
        await new Promise<void>((resolve) => void this.time.after(delay, resolve));
      }
    }
  }

  /**
   * Take hold of a run by its id. Nothing is asked of the server yet.
   *
   * @throws RiverrunError E2005: this is no id of a run.
   */
  run(id: string): Run {
    if (!/^[0-9a-f]{32}$/.test(id)) throw new RiverrunError("E2005", `'${id.slice(0, 64)}' is not the id of a run`);
    const { surroundings, dice, pace } = this;
    return new Run(this.connect, id, { pace, dice, surroundings, poll: this.options.transport === "poll" });
  }

  /**
   * Forget what this browser keeps of a run, or of all that this reader read: for a page that somebody logs out of.
   *
   * @returns Whether nothing is kept any more.
   */
  async forget(run?: string): Promise<boolean> {
    try {
      await this.shelf?.forget(run);
      return true;
    } catch (error) {
      if (error instanceof NotKept) return false;
      throw error;
    }
  }

  /**
   * List runs, newest first.
   *
   * @throws ConnectionFault E5001: the server was not reached.
   */
  async runs(options: ListOptions = {}): Promise<readonly RunInfo[]> {
    const { createdAfter: created_after, createdBefore: created_before, ...others } = options;
    const given = Object.entries({ ...others, created_after, created_before });
    const params = Object.fromEntries(given.filter(([, value]) => value !== undefined).map(([k, v]) => [k, String(v)]));
    return await this.connect.ask("/v1/runs", (text) => listOf<RunInfo>(text, "runs"), { params });
  }
}

/** Keep readers to the transport that was asked for. */
function paced(pace: Partial<Pace>, transport: Transport): Partial<Pace> {
  if (transport === "sse") return { ...pace, barrenLimit: NEVER };
  return transport === "poll" ? { ...pace, pollSeconds: NEVER } : pace;
}

/** Say where tabs meet. The number is that of what they say to each other: pages of two versions do not mix. */
function shared(whose: string, run: string): Pick<TabOptions, "name" | "id" | "stand"> {
  const name = `riverrun 1 ${run} ${whose}`;
  // A page that did not come over https, or from its own machine, has no locks, whatever the types say.
  const locks = (globalThis.navigator as Navigator | undefined)?.locks as LockManager | undefined;
  return { name, id: newKey(), stand: locks === undefined ? byWord() : byLock(locks, name) };
}

function listOf<Item>(text: string, name: string): readonly Item[] {
  const has = { [name]: [true, ["list", "any"]] as const };
  return decodeBody(text, `a list of ${name}`, has)[name] as readonly Item[];
}
