// What a reader has after applying a log from the start: texts, what is void, where each node is, how it ended.
//
// The fold is idempotent and needs no graph, so a page, a test and a replay use the same one. It is the fold of
// src/riverrun/log/view.py; conformance/view.yaml holds both to it.

import { isTerminal } from "./decode.js";
import { ProtocolFault } from "./errors.js";
import { endingOf } from "./session.js";
import type { Ending } from "./tables.js";
import type { ErrorInfo, Event, Json, NodeChunk, Question } from "./types.js";

/** What was done with an event: applied, ignored because it is known, or refused because something is missing. */
export type Verdict = "apply" | "known" | "gap";

/** Where an execution is, as its last event says. */
export type NodeState = "started" | "retrying" | "interrupted" | "completed" | "failed" | "cancelled";

/** One message as far as it was received. */
export interface Message {
  readonly id: string;
  /** Who speaks. */
  readonly node: string;
  readonly exec: string;
  /** Name to show for who speaks. */
  readonly agent: string;
  /** Where its fold will be stored, if anywhere. */
  readonly key: string | null;
  /** The pieces that stand. */
  readonly values: readonly Json[];
  /** The text pieces, joined. */
  readonly text: string;
  /** Of its text, in UTF-16 code units. */
  readonly length: number;
  /** So much of its beginning is no longer there, and is counted in `length`: 0 unless the log was trimmed. */
  readonly missing: number;
}

type Mutable<T> = { -readonly [name in keyof T]: T[name] };
type Growing = Omit<Mutable<Message>, "values"> & { values: Json[] };

const STATES = {
  "node.started": "started",
  "node.retrying": "retrying",
  "node.interrupted": "interrupted",
  "node.completed": "completed",
  "node.failed": "failed",
  "node.cancelled": "cancelled",
} as const;

type Moved = Extract<Event, { readonly type: keyof typeof STATES }>;

/** Fold events into what a reader shows. */
export class View {
  /** seq of the last applied event. */
  place: number;
  /** Id of the log, once known. */
  log = "";
  /** Name of the graph, once known. */
  graph = "";
  /** Where each execution is. */
  readonly nodes = new Map<string, NodeState>();
  /** The name to show for each execution. */
  readonly agents = new Map<string, string>();
  /** What the run waits to be told, by id, in the order in which it was asked. */
  readonly questions = new Map<string, Question>();
  /** Length of all text that was taken back, in UTF-16 code units. */
  voided = 0;
  /** How often the run changed its owner. */
  takeovers = 0;
  /** How many chunks were applied. */
  chunks = 0;
  /** How it ended, once it did. */
  ending: Ending | null = null;
  /** Why, when it failed. */
  error: ErrorInfo | null = null;
  private readonly told = new Map<string, Growing>();

  /** @param floor seq before the first event that is left of a log that was trimmed; text from before it is missing. */
  constructor(readonly floor = 0) {
    this.place = floor;
  }

  /** By id, in the order of their first chunk. */
  get messages(): ReadonlyMap<string, Message> {
    return this.told;
  }

  /**
   * Take in one event if it continues, and say what was done with it.
   *
   * @throws ProtocolFault E5004: a piece of text does not continue its message; nothing has changed.
   */
  apply(event: Event): Verdict {
    if (event.seq !== this.place + 1) return event.seq <= this.place ? "known" : "gap";
    if (event.type === "node.chunk") this.chunk(event);
    else if (Object.hasOwn(STATES, event.type)) this.node(event as Moved);
    else this.run(event);
    this.place = event.seq;
    return "apply";
  }

  /** Give the text streamed under a key of the state, all its messages joined; empty when there is none. */
  text(key: string): string {
    let text = "";
    for (const message of this.told.values()) if (message.key === key) text += message.text;
    return text;
  }

  private chunk(event: NodeChunk): void {
    const message = this.told.get(event.message) ?? begun(event, this.floor > 0);
    if (typeof event.value === "string") {
      if (event.start !== undefined && event.start !== null) {
        if (event.start !== message.length) {
          const what = `a piece of '${event.message}' starts at ${event.start}, its text ends at ${message.length}`;
          throw new ProtocolFault("E5004", what, { where: `seq ${event.seq}` });
        }
        message.length += event.value.length;
      }
      message.text += event.value;
    }
    message.values.push(event.value);
    this.told.set(event.message, message);
    this.chunks += 1;
  }

  private node(event: Moved): void {
    this.nodes.set(event.exec, STATES[event.type]);
    this.agents.set(event.exec, event.agent ?? event.node);
    if (event.type === "node.interrupted") {
      this.questions.delete(event.question.id); // asked again it is the latest
      this.questions.set(event.question.id, event.question);
    } else if (event.type === "node.cancelled" || event.type === "node.failed") {
      this.void(event.voids);
      // Nobody waits for an answer to what an execution asked that is gone.
      for (const [id, question] of this.questions) if (question.exec === event.exec) this.questions.delete(id);
    } else if (event.type === "node.retrying") {
      this.void(event.voids);
    }
  }

  private void(messages: readonly string[] = []): void {
    for (const id of messages) {
      const message = this.told.get(id);
      if (message === undefined) continue;
      this.voided += message.length - message.missing;
      message.values = [];
      message.text = "";
      message.length = 0;
      message.missing = 0;
    }
  }

  private run(event: Event): void {
    if (event.type === "run.started") {
      this.log = event.log;
      this.graph = event.graph;
    } else if (event.type === "run.taken_over") {
      this.takeovers += 1;
    } else if (isTerminal(event)) {
      this.ending = endingOf(event);
      this.error = event.type === "run.failed" ? event.error : null;
      this.questions.clear();
    } else if (event.type === "run.resumed") {
      for (const id of Object.keys(event.answers ?? {})) this.questions.delete(id);
    }
  }
}

function begun(chunk: NodeChunk, trimmed: boolean): Growing {
  const { message: id, node, exec, key = null, agent, start } = chunk;
  const missing = trimmed ? (start ?? 0) : 0;
  return { id, node, exec, agent: agent ?? node, key, values: [], text: "", length: missing, missing };
}
