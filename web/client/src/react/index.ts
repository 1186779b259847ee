// React hooks over one live run: however many there are, they share one connection and one view.
//
// A hook is shown again only when what it gives has changed. It does not know how events arrive (live.ts).

import { createContext, createElement, useCallback, useContext, useMemo, useRef, useSyncExternalStore } from "react";
import type { ReactElement, ReactNode } from "react";

import type { Client } from "../client.js";
import { RiverrunError } from "../errors.js";
import type { Ending } from "../tables.js";
import type { ErrorInfo, Event, NodeEvent, Question } from "../types.js";
import type { Message, NodeState } from "../view.js";
import { liveRun, type Connection, type LiveRun } from "../live.js";

const Server = createContext<Client | null>(null);

/** Say which server the hooks below it read from. */
export function RiverrunProvider(props: { readonly client: Client; readonly children?: ReactNode }): ReactElement {
  return createElement(Server.Provider, { value: props.client }, props.children);
}

/** A run as a whole. */
export interface RunView {
  /** Id of the run. */
  readonly run: string;
  /** Name of its graph, once known. */
  readonly graph: string;
  /** seq of the last event that was applied. */
  readonly place: number;
  /** How it ended, once it did: `stopped` by a user, `timed_out`, and so on. */
  readonly ending: Ending | null;
  /** Why, when it failed. */
  readonly error: ErrorInfo | null;
  /** Where each execution is. */
  readonly nodes: ReadonlyMap<string, NodeState>;
  /** Give the text streamed under a key of the state. */
  readonly text: (key: string) => string;
  /** Ask the server to stop it. Taking the component away only leaves its log. */
  readonly stop: (reason?: string) => Promise<void>;
}

/** What one agent says. */
export interface Lane {
  /** All its text that stands, in order. */
  readonly text: string;
  /** Its messages, in the order of their first chunk. */
  readonly messages: readonly Message[];
  /** Its executions, and where each is. */
  readonly nodes: ReadonlyMap<string, NodeState>;
}

/** Which events to give; what is left out does not matter. */
export interface Filter {
  readonly type?: string | readonly string[];
  readonly node?: string;
  readonly agent?: string;
}

/** The events that were asked for, and how many of the run are no longer kept to look at. */
export interface Events {
  readonly events: readonly Event[];
  readonly dropped: number;
}

/** The connection of a run, and the way on where the user is to decide. */
export interface ConnectionView extends Connection {
  /** Read again from the same place. */
  readonly again: () => void;
}

/**
 * Show a run.
 *
 * @param run Its id.
 * @param client The server, where no `RiverrunProvider` says which.
 */
export function useRun(run: string, client?: Client): RunView {
  const live = useLive(run, client);
  return useMade(live, ({ view }) => ({
    run,
    graph: view.graph,
    place: view.place,
    ending: view.ending,
    error: view.error,
    nodes: new Map(view.nodes),
    text: (key: string) => view.text(key),
    stop: (reason?: string) => live.stop(reason),
  }));
}

/**
 * Show what one agent says while it says it.
 *
 * @param agent Its name: `agent` of the events, or the node where there is none.
 */
export function useLane(run: string, agent: string, client?: Client): Lane {
  const live = useLive(run, client);
  const make = ({ view }: LiveRun): Lane => {
    const messages = [...view.messages.values()].filter((message) => message.agent === agent);
    return {
      // Joined by `+`, which copies nothing.
      text: messages.reduce((text, message) => text + message.text, ""),
      messages: messages.map((message) => ({ ...message, values: [...message.values] })),
      nodes: new Map([...view.nodes].filter(([exec]) => view.agents.get(exec) === agent)),
    };
  };
  return useMade(live, make, agent, sameLane);
}

/**
 * Give the events of a run that fit a filter; of a long run only the newest are kept.
 *
 * @param filter Which; by default all.
 */
export function useEvents(run: string, filter: Filter = {}, client?: Client): Events {
  const live = useLive(run, client);
  const make = ({ events, dropped }: LiveRun): Events => ({ events: events.filter(fitting(filter)), dropped });
  return useMade(live, make, JSON.stringify(filter), sameEvents);
}

/** Give the questions that an interrupted run waits to be told. */
export function useInterrupts(run: string, client?: Client): readonly Question[] {
  const live = useLive(run, client);
  return useMade(live, ({ view }) => [...view.questions.values()], "", sameItems);
}

/** Show the truth about the connection of a run. */
export function useConnection(run: string, client?: Client): ConnectionView {
  const live = useLive(run, client);
  const again = useCallback(() => live.again(), [live]);
  const connection = useMade(live, () => live.connection, "", Object.is);
  return useMemo(() => ({ ...connection, again }), [connection, again]);
}

function useLive(run: string, client?: Client): LiveRun {
  const given = useContext(Server);
  const server = client ?? given;
  if (server === null) {
    const mend = "Put <RiverrunProvider client={new Client(url)}> around it, or pass the client to the hook.";
    throw new RiverrunError("E6006", "a hook of riverrun/react does not know which server to read from", { mend });
  }
  return useMemo(() => liveRun(server, run), [server, run]);
}

interface Made<Value> {
  readonly live: LiveRun;
  readonly version: number;
  readonly key: string;
  readonly value: Value;
}

/** Make something of a live, once for each beat, and give the same object while it says the same. */
function useMade<Value>(
  live: LiveRun,
  make: (live: LiveRun) => Value,
  key = "",
  same: (one: Value, other: Value) => boolean = () => false,
): Value {
  const made = useRef<Made<Value> | null>(null);
  const look = useCallback((changed: () => void) => live.look(changed), [live]);
  const give = (): Value => {
    const { version } = live;
    const last = made.current;
    const fits = last !== null && last.live === live && last.key === key;
    if (fits && last.version === version) return last.value;
    const value = make(live);
    const kept = fits && same(last.value, value) ? last.value : value;
    made.current = { live, version, key, value: kept };
    return kept;
  };
  return useSyncExternalStore(look, give, give);
}

function fitting(filter: Filter): (event: Event) => boolean {
  const types = typeof filter.type === "string" ? [filter.type] : filter.type;
  return (event) => {
    if (types !== undefined && !types.includes(event.type)) return false;
    if (filter.node === undefined && filter.agent === undefined) return true;
    if (!isNodeEvent(event)) return false;
    const { node, agent } = event;
    return (filter.node ?? node) === node && (filter.agent ?? agent ?? node) === (agent ?? node);
  };
}

function isNodeEvent(event: Event): event is Event & NodeEvent {
  return "exec" in event && "node" in event;
}

function sameItems<Item>(one: readonly Item[], other: readonly Item[]): boolean {
  return one.length === other.length && one.every((item, at) => item === other[at]);
}

function sameEvents(one: Events, other: Events): boolean {
  return one.dropped === other.dropped && sameItems(one.events, other.events);
}

function sameLane(one: Lane, other: Lane): boolean {
  if (one.nodes.size !== other.nodes.size || one.messages.length !== other.messages.length) return false;
  const alike = (message: Message, at: number): boolean => {
    const { text, values } = other.messages[at]!;
    return message.values.length === values.length && message.text === text;
  };
  return [...one.nodes].every(([exec, at]) => other.nodes.get(exec) === at) && one.messages.every(alike);
}
