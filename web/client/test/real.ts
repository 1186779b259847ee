// Programs that tests/web/test_client.py runs against a real server; each says what it saw as lines of JSON.
//
//   node real.js read <url> <run> <times> <transport>   read a run so often, one after another, from its beginning
//   node real.js verbs <url>                start, attach, detach, stop, answer, fork, and read results
//   node real.js walk <file>                put the session to scripts, and say where it is after each step

import { readFileSync } from "node:fs";

import { Client, View, type Event, type Transport } from "../src/index.js";
import { Driven, type SessionCase, type SessionFile } from "./cases.js";

const [what, given = "", run = "", times = "1", transport = "auto"] = process.argv.slice(2);

function say(told: object): void {
  process.stdout.write(`${JSON.stringify(told)}\n`);
}

async function read(): Promise<void> {
  const pace = { firstDelay: 0.01, longestDelay: 0.2 };
  const client = new Client(given, { pace, timeout: 10, transport: transport as Transport });
  for (let number = 0; number < Number(times); number += 1) {
    const events: Event[] = [];
    const view = new View();
    const subscription = client.run(run).attach();
    for await (const event of subscription) {
      view.apply(event);
      events.push(event);
    }
    const { close, ending, reconnects } = subscription;
    say({ events, close, ending, reconnects, text: view.text("text"), place: view.place });
  }
}

async function verbs(): Promise<void> {
  const client = new Client(given);
  say({ graphs: (await client.graphs()).map((graph) => graph.name) });
  const words = await client.start("words", { count: 5 }, { idemKey: "one" });
  const again = await client.start("words", { count: 5 }, { idemKey: "one" });
  say({ same: words.id === again.id, result: await words.result() });
  await texts(client);
  const wait = await client.start("wait", {});
  const left = wait.attach();
  const first = await left.next();
  left.detach();
  say({ first: first.value?.type, close: left.close, status: (await wait.info()).status });
  const stopped = wait.attach(left.cursor);
  await wait.stop("enough");
  const types: string[] = [];
  for await (const event of stopped) types.push(event.type);
  say({ last: types.at(-1), ending: stopped.ending, duty: stopped.duty });
  const ended = (await client.runs({ graph: "wait" })).map((one) => [one.run === wait.id, one.ending]);
  say({ ended, none: await client.run("f".repeat(32)).info().catch((error: { code: string }) => error.code) });
  await questions(client);
}

/** Start and attach in one request, and read the same text by its offsets. */
async function texts(client: Client): Promise<void> {
  const run = await client.start("words", { count: 5 }, { attach: true });
  const view = new View();
  for await (const event of run.attach()) view.apply(event);
  const [message] = view.messages.values();
  let text = "";
  for (let done = false; !done; ) {
    const part = await run.text(message!.id, { offset: Math.min(text.length, 7), wait: 5 });
    text = text.slice(0, part.offset) + part.text;
    done = part.done && text.length === part.next;
  }
  say({ read: view.text("text"), text, ending: view.ending });
}

async function questions(client: Client): Promise<void> {
  const run = await client.start("ask", {});
  const view = new View();
  for await (const event of run.attach()) {
    view.apply(event);
    if (event.type === "run.interrupted") break;
  }
  const [question] = view.questions.values();
  const parked = await run.info();
  say({ value: question?.value, status: parked.status, same: parked.questions?.[0]?.id === question?.id });
  const wrong = await run.resume({ "nobody:1?1": 1 }).catch((error: { code: string }) => error.code);
  await run.resume({ [question!.id]: "it shall" });
  for await (const event of run.attach(`${view.log}.${view.place}`)) view.apply(event);
  say({ result: await run.result(), open: view.questions.size, wrong });
  const fork = await run.fork({ at: parked.head });
  await fork.resume({ [question!.id]: "it shall not" });
  say({ other: fork.id !== run.id, result: await fork.result() });
}

function walk(): void {
  const file = JSON.parse(readFileSync(given, "utf8")) as SessionFile & { readonly dice: readonly number[] };
  for (const [at, one] of (file.cases as readonly SessionCase[]).entries()) {
    const driven = new Driven(file, one, file.dice[at]!);
    say(one.steps.map((step) => driven.happen(step)));
  }
}

if (what === "read") await read();
else if (what === "verbs") await verbs();
else walk();
