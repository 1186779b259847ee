// The only file that knows WebSocket: one socket to a server, and the logs that are read over it (PROTOCOL.md §12).
//
// A page has few connections to a host and may look at many runs, so all of them share one socket. A page cannot hold a
// socket back, so a reader that does not keep up is given up here and comes back with its place: what waits is bounded.
// It does not know places, retries or what an event means.

import { decodeProblem, eventsOf } from "./decode.js";
import { ConnectionFault, ProtocolFault, RiverrunError } from "./errors.js";
import type { Outcome } from "./reader.js";
import { Stream, type Carrier } from "./stream.js";
import type { Close } from "./tables.js";
import type { Time } from "./time.js";
import type { Event } from "./types.js";

/** So many events of one run may wait to be read. */
const WAITING_LIMIT = 20_000;
/** Seconds between two signs of life that the other runs of a socket are given. */
const PULSE = 1;
const GOODBYES = new Set([1001, 1012]);
const REFUSALS = new Set([1002, 1003, 1007, 1008, 1009, 1010]);

type Frame = { readonly type?: unknown; readonly id?: unknown; readonly [name: string]: unknown };

/** Opens sockets to one server, one at a time. */
export class Sockets {
  private socket: Socket | null = null;
  private opened = false;
  private failures = 0;

  /**
   * @param url Of the server, with http or https.
   * @param timeout Seconds that opening may take, and an answer.
   */
  constructor(
    private readonly url: string,
    private readonly time: Time,
    private readonly timeout: number,
  ) {}

  /** Whether no socket ever opened, in several tries: something on the way does not let them through. */
  get useless(): boolean {
    return !this.opened && this.failures >= 2;
  }

  /** Ask for a log as a stream. */
  async openStream(run: string, cursor: string, signal: AbortSignal): Promise<Stream | Outcome> {
    if (this.socket === null || this.socket.over) {
      this.socket = new Socket(`${this.url.replace(/^http/, "ws")}/v1/ws`, this.time, this.timeout);
    }
    const { socket } = this;
    try {
      await socket.ready;
      this.opened = true;
    } catch (error) {
      this.failures += 1;
      const fault = error as RiverrunError;
      return { kind: "closed", how: fault.code === "E5005" ? "silent" : "network", error: fault };
    }
    return await socket.attach(run, cursor, signal);
  }
}

/** One socket, while it lasts. */
class Socket {
  over = false;
  /** Settled once the socket is open, or never will be. */
  readonly ready: Promise<void>;
  private readonly socket: WebSocket;
  private readonly attachments = new Map<string, Attachment>();
  private count = 0;
  private pulsed = 0;

  constructor(
    private readonly where: string,
    private readonly time: Time,
    private readonly timeout: number,
  ) {
    this.socket = new WebSocket(where, "riverrun.v1");
    this.ready = new Promise((resolve, reject) => {
      const late = time.after(timeout, () => {
        reject(new ConnectionFault("E5005", `no answer within ${timeout} s`, { where }));
        this.end("silent");
      });
      this.socket.onopen = () => {
        late();
        resolve();
      };
      this.socket.onclose = ({ code, reason }) => {
        late();
        reject(new ConnectionFault("E5001", "the socket did not open", { where }));
        if (GOODBYES.has(code)) this.end("rotated");
        else if (REFUSALS.has(code)) this.end("refused", this.wrong(`the server closed the socket: ${code} ${reason}`));
        else this.end("network");
      };
    });
    this.ready.catch(() => undefined); // whoever waits for it is told
    this.socket.onmessage = ({ data }: MessageEvent<unknown>) => this.hear(data);
  }

  async attach(run: string, cursor: string, signal: AbortSignal): Promise<Stream | Outcome> {
    if (this.over) return { kind: "closed", how: "network" };
    this.count += 1;
    const id = String(this.count);
    const attachment = new Attachment((silent) => this.leave(id, silent));
    this.attachments.set(id, attachment);
    const leave = (): void => attachment.close();
    signal.addEventListener("abort", leave);
    const late = this.time.after(this.timeout, () => this.end("silent"));
    this.send({ type: "attach", id, run, after: cursor });
    const first = await attachment.piece();
    late();
    signal.removeEventListener("abort", leave);
    if (first.kind !== "stream") {
      this.attachments.delete(id);
      this.close();
      return first;
    }
    return new Stream(attachment, this.time);
  }

  private leave(id: string, silent: boolean): void {
    if (!this.attachments.delete(id)) return;
    if (silent) this.end("silent");
    else this.send({ type: "detach", id });
    this.close();
  }

  /** Close the socket when nobody reads over it. */
  private close(): void {
    if (this.attachments.size > 0 || this.over) return;
    this.end("detached");
  }

  private end(how: Close, error?: RiverrunError): void {
    if (this.over) return;
    this.over = true;
    for (const attachment of this.attachments.values()) {
      attachment.push({ kind: "closed", how: how === "detached" ? "network" : how, ...(error && { error }) });
    }
    this.attachments.clear();
    this.socket.onclose = this.socket.onmessage = this.socket.onopen = null;
    this.socket.close();
  }

  private send(frame: object): void {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(frame));
  }

  private wrong(what: string): ProtocolFault {
    return new ProtocolFault("E5003", what, { where: this.where });
  }

  private hear(data: unknown): void {
    try {
      this.take(frameOf(data));
    } catch (error) {
      if (!(error instanceof RiverrunError)) throw error;
      this.end("refused", error);
    }
  }

  private take(frame: Frame): void {
    const attachment = this.attachments.get(String(frame.id));
    this.pulse(attachment);
    if (frame.type === "close") this.end("rotated");
    else if (attachment !== undefined) this.tell(attachment, frame);
    else if (frame.type === "problem" && frame.id === null) throw this.problem(frame)[1];
  }

  private tell(attachment: Attachment, frame: Frame): void {
    switch (frame.type) {
      case "attached":
        attachment.log = typeof frame["log"] === "string" ? frame["log"] : null;
        attachment.push({ kind: "stream" });
        attachment.push({ kind: "events", events: [], heartbeats: 0, log: attachment.log });
        return;
      case "events":
        if (!Array.isArray(frame["events"])) throw this.wrong("a frame of events has none");
        attachment.events(frame["events"].flatMap(eventsOf));
        return;
      case "problem": {
        const [status, error] = this.problem(frame);
        attachment.end({ kind: "problem", status, error });
        return;
      }
      case "ended":
        attachment.end({ kind: "drained" });
        return;
      case "detached":
        attachment.end({ kind: "closed", how: "network" });
    }
  }

  private problem(frame: Frame): [number, RiverrunError] {
    const { problem } = frame;
    const status = (problem as { readonly status?: unknown } | undefined)?.status;
    if (typeof status !== "number") throw this.wrong("a problem has no status");
    return [status, decodeProblem(status, JSON.stringify(problem), null)];
  }

  /** Whatever comes says that the socket lives, also to the runs of which nothing came. */
  private pulse(but: Attachment | undefined): void {
    const now = this.time.now();
    if (now - this.pulsed < PULSE) return;
    this.pulsed = now;
    for (const attachment of this.attachments.values()) if (attachment !== but) attachment.pulse();
  }
}

/** One run's part of a socket. */
class Attachment implements Carrier {
  log: string | null = null;
  private attached = false;
  private waiting: Outcome[] = [];
  private size = 0;
  private over = false;
  private signal: () => void = () => undefined;

  constructor(private readonly leave: (silent: boolean) => void) {}

  async piece(): Promise<Outcome> {
    while (this.waiting.length === 0) {
      await new Promise<void>((resolve) => {
        this.signal = resolve;
      });
    }
    const outcome = this.waiting.shift()!;
    if (outcome.kind === "events") this.size -= outcome.events.length;
    return outcome;
  }

  close(): void {
    this.push({ kind: "closed", how: "network" });
    this.over = true;
    this.leave(false);
  }

  silent(): void {
    this.over = true;
    this.leave(true);
  }

  push(outcome: Outcome): void {
    if (this.over) return;
    this.attached ||= outcome.kind === "stream";
    this.waiting.push(outcome);
    this.signal();
  }

  events(events: readonly Event[]): void {
    this.size += events.length;
    if (this.size > WAITING_LIMIT) {
      // What it has is read; then it comes back with its place.
      this.end({ kind: "closed", how: "network" });
      this.leave(false);
    } else {
      this.push({ kind: "events", events, heartbeats: 0, log: this.log });
    }
  }

  /** The last that is heard; a stream that was granted only ever closes, and who comes back is told why. */
  end(outcome: Outcome): void {
    this.push(this.attached ? { kind: "closed", how: "network" } : outcome);
    this.over = true;
  }

  pulse(): void {
    if (this.attached) this.push({ kind: "events", events: [], heartbeats: 1, log: this.log });
  }
}

function frameOf(data: unknown): Frame {
  let frame: unknown = null;
  try {
    frame = typeof data === "string" ? JSON.parse(data) : null;
  } catch {
    // Said below.
  }
  if (typeof frame === "object" && frame !== null) return frame as Frame;
  throw new ProtocolFault("E5003", "the server sent what is no frame");
}
