// What a program calls first: which graphs and runs there are, start one, take hold of one (PROTOCOL.md §4).
// It does not know fetch (connect.ts) nor when to reconnect (session.ts).

import { Connect, type Headers } from "./connect.js";
import { decodeBody } from "./decode.js";
import { ConnectionFault, RiverrunError } from "./errors.js";
import { decodeRun, Run } from "./run.js";
import type { Surroundings } from "./surroundings.js";
import { PACE, type Pace } from "./tables.js";
import { newKey, systemDice, systemTime, type Time } from "./time.js";
import type { GraphInfo, Json, RunInfo } from "./types.js";

const START_TRIES = 4;

/** How to reach a server. */
export interface ClientOptions {
  /** Headers of every request, such as an `authorization` (PROTOCOL.md §11); a function is asked anew for each one. */
  readonly headers?: Headers;
  /** Seconds that a request may wait for its answer; 30 by default. */
  readonly timeout?: number;
  /** Times and counts of reconnecting; by default those of PROTOCOL.md §8. */
  readonly pace?: Partial<Pace>;
  /** Another fetch. */
  readonly fetch?: typeof globalThis.fetch;
  /** Another clock. */
  readonly time?: Time;
  /** Gives random numbers in [0, 1). */
  readonly dice?: () => number;
  /** Another page. */
  readonly surroundings?: Surroundings;
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
  /** A key of the caller's, so that also a later call gives the same run. */
  readonly idemKey?: string;
}

/** Which runs to list. */
export interface ListOptions {
  readonly graph?: string;
  readonly thread?: string;
  /** `queued`, `running`, `parked` or `ended`. */
  readonly status?: string;
  /** At most this many, up to 200; 50 by default. */
  readonly limit?: number;
  /** Only runs older than the one of this id: the next page. */
  readonly before?: string;
}

/** One server, reached over HTTP. It holds no connection by itself. */
export class Client {
  private readonly connect: Connect;
  private readonly pace: Partial<Pace>;
  private readonly dice: () => number;

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
    this.pace = options.pace ?? {};
    this.dice = options.dice ?? systemDice;
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
    const { idemKey = newKey(), whenBusy, ...limits } = options;
    const asked = {
      method: "POST",
      body: JSON.stringify({ graph, input, when_busy: whenBusy, ...limits }),
      headers: { "idempotency-key": idemKey },
    };
    for (let tries = 1; ; tries += 1) {
      try {
        return this.run((await this.connect.ask("/v1/runs", decodeRun, asked)).run);
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
    const { surroundings } = this.options;
    const around = surroundings === undefined ? {} : { surroundings };
    return new Run(this.connect, id, { pace: this.pace, dice: this.dice, ...around });
  }

  /**
   * List runs, newest first.
   *
   * @throws ConnectionFault E5001: the server was not reached.
   */
  async runs(options: ListOptions = {}): Promise<readonly RunInfo[]> {
    const params = Object.fromEntries(Object.entries(options).map(([name, value]) => [name, String(value)]));
    return await this.connect.ask("/v1/runs", (text) => listOf<RunInfo>(text, "runs"), { params });
  }
}

function listOf<Item>(text: string, name: string): readonly Item[] {
  const has = { [name]: [true, ["list", "any"]] as const };
  return decodeBody(text, `a list of ${name}`, has)[name] as readonly Item[];
}
