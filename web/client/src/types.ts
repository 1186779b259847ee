// What travels between a server and its readers (PROTOCOL.md §2, §4 and §7).
// Made by tests/web/test_types.py from events/kinds.py, wire/pages.py and wire/problem.py of src/riverrun.
// To write it anew: RIVERRUN_WRITE_DOCS=1 make fast

/** Any value that JSON can carry. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

/** What a reader may know of an error: never a stack trace. */
export interface ErrorInfo {
  /** A code of the catalogue (`riverrun explain CODE`). */
  readonly code: string;
  /** What happened. */
  readonly message: string;
  /** Node, key, or `file:line`. */
  readonly where?: string;
  /** What to do about it. */
  readonly mend?: string;
  /** Name of the exception's class, when user code raised it. */
  readonly kind?: string;
}

/** One thing that an interrupted run waits to be told. */
export interface Question {
  /** The same across restarts; an answer names it. */
  readonly id: string;
  /** Who asks. */
  readonly node: string;
  /** Which execution asks. */
  readonly exec: string;
  /** What is asked, as the node gave it. */
  readonly value?: Json;
  /**
   * `asked` by the node itself; or the run was told to hold `before` or `after` a node, and any answer lets it go on.
   */
  readonly kind?: string;
  /** JSON Schema that an answer must fit; null when any will do. */
  readonly schema?: Json;
  /** Why the answer before did not fit; empty for a new question. */
  readonly problem?: string;
}

/** A call of a node with an input of its own, from a router or a `Command`: it starts at once and never merges. */
export interface Send {
  /** Name of the node. */
  readonly node: string;
  /** What the node is given in place of the state. */
  readonly arg?: Json;
}

/** Where a run takes its first state from: another run at one of its events. */
export interface Base {
  /** Id of that run, of the same tenant. */
  readonly run: string;
  /** Up to this event; null: as it ended. */
  readonly seq?: number | null;
}

/** The envelope that all events share. */
export interface Envelope {
  readonly type: string;
  /** Place in the log of the run: 1, 2, 3 …, without a hole. */
  readonly seq: number;
  /** When it happened, in milliseconds since the Unix epoch, by the clock of the worker. */
  readonly ts: number;
  /** Id of the run. */
  readonly run: string;
  /** Path of sub graphs from the root, outermost first; empty at the root. */
  readonly ns?: readonly string[];
}

/** What all events of one execution of a node share. */
export interface NodeEvent extends Envelope {
  /** Name of the node in its graph. */
  readonly node: string;
  /** Deterministic id of this execution: `node:ordinal`, the same after a crash. */
  readonly exec: string;
  /** Which try of this execution, from 1. */
  readonly attempt?: number;
  /** Name to show to people, where it differs from `node`. */
  readonly agent?: string | null;
}

/** The last event of a log. */
export interface TerminalEvent extends Envelope {
  /** How many executions of nodes the run made. */
  readonly steps?: number;
  /** Ids of messages that were cut short; their text so far is kept. */
  readonly partial?: readonly string[];
}

/** A run exists. Always the first event of a log. */
export interface RunStarted extends Envelope {
  readonly type: "run.started";
  /** Name of the graph. */
  readonly graph: string;
  /** What the run was started with. */
  readonly input?: Json;
  /** Id of this incarnation of the log; with a `seq` it makes a cursor. */
  readonly log: string;
  /** How many executions of nodes the run may make. */
  readonly limit?: number;
  /** Seconds the run may take; null for no limit. */
  readonly timeout?: number | null;
  /** The conversation this run belongs to, if any. */
  readonly thread?: string | null;
  /** Seconds without a reader, once there was one, after which it is stopped; null: it goes on. */
  readonly grace?: number | null;
  /** Where the state that `input` is written to comes from; null: there is none. */
  readonly base?: Base | null;
  /** The run goes on behind this node, as if that had written `input`; null: it begins at START. */
  readonly node?: string | null;
  /** It goes on with these instead of what follows; null: with what follows. */
  readonly goto?: readonly (string | Send)[] | null;
  /** Starting values of the keys that neither `input` nor the base has: made once, by the state's class. */
  readonly defaults?: { readonly [name: string]: Json };
  /** It waits at its beginning until it is resumed. */
  readonly held?: boolean;
  /** It holds before these nodes (`*`: all). */
  readonly before?: readonly string[];
  /** It holds after these nodes (`*`: all). */
  readonly after?: readonly string[];
  /** What its nodes may read of it and never change (`ctx.context`). */
  readonly context?: Json;
  /** What its nodes see as `config`. */
  readonly config?: Json;
}

/** A node began to run. */
export interface NodeStarted extends NodeEvent {
  readonly type: "node.started";
  /** The executions whose end triggered it, in merge order; empty for the first nodes. */
  readonly after?: readonly string[];
}

/** One piece of what a node puts out while it runs. */
export interface NodeChunk extends NodeEvent {
  readonly type: "node.chunk";
  /** Id of the message that this piece belongs to; the same in every attempt. */
  readonly message: string;
  /** The piece: text, or any JSON value. */
  readonly value: Json;
  /** Key of the state under which the fold of the message will be stored, if any. */
  readonly key?: string | null;
  /**
   * For text: length of the message before this piece, in UTF-16 code units, so that applying a piece twice is harmless
   * and a text offset finds its piece by bisection.
   */
  readonly start?: number | null;
}

/** A node ended well; what it wrote to the state. */
export interface NodeCompleted extends NodeEvent {
  readonly type: "node.completed";
  /** Its updates, in order; most nodes make one. */
  readonly writes?: readonly { readonly [name: string]: Json }[];
  /**
   * Keys whose value is the fold of this execution's own chunks: `text` (concatenated) or `list` (appended). The value
   * is not repeated here.
   */
  readonly folds?: { readonly [name: string]: string };
  /**
   * The targets that routers or the node chose beside its plain edges; null when there was nothing to choose. What the
   * routers of START chose is told by an event of the node `__start__`.
   */
  readonly goto?: readonly (string | Send)[] | null;
  /** Whether it left its sub graph with this: `writes` and `goto` are meant for the graph around it. */
  readonly leaves?: boolean;
  /** Whether this was kept from an earlier execution, and the function did not run. */
  readonly cached?: boolean;
}

/** A new attempt of this execution begins; what the one before it put out is void from now on. */
export interface NodeRetrying extends NodeEvent {
  readonly type: "node.retrying";
  /** Ids of the messages whose chunks so far are void; the new attempt begins each anew at 0. */
  readonly voids?: readonly string[];
  /**
   * `taken_over` (its worker died), `failed` (a retry policy), `handled` (its error handler takes its place) or
   * `resumed` (its question was answered).
   */
  readonly reason?: string;
  /** Why the attempt failed, when it did. */
  readonly error?: ErrorInfo | null;
  /** Seconds until the new attempt begins. */
  readonly delay?: number;
}

/** A node asked something and waits; others go on. */
export interface NodeInterrupted extends NodeEvent {
  readonly type: "node.interrupted";
  /** What it asked. */
  readonly question: Question;
}

/** A node was told to end because nobody needs it any more, while its run goes on. */
export interface NodeCancelled extends NodeEvent {
  readonly type: "node.cancelled";
  /** Ids of the messages whose chunks so far are void. */
  readonly voids?: readonly string[];
  /**
   * `decided` (enough other branches had arrived), `left` (its sub graph was left) or `failed` (its sub graph failed).
   */
  readonly reason?: string;
}

/** A node ended badly. */
export interface NodeFailed extends NodeEvent {
  readonly type: "node.failed";
  /** What happened. */
  readonly error: ErrorInfo;
  /** Ids of the messages whose chunks so far are void, where the run goes on without them. */
  readonly voids?: readonly string[];
  /** Whether the run goes on: a join further on takes what its other branches bring. */
  readonly tolerated?: boolean;
}

/** Whatever a node chose to tell its readers (`ctx.emit`). */
export interface Custom extends NodeEvent {
  readonly type: "custom";
  /** A name of the node's choosing. */
  readonly name?: string;
  /** Any JSON value. */
  readonly value?: Json;
}

/** The run is parked until its questions are answered. */
export interface RunInterrupted extends Envelope {
  readonly type: "run.interrupted";
  /** All that are open. */
  readonly questions?: readonly Question[];
}

/** Answers arrived. */
export interface RunResumed extends Envelope {
  readonly type: "run.resumed";
  /** By id of the question. */
  readonly answers?: { readonly [name: string]: Json };
  /** Which request of the run's inbox brought them; 0 where there is no inbox. */
  readonly control?: number;
}

/** Another worker owns the run from here on; its former owner can write nothing more. */
export interface RunTakenOver extends Envelope {
  readonly type: "run.taken_over";
  /** The new fencing number. */
  readonly epoch: number;
  /** Id of the new owner. */
  readonly worker?: string;
}

/** What stands before this was copied from another run; what was unfinished there begins anew here. */
export interface RunForked extends Envelope {
  readonly type: "run.forked";
  /** Id of the other run. */
  readonly source: string;
  /** The last seq of its log that was copied. */
  readonly at: number;
  /** How many executions of nodes the run may make from here on counted from its beginning; null: as before. */
  readonly limit?: number | null;
}

/** The run did all it had to do. */
export interface RunCompleted extends TerminalEvent {
  readonly type: "run.completed";
}

/** The run ended by an error; what was finished before is kept. */
export interface RunFailed extends TerminalEvent {
  readonly type: "run.failed";
  /** What happened. */
  readonly error: ErrorInfo;
}

/** A user ended the run. */
export interface RunStopped extends TerminalEvent {
  readonly type: "run.stopped";
  /** Why, as the user said it. */
  readonly reason?: string;
}

/** The run took longer than it was allowed to. */
export interface RunTimedOut extends TerminalEvent {
  readonly type: "run.timed_out";
  /** What it was allowed, in seconds. */
  readonly limit?: number;
}

/** No worker could go on with the run. */
export interface RunLost extends TerminalEvent {
  readonly type: "run.lost";
  /** Why not. */
  readonly reason?: string;
}

/**
 * The events that this version knows. One of a later version comes through too, as it was received: leave a
 * `default` in a `switch` over `type`.
 */
export type Event =
  | RunStarted
  | NodeStarted
  | NodeChunk
  | NodeCompleted
  | NodeRetrying
  | NodeInterrupted
  | NodeCancelled
  | NodeFailed
  | Custom
  | RunInterrupted
  | RunResumed
  | RunTakenOver
  | RunForked
  | RunCompleted
  | RunFailed
  | RunStopped
  | RunTimedOut
  | RunLost;

/** What a server tells of a run beside its log (PROTOCOL.md §4). */
export interface RunInfo {
  /** Its id. */
  readonly run: string;
  /** Name of its graph. */
  readonly graph: string;
  /** `queued`, `running`, `parked` or `ended`. */
  readonly status: string;
  /** Value of `Ending` once it has ended. */
  readonly ending?: string | null;
  /** seq of the last committed event. */
  readonly head: number;
  /** Id of its log. */
  readonly log: string;
  /** Fencing number of its owner; 0 before the first. */
  readonly epoch: number;
  /** The conversation it belongs to, if any. */
  readonly thread?: string | null;
  /** In milliseconds since the Unix epoch. */
  readonly created_ms: number;
  /** Of the last commit. */
  readonly updated_ms: number;
}

/** The answer to `GET /v1/runs/{run}`: the run, and what it waits to be told. */
export interface AskingRun extends RunInfo {
  /** All that are open of a run that is parked; else none. */
  readonly questions?: readonly Question[];
}

/** One way from a node to another; `conditional` when a router or the node itself chooses it. */
export interface GraphEdge {
  readonly source: string;
  readonly target: string;
  readonly conditional?: boolean;
}

/** One graph that is served. */
export interface GraphInfo {
  /** What a start calls it. */
  readonly name: string;
  /** In the order they were added. */
  readonly nodes?: readonly string[];
  /** Between them. */
  readonly edges?: readonly GraphEdge[];
  /** JSON Schema of what a run may be started with. */
  readonly input?: { readonly [name: string]: Json };
}

/** The answer to `GET /v1/runs/{run}/text` (PROTOCOL.md §13). Offsets are in UTF-16 code units. */
export interface TextPart {
  /** Id of the run. */
  readonly run: string;
  /** Id of the message. */
  readonly message: string;
  /** What follows `offset`. */
  readonly text: string;
  /** Where `text` begins: cut there what you have. */
  readonly offset: number;
  /** Length of the whole text: the offset to ask for next. */
  readonly next: number;
  /** Which attempt the text is of. */
  readonly attempt: number;
  /** Whether nothing can follow. */
  readonly done: boolean;
  /** Whether text that was given before was taken back. */
  readonly voided: boolean;
  /** seq up to which the log was read. */
  readonly place: number;
}

/** One error as it travels. */
export interface Problem {
  /** `urn:riverrun:error:<code>`. */
  readonly type: string;
  /** What the catalogue calls it. */
  readonly title: string;
  /** Of HTTP. */
  readonly status: number;
  /** What happened. */
  readonly detail: string;
  /** Of the catalogue (`riverrun explain CODE`). */
  readonly code: string;
  /** The place. */
  readonly where?: string;
  /** What to do about it. */
  readonly mend?: string;
  /** For places: seq of the last committed event. */
  readonly head?: number | null;
  /** For places: seq before the first event that is left. */
  readonly floor?: number | null;
  /** For limits: seconds after which a new try makes sense. */
  readonly retry_after?: number | null;
}
