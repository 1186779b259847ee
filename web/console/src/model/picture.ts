// What the console makes of a log up to one of its events: the fold of the client (`View`), and beside it what only a
// page shows: panes, executions with their times, and figures.
//
// It is the same for a live run, for a stored one that is played again, and for a file: one way in, `apply`. It does not
// know where events come from nor who looks.

import { View, type Event, type NodeEvent, type NodeState, type Verdict } from "riverrun";

import { Pane } from "./pane";

/** One execution of a node, its attempts included. */
export interface Execution {
  readonly exec: string;
  readonly node: string;
  readonly agent: string;
  readonly ns: readonly string[];
  state: NodeState;
  attempt: number;
  /** When it started, had its first chunk and came to its end, in ms of the worker's clock; null: not yet. */
  started: number;
  first: number | null;
  ended: number | null;
  chunks: number;
  retries: number;
  /** UTF-16 code units that were taken back. */
  voided: number;
  /** What triggered it. */
  readonly after: readonly string[];
  /** What went wrong, if anything did. */
  problem: string;
}

/** How much happened in one second, by the worker's clock. */
interface Second {
  readonly second: number;
  chunks: number;
  units: number;
}

const RATE_SECONDS = 5;

/** A log, folded for people. */
export class Picture {
  readonly view: View;
  /** By agent, in the order in which they appear. */
  readonly panes = new Map<string, Pane>();
  /** By their id, in the order of their start. */
  readonly executions = new Map<string, Execution>();
  /** Times of the first event, the first chunk and the last event, in ms of the worker's clock. */
  started: number | null = null;
  first: number | null = null;
  last = 0;
  /** UTF-16 code units of all text that stands. */
  length = 0;
  retries = 0;
  /** The last event, once it ends the log. */
  terminal: Event | null = null;
  /** The first event. */
  opening: Extract<Event, { type: "run.started" }> | null = null;
  /** How many events are of a type that this version does not know. */
  unknown = 0;
  private readonly seconds: Second[] = [];
  private readonly paneOf = new Map<string, Pane>();

  /** @param floor seq before the first event that is left of a log that was trimmed. */
  constructor(floor = 0) {
    this.view = new View(floor);
  }

  /** seq of the last applied event. */
  get place(): number {
    return this.view.place;
  }

  /**
   * Take in one event if it continues.
   *
   * @throws ProtocolFault E5004: a piece of text does not continue its message; nothing has changed.
   */
  apply(event: Event): Verdict {
    const verdict = this.view.apply(event);
    if (verdict !== "apply") return verdict;
    this.started ??= event.ts;
    this.last = Math.max(this.last, event.ts);
    if (event.type === "node.chunk") this.chunk(event);
    else if (isNodeEvent(event)) this.node(event);
    else this.run(event);
    return verdict;
  }

  /** Chunks and UTF-16 code units per second of late; null when nothing was said of late. */
  get rate(): { readonly chunks: number; readonly units: number } | null {
    const from = Math.floor(this.last / 1000) - RATE_SECONDS + 1;
    let chunks = 0;
    let units = 0;
    for (let at = this.seconds.length - 1; at >= 0 && this.seconds[at]!.second >= from; at -= 1) {
      chunks += this.seconds[at]!.chunks;
      units += this.seconds[at]!.units;
    }
    if (chunks === 0) return null;
    const span = Math.min(RATE_SECONDS, Math.max(0.2, (this.last - (this.first ?? this.last)) / 1000));
    return { chunks: chunks / span, units: units / span };
  }

  /** Milliseconds from the start to the first chunk; null where either is not there. */
  get firstChunk(): number | null {
    return this.first === null || this.started === null || this.view.floor > 0 ? null : this.first - this.started;
  }

  private chunk(event: Extract<Event, { type: "node.chunk" }>): void {
    const agent = event.agent ?? event.node;
    const pane = this.pane(agent);
    const before = pane.length;
    pane.add(event);
    this.paneOf.set(event.message, pane);
    const units = pane.length - before;
    this.length += units;
    this.first ??= event.ts;
    // Of a log that was trimmed its start may be missing.
    const execution = this.execution(event);
    execution.first ??= event.ts;
    execution.chunks += 1;
    const second = Math.floor(event.ts / 1000);
    const last = this.seconds.at(-1);
    if (last?.second === second) {
      last.chunks += 1;
      last.units += units;
    } else {
      this.seconds.push({ second, chunks: 1, units });
    }
  }

  private node(event: Event & NodeEvent): void {
    const execution = this.execution(event);
    execution.state = this.view.nodes.get(event.exec) ?? execution.state;
    execution.attempt = Math.max(execution.attempt, event.attempt ?? 1);
    switch (event.type) {
      case "node.retrying":
        // An answer begins a new attempt as well, but nothing went wrong.
        if (event.reason !== "resumed") {
          execution.retries += 1;
          this.retries += 1;
        }
        execution.problem = event.error?.message ?? "";
        execution.ended = null;
        this.void(execution, event.voids);
        break;
      case "node.failed":
        execution.problem = event.error.message;
        execution.ended = event.ts;
        this.void(execution, event.voids);
        break;
      case "node.cancelled":
        execution.ended = event.ts;
        this.void(execution, event.voids);
        break;
      case "node.completed":
        execution.problem = "";
        execution.ended = event.ts;
        break;
      default:
        break;
    }
  }

  private execution(event: Event & NodeEvent): Execution {
    const known = this.executions.get(event.exec);
    if (known !== undefined) return known;
    const { exec, node, ts } = event;
    const agent = event.agent ?? node;
    const made: Execution = {
      exec,
      node,
      agent,
      ns: event.ns ?? [],
      state: "started",
      attempt: 1,
      started: ts,
      first: null,
      ended: null,
      chunks: 0,
      retries: 0,
      voided: 0,
      after: event.type === "node.started" ? (event.after ?? []) : [],
      problem: "",
    };
    this.executions.set(exec, made);
    return made;
  }

  private void(execution: Execution, messages: readonly string[] = []): void {
    for (const message of messages) {
      const units = this.paneOf.get(message)?.void(message) ?? 0;
      execution.voided += units;
      this.length -= units;
    }
  }

  private run(event: Event): void {
    if (event.type === "run.started") this.opening = event;
    else if (this.view.ending !== null) this.end(event);
    else if (!KNOWN.has(event.type)) this.unknown += 1;
  }

  private end(event: Event): void {
    this.terminal = event;
    // Who was still at work is cut short; no event says so of each.
    for (const execution of this.executions.values()) {
      if (execution.ended !== null) continue;
      execution.state = "cancelled";
      execution.ended = event.ts;
    }
  }

  private pane(agent: string): Pane {
    let pane = this.panes.get(agent);
    if (pane === undefined) {
      pane = new Pane(agent, this.panes.size);
      this.panes.set(agent, pane);
    }
    return pane;
  }
}

const KNOWN = new Set(["run.interrupted", "run.resumed", "run.taken_over", "run.forked"]);

/** Say whether an event tells of an execution of a node, whether its type is known or not. */
export function isNodeEvent(event: Event): event is Event & NodeEvent {
  return "exec" in event && "node" in event;
}
