// The only file that knows fetch: one request, one stream of bytes, one poll, each tried once.
//
// What the network did becomes an outcome or a `ConnectionFault`; what the server said becomes a problem. It does not
// know places, retries or what an event means.

import { decodePage, decodeProblem, type EventPage } from "./decode.js";
import { ProtocolFault, RiverrunError } from "./errors.js";
import { Limit } from "./limit.js";
import type { Outcome } from "./reader.js";
import type { Sockets } from "./socket.js";
import { bodyOf, Stream } from "./stream.js";
import type { Time } from "./time.js";
import type { RunInfo } from "./types.js";

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

/** What a stream or a poll is asked for beside its place. */
export type Wants = Record<string, string>;

/** A run that was begun, and its events from the first on, where they came with the answer. */
export interface Begun {
  readonly run: string;
  readonly stream: Stream | null;
}

const STREAM = { accept: "text/event-stream" };

interface Asked {
  readonly method?: string;
  readonly params?: Record<string, string>;
  readonly headers?: Record<string, string>;
  /** JSON. */
  readonly body?: string;
  /** Plain text, instead. */
  readonly text?: string;
  /** Whether it is sent even when the page goes. */
  readonly outlives?: boolean;
  /** Seconds that the server was asked to hold the answer back. */
  readonly wait?: number;
  readonly signal?: AbortSignal;
}

/** The address of a server and what reaches it. */
export class Connect {
  readonly url: string;
  /** Streams that came with the beginning of a run, by path of its events, until somebody reads them. */
  readonly begun = new Map<string, Stream>();
  /** What carries streams instead of HTTP, where it gets through. */
  sockets: Sockets | null = null;

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

  /**
   * Ask for a log as a stream.
   *
   * @param wants More of the query (PROTOCOL.md §14 and §15).
   */
  async openStream(path: string, cursor: string, wants: Wants, signal: AbortSignal): Promise<Stream | Outcome> {
    if (this.sockets !== null && !this.sockets.useless) {
      return await this.sockets.openStream(path.split("/")[3]!, cursor, signal);
    }
    // The signal of the body outlives the time limit of the head.
    const limit = new Limit(this.time, this.timeout, signal);
    try {
      const response = await this.send(path, { params: { ...wants, after: cursor }, headers: STREAM }, limit);
      const stream = this.streamOf(response, 200, limit);
      if (stream !== null) return stream;
      const reply = { status: response.status, retryAfter: response.headers.get("retry-after") };
      return outcomeOf({ ...reply, text: response.status === 204 ? "" : await response.text() });
    } catch (error) {
      return lost(limit.fault(error, this.url));
    } finally {
      limit.over();
    }
  }

  /**
   * Begin a run and attach to it, in one request.
   *
   * @param path Of a route that begins runs.
   * @param decode Reads a run, where the server answers without a stream.
   * @throws ConnectionFault E5001 or E5005: there was no answer; it may be tried again.
   * @throws RiverrunError What the server said instead.
   */
  async begin(path: string, asked: Asked, decode: (text: string) => RunInfo): Promise<Begun> {
    const limit = new Limit(this.time, this.timeout);
    try {
      const response = await this.send(path, { ...asked, headers: { ...asked.headers, ...STREAM } }, limit);
      const run = response.headers.get("location")?.split("/").at(-1) ?? "";
      // A server that answers with the run and without its events is not wrong; they are asked for later.
      const stream = kindOf(response) === "application/json" ? null : this.streamOf(response, 201, limit);
      if (stream !== null && run === "") {
        stream.close();
        throw new ProtocolFault("E5003", "the server began a run and does not say which", { where: this.url });
      }
      if (stream !== null) return { run, stream };
      const text = await response.text();
      if (response.ok) return { run: decode(text).run, stream: null };
      throw decodeProblem(response.status, text, response.headers.get("retry-after"));
    } catch (error) {
      throw limit.fault(error, this.url);
    } finally {
      limit.over();
    }
  }

  /**
   * Ask for what a log has after a place, at once.
   *
   * @throws ConnectionFault E5001 or E5005: there was no answer.
   * @throws RiverrunError What the server said instead.
   */
  async page(path: string, cursor: string): Promise<EventPage> {
    return await this.ask(path, decodePage, { params: { after: cursor, limit: String(POLL_LIMIT) } });
  }

  /** Ask for one page of a log; the server holds the answer back until there is something. */
  async poll(path: string, cursor: string, wants: Wants, signal: AbortSignal): Promise<Outcome> {
    const params = { ...wants, after: cursor, wait: String(POLL_WAIT), limit: String(POLL_LIMIT) };
    try {
      return outcomeOf(await this.request(path, { params, wait: POLL_WAIT, signal }));
    } catch (error) {
      return lost(error as RiverrunError);
    }
  }

  /**
   * Tell the server something while the page goes: nobody waits for the answer, and the browser sends it in any case.
   */
  farewell(path: string, params: Record<string, string>, body: string): void {
    const url = `${this.url}${path}?${new URLSearchParams(params)}`;
    const plain = new Blob([body], { type: "text/plain" });
    if (typeof this.headers !== "function" && Object.keys(this.headers).length === 0) {
      if (typeof navigator !== "undefined" && navigator.sendBeacon?.(url, plain)) return;
    }
    // A beacon has no headers, so one who must say who asks sends a request that may outlive its page.
    const limit = new Limit(this.time, this.timeout);
    void this.send(path, { method: "POST", params, text: body, outlives: true }, limit)
      .catch(() => undefined)
      .finally(() => limit.over());
  }

  /** Give the stream of a response, if that is one. */
  private streamOf(response: Response, granted: number, limit: Limit): Stream | null {
    if (response.status !== granted) return null;
    const kind = kindOf(response);
    if (kind === "text/event-stream" && response.body !== null) {
      limit.keep();
      return new Stream(bodyOf(response.body.getReader(), limit.abort), this.time);
    }
    limit.abort();
    const what = `asked for events, the server sent ${kind || "no type"}`;
    throw new ProtocolFault("E5003", what, { where: this.url });
  }

  private async send(path: string, asked: Asked, limit: Limit): Promise<Response> {
    const given = typeof this.headers === "function" ? await this.headers() : this.headers;
    const headers: Record<string, string> = { accept: "application/json", ...given, ...asked.headers };
    if (asked.body !== undefined) headers["content-type"] = "application/json";
    else if (asked.text !== undefined) headers["content-type"] = "text/plain";
    const body = asked.body ?? asked.text;
    const query = asked.params === undefined ? "" : `?${new URLSearchParams(asked.params)}`;
    return await this.fetch(this.url + path + query, {
      method: asked.method ?? "GET",
      headers,
      signal: limit.signal,
      cache: "no-store",
      redirect: "manual",
      ...(body === undefined ? {} : { body }),
      ...(asked.outlives === true ? { keepalive: true } : {}),
    });
  }
}

function kindOf(response: Response): string {
  return (response.headers.get("content-type") ?? "").split(";")[0]!.trim().toLowerCase();
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
