// A small real HTTP server that speaks PROTOCOL.md over one log and misbehaves as told, on a port of this machine.
//
// Each request for events takes the next fault, if one is left; after the last fault the server is honest. What the
// real server does is tested with the real server (tests/web/test_client.py).

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

import type { Event } from "../src/types.js";

export const RUN = "018b2f5e3c7d0123456789abcdef0123";
export const LOG = "0a1b2c3d";

export type Answer = (response: ServerResponse, asked: Asked, server: LogServer) => void;

/** What a client asked. */
export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
  /** The seq after which it wants to read. */
  readonly place: number;
}

/** Make an event of the run; what is given wins. */
export function event(seq: number, type: string, fields: object = {}): Event {
  return { type, seq, ts: seq, run: RUN, ...fields } as unknown as Event;
}

/** Make a log of `count` events, the last of them terminal, with texts that are easily cut. */
export function logOf(count: number): Event[] {
  const words = ["héllo ", "世界 ", "👩‍👩‍👧 ", "plain ", "\r\n\n: ", "\u2028\0"];
  const events = [event(1, "run.started", { graph: "g", log: LOG, input: {} })];
  let start = 0;
  for (let seq = 2; seq < count; seq += 1) {
    const value = words[seq % words.length]!;
    events.push(event(seq, "node.chunk", { node: "n", exec: "n:1", message: "m", key: "text", value, start }));
    start += value.length;
  }
  return [...events, event(count, "run.completed", { steps: 1 })];
}

/** The server and what it saw. Close it in any case. */
export class LogServer {
  readonly asked: Asked[] = [];
  readonly faults: Answer[] = [];
  /** Other routes, by method and path. */
  readonly routes = new Map<string, Answer>();
  /** How many streams of events are open now. */
  open = 0;
  url = "";
  private readonly http: Server;
  private waiting: (() => void)[] = [];

  constructor(readonly events: Event[]) {
    this.http = createServer((request, response) => void this.take(request, response));
  }

  static async on(events: Event[], ...faults: Answer[]): Promise<LogServer> {
    const server = new LogServer(events);
    server.faults.push(...faults);
    await new Promise<void>((resolve) => server.http.listen(0, "127.0.0.1", resolve));
    server.url = `http://127.0.0.1:${(server.http.address() as AddressInfo).port}`;
    return server;
  }

  async close(): Promise<void> {
    this.http.closeAllConnections();
    await new Promise((resolve) => this.http.close(resolve));
  }

  /** Requests for events so far. */
  get reads(): readonly Asked[] {
    return this.asked.filter((asked) => asked.path.endsWith("/events"));
  }

  /** Wait until something that the server sees is so. */
  async until(so: () => boolean): Promise<void> {
    while (!so()) await new Promise<void>((resolve) => this.waiting.push(resolve));
  }

  private async take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.on("error", () => undefined);
    let body = "";
    for await (const part of request.setEncoding("utf8")) body += part;
    const url = new URL(request.url ?? "/", this.url);
    const place = Number(url.searchParams.get("after")?.split(".").at(-1) ?? 0);
    const { headers, method = "GET" } = request;
    const asked = { method, path: url.pathname, query: url.searchParams, headers, body, place };
    this.asked.push(asked);
    if (url.pathname.endsWith("/events")) {
      this.open += 1;
      response.on("close", () => {
        this.open -= 1;
        this.changed();
      });
      (this.faults.shift() ?? honest)(response, asked, this);
    } else {
      (this.routes.get(`${method} ${url.pathname}`) ?? status(404))(response, asked, this);
    }
    this.changed();
  }

  private changed(): void {
    const waiting = this.waiting;
    this.waiting = [];
    for (const one of waiting) one();
  }
}

// --- how it answers ---

/** Answer as PROTOCOL.md says. */
export function honest(response: ServerResponse, asked: Asked, server: LogServer): void {
  if (asked.query.has("wait")) page(response, asked, server);
  else if (asked.place === server.events.length) response.writeHead(204).end();
  else begin(response).end(bodyOf(server.events, asked.place));
}

function page(response: ServerResponse, asked: Asked, server: LogServer): void {
  const events = server.events.slice(asked.place);
  json({ events, head: server.events.length, floor: 0, log: LOG, ended: true })(response, asked, server);
}

/** The beginning of a stream. */
export function begin(response: ServerResponse, code = 200): ServerResponse {
  return response.writeHead(code, { "content-type": "text/event-stream; charset=utf-8" });
}

/** The body of a stream after a place. */
export function bodyOf(events: readonly Event[], place: number): string {
  return `retry: 500\nid: ${LOG}.${place}\n\n${events.slice(place).map(blockOf).join("")}`;
}

/** One event as a block. */
export function blockOf(event: Event): string {
  return `id: ${LOG}.${event.seq}\ndata: ${JSON.stringify(event)}\n\n`;
}

/** Answer with a document. */
export function json(value: unknown, code = 200): Answer {
  return (response) => response.writeHead(code, { "content-type": "application/json" }).end(JSON.stringify(value));
}

/** Answer with a status, and a problem document where there is one. */
export function status(code: number, told?: object, headers: Record<string, string> = {}): Answer {
  return (response) => {
    const whole = { type: "t", title: "t", status: code, detail: "d", ...told };
    const body = told === undefined ? "" : JSON.stringify(whole);
    response.writeHead(code, { ...headers, "content-type": "application/problem+json" }).end(body);
  };
}

/** Send the first bytes of an honest stream and cut the connection. */
export function cutAt(size: number): Answer {
  return (response, asked, server) => {
    const body = Buffer.from(bodyOf(server.events, asked.place)).subarray(0, size);
    begin(response).write(body, () => response.destroy());
  };
}

/** Send so many events after the place and keep the stream open. */
export function hangsAfter(count: number): Answer {
  return (response, asked, server) => {
    begin(response).write(bodyOf(server.events.slice(0, asked.place + count), asked.place));
  };
}

/** Say nothing at all, not even a head. */
export const mute: Answer = () => undefined;
