// The only file that knows fetch: one request, one stream of bytes, one poll, each tried once.
//
// What the network did becomes an outcome or a `ConnectionFault`; what the server said becomes a problem. It does not
// know places, retries or what an event means.

import { decodeProblem } from "./decode.js";
import { ConnectionFault, ProtocolFault, RiverrunError } from "./errors.js";
import type { Outcome } from "./reader.js";
import type { Surroundings } from "./surroundings.js";
import type { Time } from "./time.js";

/** Below the 30 s and 60 s after which proxies lose patience. */
const POLL_WAIT = 25;
const POLL_LIMIT = 1000;

/** Headers of every request, such as an authorisation; a function is asked anew for each one. */
export type Headers = Record<string, string> | (() => Record<string, string> | Promise<Record<string, string>>);

/** A whole answer. */
export interface Reply {
  readonly status: number;
  readonly text: string;
  readonly retryAfter: string | null;
}

interface Asked {
  readonly method?: string;
  readonly params?: Record<string, string>;
  readonly headers?: Record<string, string>;
  readonly body?: string;
  /** Seconds that the server was asked to hold the answer back. */
  readonly wait?: number;
  readonly signal?: AbortSignal;
}

/** The address of a server and what reaches it. */
export class Connect {
  readonly url: string;

  /**
   * @param url Of the server, such as `http://127.0.0.1:8000`, with the path it is mounted at; `.` is the page's own.
   * @param timeout Seconds that a request may wait for its answer.
   * @throws RiverrunError E6006: `url` is not the address of a server.
   */
  constructor(
    url: string,
    readonly time: Time,
    private readonly fetch: typeof globalThis.fetch,
    private readonly headers: Headers,
    private readonly timeout: number,
  ) {
    this.url = address(url);
  }

  /**
   * Send one request and read its answer, whatever its status.
   *
   * @throws ConnectionFault E5001 or E5005: there was none; it may be tried again.
   */
  async request(path: string, asked: Asked = {}): Promise<Reply> {
    const limit = new Limit(this.time, this.timeout + (asked.wait ?? 0), asked.signal);
    try {
      const response = await this.send(path, asked, limit);
      const text = await response.text();
      return { status: response.status, text, retryAfter: response.headers.get("retry-after") };
    } catch (error) {
      throw limit.fault(error, this.url);
    } finally {
      limit.over();
    }
  }

  /**
   * Send one request and read what was asked for.
   *
   * @throws ConnectionFault E5001 or E5005: there was no answer.
   * @throws RiverrunError What the server said instead.
   */
  async ask<Body>(path: string, decode: (text: string) => Body, asked: Asked = {}): Promise<Body> {
    const reply = await this.request(path, asked);
    if (reply.status >= 200 && reply.status < 300) return decode(reply.text);
    throw decodeProblem(reply.status, reply.text, reply.retryAfter);
  }

  /** Ask for a log as a stream. */
  async openStream(path: string, cursor: string, signal: AbortSignal): Promise<Stream | Outcome> {
    // The signal of the body outlives the time limit of the head.
    const limit = new Limit(this.time, this.timeout, signal);
    try {
      const asked = { params: { after: cursor }, headers: { accept: "text/event-stream" } };
      const response = await this.send(path, asked, limit);
      const kind = (response.headers.get("content-type") ?? "").split(";")[0]!.trim().toLowerCase();
      if (response.status === 200 && kind === "text/event-stream" && response.body !== null) {
        limit.keep();
        return new Stream(response.body.getReader(), limit, this.time);
      }
      if (response.status === 200) {
        const what = `asked for events, the server sent ${kind || "no type"}`;
        return { kind: "closed", how: "refused", error: new ProtocolFault("E5003", what, { where: this.url }) };
      }
      const reply = { status: response.status, retryAfter: response.headers.get("retry-after") };
      return outcomeOf({ ...reply, text: response.status === 204 ? "" : await response.text() });
    } catch (error) {
      return lost(limit.fault(error, this.url));
    } finally {
      limit.over();
    }
  }

  /** Ask for one page of a log; the server holds the answer back until there is something. */
  async poll(path: string, cursor: string, signal: AbortSignal): Promise<Outcome> {
    const params = { after: cursor, wait: String(POLL_WAIT), limit: String(POLL_LIMIT) };
    try {
      return outcomeOf(await this.request(path, { params, wait: POLL_WAIT, signal }));
    } catch (error) {
      return lost(error as RiverrunError);
    }
  }

  private async send(path: string, asked: Asked, limit: Limit): Promise<Response> {
    const given = typeof this.headers === "function" ? await this.headers() : this.headers;
    const headers: Record<string, string> = { accept: "application/json", ...given, ...asked.headers };
    if (asked.body !== undefined) headers["content-type"] = "application/json";
    const query = asked.params === undefined ? "" : `?${new URLSearchParams(asked.params)}`;
    return await this.fetch(this.url + path + query, {
      method: asked.method ?? "GET",
      headers,
      signal: limit.signal,
      cache: "no-store",
      redirect: "manual",
      ...(asked.body === undefined ? {} : { body: asked.body }),
    });
  }
}

/** One open stream of bytes. Close it in any case. */
export class Stream {
  private heard: number;

  constructor(
    private readonly reader: ReadableStreamDefaultReader<Uint8Array>,
    private readonly limit: Limit,
    private readonly time: Time,
  ) {
    this.heard = time.now();
  }

  /**
   * Read what is there, or wait for something.
   *
   * The watchdog sleeps while the page is hidden; when it wakes, a stream that missed a heartbeat is silent.
   *
   * @param listen Seconds without a byte after which the stream is silent.
   * @param heartbeat Seconds between the server's signs of life.
   */
  async read(listen: number, heartbeat: number, around: Surroundings): Promise<Outcome> {
    let stop = (): void => undefined;
    const silence = new Promise<Outcome>((resolve) => {
      const bark = (): void => resolve({ kind: "closed", how: "silent" });
      const cancel = this.time.after(listen, () => {
        if (!around.hidden()) bark();
      });
      const asleep = around.onWake(() => {
        if (this.time.now() - this.heard > Math.min(heartbeat, listen)) bark();
      });
      stop = () => {
        cancel();
        asleep();
      };
    });
    try {
      return await Promise.race([this.piece(), silence]);
    } finally {
      stop();
    }
  }

  /** Close the connection; idempotent. */
  close(): void {
    this.limit.abort();
    // What a broken connection still has to say while it is closed is of no interest to anybody.
    this.reader.cancel().catch(() => undefined);
  }

  private async piece(): Promise<Outcome> {
    try {
      const { done, value } = await this.reader.read();
      this.heard = this.time.now();
      return done ? { kind: "closed", how: "network" } : { kind: "bytes", bytes: value };
    } catch {
      // Whatever a browser calls it ("Load failed", "network error", "terminated"): the connection is gone.
      return { kind: "closed", how: "network" };
    }
  }
}

/** The time that one request may take, and the way to end it before. */
class Limit {
  private readonly controller = new AbortController();
  private late = false;
  private kept = false;
  private readonly cancel: () => void;

  constructor(
    time: Time,
    private readonly seconds: number,
    private readonly outer?: AbortSignal,
  ) {
    this.cancel = time.after(seconds, () => {
      this.late = true;
      this.abort();
    });
    if (outer?.aborted) this.abort();
    outer?.addEventListener("abort", this.abort);
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  readonly abort = (): void => {
    this.outer?.removeEventListener("abort", this.abort);
    this.controller.abort();
  };

  /** The head is here; the body may take as long as it likes. */
  keep(): void {
    this.kept = true;
  }

  /** The answer is here, or will not be. */
  over(): void {
    this.cancel();
    if (!this.kept) this.outer?.removeEventListener("abort", this.abort);
  }

  fault(error: unknown, where: string): RiverrunError {
    if (error instanceof RiverrunError) return error;
    if (this.late) return new ConnectionFault("E5005", `no answer within ${this.seconds} s`, { where });
    const what = error instanceof Error ? error.message : String(error);
    return new ConnectionFault("E5001", `there was no answer: ${what}`, { where });
  }
}

function outcomeOf(reply: Reply): Outcome {
  if (reply.status === 204) return { kind: "drained" };
  if (reply.status === 200) return { kind: "page", text: reply.text };
  // A browser shows a redirection that is not followed as status 0.
  const error = decodeProblem(reply.status, reply.text, reply.retryAfter);
  return { kind: "problem", status: reply.status, error };
}

function lost(error: RiverrunError): Outcome {
  if (error instanceof ProtocolFault) return { kind: "closed", how: "refused", error };
  return { kind: "closed", how: error.code === "E5005" ? "silent" : "network", error };
}

function address(url: string): string {
  const parsed = parse(url);
  if (parsed === null || !/^https?:$/.test(parsed.protocol) || parsed.search !== "" || parsed.hash !== "") {
    const mend = "Give it as http://host:port, with a path where the server is mounted below one.";
    throw new RiverrunError("E6006", `'${url}' is not the address of a server`, { where: "url", mend });
  }
  return parsed.href.replace(/\/+$/, "");
}

function parse(url: string): URL | null {
  try {
    return new URL(url, typeof location === "undefined" ? undefined : location.href);
  } catch {
    return null;
  }
}
