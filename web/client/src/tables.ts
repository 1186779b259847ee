// The tables that a reader obeys: duties, moves, times, and what an event must hold (PROTOCOL.md §2, §3 and §8).
// Made by tests/web/test_types.py from events/, client/session.py and base/codes.py of src/riverrun.
// To write it anew: RIVERRUN_WRITE_DOCS=1 make fast

/** What a reader does when something ended. */
export type Duty = "never" | "now" | "ask";

/** How a run ended: the type of its terminal event without `run.`. */
export type Ending = "completed" | "failed" | "stopped" | "timed_out" | "lost";

/** How a connection ended. */
export type Close = "ended" | "detached" | "network" | "silent" | "rotated" | "superseded" | "busy" | "refused" | "gone";

/** Where a session is; what a user sees. */
export type State = "connecting" | "live" | "reconnecting" | "polling" | "ended";

/** What can happen to a session. */
export type Move = "opened" | "received" | "polled" | "drained" | "closed" | "problem" | "detached";

/** What the shell does next. */
export type Do = "connect" | "poll" | "read" | "end";

export const RUN_DUTIES: Record<Ending, Duty> = {
  completed: "never",
  failed: "never",
  stopped: "never",
  timed_out: "ask",
  lost: "ask",
};

export const CLOSE_DUTIES: Record<Close, Duty> = {
  ended: "never",
  detached: "never",
  network: "now",
  silent: "now",
  rotated: "now",
  superseded: "never",
  busy: "now",
  refused: "never",
  gone: "ask",
};

export const MOVES: Record<State, Partial<Record<Move, readonly State[]>>> = {
  connecting: {
    opened: ["live"],
    drained: ["ended"],
    closed: ["reconnecting", "polling", "ended"],
    problem: ["reconnecting", "ended"],
    detached: ["ended"],
  },
  reconnecting: {
    opened: ["live"],
    drained: ["ended"],
    closed: ["reconnecting", "polling", "ended"],
    problem: ["reconnecting", "ended"],
    detached: ["ended"],
  },
  live: {
    received: ["live", "reconnecting", "polling", "ended"],
    closed: ["reconnecting", "polling", "ended"],
    detached: ["ended"],
  },
  polling: {
    polled: ["reconnecting", "polling", "ended"],
    drained: ["ended"],
    closed: ["polling", "ended"],
    problem: ["polling", "ended"],
    detached: ["ended"],
  },
  ended: {},
};

/** The times and counts of PROTOCOL.md §8; all times in seconds. */
export interface Pace {
  /** How often a quiet server gives a sign of life. */
  readonly heartbeatInterval: number;
  /** How long an open stream may show nothing at all. */
  readonly firstByteTimeout: number;
  /** The second try; each later one waits twice as long. */
  readonly firstDelay: number;
  /** No try waits longer, unless the server asks for it. */
  readonly longestDelay: number;
  /** So many barren streams in a row lead to polling. */
  readonly barrenLimit: number;
  /** A stream that ends sooner, without event or heartbeat, is barren. */
  readonly barrenSeconds: number;
  /** After so long a stream is tried again. */
  readonly pollSeconds: number;
  /** Give up when the server was not heard for so long; null never does. */
  readonly patience: number | null;
}

export const PACE: Pace = {
  heartbeatInterval: 15.0,
  firstByteTimeout: 5.0,
  firstDelay: 0.25,
  longestDelay: 5.0,
  barrenLimit: 3,
  barrenSeconds: 5.0,
  pollSeconds: 30.0,
  patience: null,
};

/** What a value must be: a plain word, or a word and what is inside. */
export type Shape = string | readonly [string, ...Shape[]];

/** Whether a field must be there, and what it is. */
export type Field = readonly [needed: boolean, shape: Shape];

export const ENVELOPE: Record<string, Field> = {
  seq: [true, "integer"],
  ts: [true, "integer"],
  run: [true, "text"],
  ns: [false, ["list", "text"]],
};

export const NODE: Record<string, Field> = {
  ...ENVELOPE,
  node: [true, "text"],
  exec: [true, "text"],
  attempt: [false, "integer"],
  agent: [false, ["either", "text", "null"]],
};

export const END: Record<string, Field> = {
  ...ENVELOPE,
  steps: [false, "integer"],
  partial: [false, ["list", "text"]],
};

export const SHAPES: Record<string, Record<string, Field>> = {
  "run.started": {
    ...ENVELOPE,
    graph: [true, "text"],
    input: [false, "any"],
    log: [true, "text"],
    limit: [false, "integer"],
    timeout: [false, ["either", "number", "null"]],
    thread: [false, ["either", "text", "null"]],
    grace: [false, ["either", "number", "null"]],
    base: [false, ["either", ["record", "Base"], "null"]],
    node: [false, ["either", "text", "null"]],
    goto: [false, ["either", ["list", ["either", "text", ["record", "Send"]]], "null"]],
    defaults: [false, ["map", "any"]],
    held: [false, "flag"],
    before: [false, ["list", "text"]],
    after: [false, ["list", "text"]],
    context: [false, "any"],
    config: [false, "any"],
  },
  "node.started": { ...NODE, after: [false, ["list", "text"]] },
  "node.chunk": {
    ...NODE,
    message: [true, "text"],
    value: [true, "any"],
    key: [false, ["either", "text", "null"]],
    start: [false, ["either", "integer", "null"]],
  },
  "node.completed": {
    ...NODE,
    writes: [false, ["list", ["map", "any"]]],
    folds: [false, ["map", "text"]],
    goto: [false, ["either", ["list", ["either", "text", ["record", "Send"]]], "null"]],
    leaves: [false, "flag"],
    cached: [false, "flag"],
  },
  "node.retrying": {
    ...NODE,
    voids: [false, ["list", "text"]],
    reason: [false, "text"],
    error: [false, ["either", ["record", "ErrorInfo"], "null"]],
    delay: [false, "number"],
  },
  "node.interrupted": { ...NODE, question: [true, ["record", "Question"]] },
  "node.cancelled": { ...NODE, voids: [false, ["list", "text"]], reason: [false, "text"] },
  "node.failed": {
    ...NODE,
    error: [true, ["record", "ErrorInfo"]],
    voids: [false, ["list", "text"]],
    tolerated: [false, "flag"],
  },
  custom: { ...NODE, name: [false, "text"], value: [false, "any"] },
  "run.interrupted": { ...ENVELOPE, questions: [false, ["list", ["record", "Question"]]] },
  "run.resumed": { ...ENVELOPE, answers: [false, ["map", "any"]], control: [false, "integer"] },
  "run.taken_over": { ...ENVELOPE, epoch: [true, "integer"], worker: [false, "text"] },
  "run.forked": {
    ...ENVELOPE,
    source: [true, "text"],
    at: [true, "integer"],
    limit: [false, ["either", "integer", "null"]],
  },
  "run.completed": { ...END },
  "run.failed": { ...END, error: [true, ["record", "ErrorInfo"]] },
  "run.stopped": { ...END, reason: [false, "text"] },
  "run.timed_out": { ...END, limit: [false, "number"] },
  "run.lost": { ...END, reason: [false, "text"] },
  ErrorInfo: {
    code: [true, "text"],
    message: [true, "text"],
    where: [false, "text"],
    mend: [false, "text"],
    kind: [false, "text"],
  },
  Question: {
    id: [true, "text"],
    node: [true, "text"],
    exec: [true, "text"],
    value: [false, "any"],
    kind: [false, "text"],
    schema: [false, "any"],
    problem: [false, "text"],
  },
  Send: { node: [true, "text"], arg: [false, "any"] },
  Base: { run: [true, "text"], seq: [false, ["either", "integer", "null"]] },
};

export const TERMINAL: readonly string[] = ["run.completed", "run.failed", "run.stopped", "run.timed_out", "run.lost"];

/** What to do about an error, by its code. */
export const MENDS: Record<string, string> = {
  E2001: "Send one JSON object with content-type application/json.",
  E2005: "Check the id and the tenant; `riverrun runs list` shows what is there.",
  E2007: "Send back the id exactly as it was received.",
  E2008: "Attach from 0: what was read belongs to a log that is gone.",
  E3010: "Try again after the time named, or raise max_running or max_waiting.",
  E3011: "Its last event says how and why.",
  E3012: "This is a defect of the caller: see the state and the signal named.",
  E5001: "Check that the server runs and that the address is right.",
  E5002: "The client reconnects by itself; this error means that it gave up.",
  E5003: "Check that the address is that of a Riverrun server of a fitting version.",
  E5004: "The client reads again from its last event.",
  E5005: "Check that the server is not overloaded and that no proxy holds its answers back.",
  E6006: "Take one of the values that the message names; for a command see --help.",
};
