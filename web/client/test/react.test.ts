// The hooks show what the log tells, share one connection, and give the same object while it says the same.

import assert from "node:assert/strict";
import { afterEach, test } from "node:test";

import { Component, createElement, StrictMode, type ReactElement, type ReactNode } from "react";
import { create, type ReactTestRenderer } from "react-test-renderer";

import { Client } from "../src/client.js";
import {
  RiverrunProvider,
  useConnection,
  useEvents,
  useInterrupts,
  useLane,
  useRun,
  type Filter,
} from "../src/react/index.js";
import type { Event } from "../src/types.js";
import { begin, blockOf, event, json, LogServer, LOG, logOf, RUN, status, type Answer } from "./server.js";

const servers: LogServer[] = [];
const roots: ReactTestRenderer[] = [];
let waiting: (() => void)[] = [];

afterEach(async () => {
  for (const root of roots.splice(0)) root.unmount();
  for (const server of servers.splice(0)) await server.close();
});

async function serving(events: Event[], ...faults: Answer[]): Promise<LogServer> {
  const server = await LogServer.on(events, ...faults);
  servers.push(server);
  return server;
}

/** A component that shows what a hook gives, and counts how often it was shown. */
function showing(hook: () => unknown): { readonly part: () => ReactNode; readonly shown: any[] } {
  const shown: unknown[] = [];
  return {
    shown,
    part: () => {
      shown.push(hook());
      for (const one of waiting.splice(0)) one();
      return null;
    },
  };
}

function tree(client: Client, ...parts: (() => ReactNode)[]): ReactNode {
  const children = parts.map((part, at) => createElement(part, { key: at }));
  return createElement(StrictMode, null, createElement(RiverrunProvider, { client }, children));
}

function mount(client: Client, ...parts: (() => ReactNode)[]): ReactTestRenderer {
  const root = create(tree(client, ...parts) as ReactElement);
  roots.push(root);
  return root;
}

/** Wait until something that is shown is so. */
async function until(so: () => boolean): Promise<void> {
  while (!so()) await new Promise<void>((resolve) => waiting.push(resolve));
}

const WRITER = { node: "writer", exec: "writer:1", agent: "Ann" };
const TALK: Event[] = [
  event(1, "run.started", { graph: "talk", log: LOG }),
  event(2, "node.started", WRITER),
  event(3, "node.started", { node: "critic", exec: "critic:1" }),
  event(4, "node.chunk", { ...WRITER, message: "w", key: "a", value: "hel", start: 0 }),
  event(5, "node.chunk", { node: "critic", exec: "critic:1", message: "c", key: "b", value: "bad", start: 0 }),
  event(6, "node.chunk", { ...WRITER, message: "w", key: "a", value: "lo", start: 3 }),
  event(7, "custom", { node: "critic", exec: "critic:1", name: "progress", value: 0.5 }),
  event(8, "node.completed", WRITER),
  event(9, "run.stopped", { reason: "enough" }),
];

test("twenty hooks in StrictMode open one connection, and none is left when they are gone", async () => {
  const beginning = `id: ${LOG}.0\n\n${TALK.slice(0, 4).map(blockOf).join("")}`;
  const open: Answer = (response) => void begin(response).write(beginning);
  const server = await serving(TALK, open, open);
  const parts = Array.from({ length: 20 }, () => showing(() => useRun(RUN)));
  const root = mount(new Client(server.url), ...parts.map(({ part }) => part));
  await until(() => parts.every(({ shown }) => shown.at(-1)?.place === 4));
  assert.equal(server.asked.length, 1);
  assert.equal(server.open, 1);
  root.unmount();
  await server.until(() => server.open === 0);
  assert.equal(server.asked.length, 1);
});

test("a run shows its graph, its nodes, its text and how it ended", async () => {
  const server = await serving(TALK);
  const { part, shown } = showing(() => useRun(RUN));
  mount(new Client(server.url), part);
  await until(() => shown.at(-1)?.ending === "stopped");
  const run = shown.at(-1);
  assert.deepEqual([run.graph, run.place, run.ending, run.text("a")], ["talk", 9, "stopped", "hello"]);
  assert.deepEqual([...run.nodes], [["writer:1", "completed"], ["critic:1", "started"]]);
});

test("a lane shows what one agent says, and is not shown again for what others say", async () => {
  let write: (text: string) => void = () => undefined;
  const held: Answer = (response) => {
    begin(response).write(`id: ${LOG}.0\n\n${TALK.slice(0, 4).map(blockOf).join("")}`);
    write = (text) => void response.write(text);
  };
  const server = await serving(TALK, held);
  const ann = showing(() => useLane(RUN, "Ann"));
  const run = showing(() => useRun(RUN));
  mount(new Client(server.url), ann.part, run.part);
  await until(() => ann.shown.at(-1)?.text === "hel");
  const before = ann.shown.length;
  write(blockOf(TALK[4]!));
  await until(() => run.shown.at(-1)?.place === 5);
  assert.equal(ann.shown.length, before);
  write(blockOf(TALK[5]!));
  await until(() => ann.shown.at(-1)?.text === "hello");
  assert.deepEqual([...ann.shown.at(-1)?.nodes], [["writer:1", "started"]]);
  assert.equal(ann.shown.at(-1)?.messages[0].text, "hello");
});

test("events are given by type, node and agent", async () => {
  const server = await serving(TALK);
  const types: Filter[] = [{}, { type: "node.chunk" }, { type: ["custom", "run.stopped"] }];
  const filters: Filter[] = [...types, { node: "critic" }, { agent: "Ann" }];
  const parts = filters.map((filter) => showing(() => useEvents(RUN, filter)));
  mount(new Client(server.url), ...parts.map(({ part }) => part));
  await until(() => parts[0]!.shown.at(-1)?.events.length === 9);
  const seqs = parts.map(({ shown }) => shown.at(-1)?.events.map((one: Event) => one.seq));
  assert.deepEqual(seqs, [[1, 2, 3, 4, 5, 6, 7, 8, 9], [4, 5, 6], [7, 9], [3, 5, 7], [2, 4, 6, 8]]);
  assert.equal(parts[0]!.shown.at(-1)?.dropped, 0);
});

test("open questions are shown until they are answered", async () => {
  const question = { id: "ask:1?1", node: "ask", exec: "ask:1", value: "go on?" };
  const asked = [
    event(1, "run.started", { graph: "g", log: LOG }),
    event(2, "node.interrupted", { node: "ask", exec: "ask:1", question }),
    event(3, "run.interrupted", { questions: [question] }),
  ];
  let write: (text: string) => void = () => undefined;
  const held: Answer = (response) => {
    begin(response).write(`id: ${LOG}.0\n\n${asked.map(blockOf).join("")}`);
    write = (text) => void response.write(text);
  };
  const server = await serving(asked, held);
  const { part, shown } = showing(() => useInterrupts(RUN));
  mount(new Client(server.url), part);
  await until(() => shown.at(-1)?.length === 1);
  assert.deepEqual(shown.at(-1), [question]);
  write(blockOf(event(4, "run.resumed", { answers: { "ask:1?1": true } })));
  await until(() => shown.at(-1)?.length === 0);
});

test("a connection says what is true of it, and lets the user go on", async () => {
  const server = await serving(TALK, status(410, { code: "E2006", head: 3, floor: 0 }));
  const { part, shown } = showing(() => useConnection(RUN));
  mount(new Client(server.url), part);
  await until(() => shown.at(-1)?.duty === "ask");
  assert.equal(shown[0].state, "connecting");
  assert.equal(shown.at(-1)?.fault.code, "E2006");
  shown.at(-1).again();
  await until(() => shown.at(-1)?.close === "ended");
  assert.deepEqual([shown.at(-1)?.fault, shown.at(-1)?.duty], [null, "never"]);
});

test("stopping is asked of the server, and the log says when it was done", async () => {
  const server = await serving(TALK);
  server.routes.set(`POST /v1/runs/${RUN}/stop`, json({ run: RUN, graph: "talk", status: "ended", head: 9, log: LOG }));
  const { part, shown } = showing(() => useRun(RUN));
  mount(new Client(server.url), part);
  await until(() => shown.at(-1)?.ending === "stopped");
  await shown.at(-1).stop("enough");
  assert.equal(server.asked.filter((asked) => asked.method === "POST")[0]!.body, '{"reason":"enough"}');
});

test("another run is another connection", async () => {
  const server = await serving(logOf(5));
  const other = "f".repeat(32);
  let run = RUN;
  const { part, shown } = showing(() => useRun(run));
  const client = new Client(server.url);
  const root = mount(client, part);
  await until(() => shown.at(-1)?.ending === "completed");
  run = other;
  root.update(tree(client, part) as ReactElement);
  await until(() => shown.at(-1)?.run === other && shown.at(-1)?.ending === "completed");
  assert.deepEqual(server.asked.map((asked) => asked.path.split("/")[3]), [RUN, other]);
});

test("a hook without a server says what to do", async () => {
  class Boundary extends Component<{ readonly children: ReactNode }> {
    static getDerivedStateFromError(error: Error): object {
      return { error };
    }

    override state: { error?: Error } = {};

    override render(): ReactNode {
      return this.state.error === undefined ? this.props.children : createElement(said.part);
    }
  }
  const said = showing(() => "an error is shown");
  const told: unknown[] = [];
  const loud = console.error;
  console.error = (...what: unknown[]) => told.push(...what);
  try {
    roots.push(create(createElement(Boundary, null, createElement(showing(() => useRun(RUN)).part))));
    await until(() => said.shown.length > 0);
  } finally {
    console.error = loud;
  }
  assert.match(told.map(String).join(" "), /E6006 a hook of riverrun\/react does not know which server to read from/);
});
