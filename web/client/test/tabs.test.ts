// Several tabs read one run through one connection: each event once in each of them, whoever comes, goes or leads.

import assert from "node:assert/strict";
import { afterEach, describe, test } from "node:test";

import { Client } from "../src/client.js";
import type { EventPage } from "../src/decode.js";
import { byLock, byWord, type Lead, type Stand } from "../src/lead.js";
import { Subscription } from "../src/subscription.js";
import { Tab, type TabOptions } from "../src/tabs.js";
import { systemTime } from "../src/time.js";
import type { Event } from "../src/types.js";
import { ManualPage } from "./manual.js";
import { begin, blockOf, LogServer, logOf, LOG, RUN, status, type Answer } from "./server.js";

const servers: LogServer[] = [];
const tabs: Tab[] = [];
let names = 0;

afterEach(async () => {
  for (const tab of tabs.splice(0)) tab.detach();
  for (const server of servers.splice(0)) await server.close();
});

/** Streams that a test writes to, all at once. */
function live(): { readonly answer: Answer; readonly write: (...events: Event[]) => void } {
  const open = new Set<(text: string) => void>();
  const said: Event[] = [];
  const answer: Answer = (response, asked) => {
    begin(response).write(`id: ${LOG}.${asked.place}\n\n${said.slice(asked.place).map(blockOf).join("")}`);
    const write = (text: string): void => void response.write(text);
    open.add(write);
    response.on("close", () => open.delete(write));
  };
  const write = (...events: Event[]): void => {
    said.push(...events);
    for (const one of open) one(events.map(blockOf).join(""));
  };
  return { answer, write };
}

interface Member {
  readonly tab: Tab;
  readonly seqs: number[];
  readonly around: ManualPage;
  readonly told: { shared: boolean; state: string };
  ended: boolean;
  error: string | null;
}

interface Group {
  readonly server: LogServer;
  readonly join: (given?: Partial<TabOptions>) => Member;
  readonly write: (...events: Event[]) => void;
}

async function group(stand: (name: string) => Stand, answers?: Answer[]): Promise<Group> {
  const { answer, write } = live();
  const server = await LogServer.on(logOf(9), ...(answers ?? Array.from({ length: 20 }, () => answer)));
  servers.push(server);
  const client = new Client(server.url, { pace: { firstDelay: 0.01, longestDelay: 0.05 } });
  const run = client.run(RUN);
  names += 1;
  const name = `tabs of test ${process.pid} ${names}`;
  let ids = 0;
  const join = (given: Partial<TabOptions> = {}): Member => {
    ids += 1;
    const around = new ManualPage();
    const events: Event[] = [];
    const told = { shared: false, state: "connecting" };
    const tab = new Tab({
      name,
      id: `tab ${ids}`,
      place: 0,
      log: null,
      stand: stand(name),
      around,
      time: systemTime,
      dice: Math.random,
      open: (after, onChange) => run.attach(after, { onChange }),
      page: (after) => run.page(after),
      since: (place) => events.slice(place),
      onTold: ({ state }, shared) => Object.assign(told, { state, shared }),
      ...given,
    });
    tabs.push(tab);
    const member: Member = { tab, seqs: [], around, told, ended: false, error: null };
    void (async () => {
      try {
        for (let batch = await tab.batch(); batch !== null; batch = await tab.batch()) {
          events.push(...batch);
          member.seqs.push(...batch.map((event) => event.seq));
        }
      } catch (error) {
        member.error = (error as { readonly code: string }).code;
      }
      member.ended = true;
    })();
    return member;
  };
  return { server, join, write };
}

async function eventually(so: () => boolean): Promise<void> {
  const end = Date.now() + 15_000;
  while (!so()) {
    assert.ok(Date.now() < end, "it did not happen");
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const STANDS: [string, (name: string) => Stand][] = [["by what they say", () => byWord()]];
// Node 20 has no locks; browsers are tested in a browser.
const locks = (globalThis.navigator as Navigator | undefined)?.locks as LockManager | undefined;
if (locks !== undefined) STANDS.push(["by locks", (name) => byLock(locks, name)]);

for (const [how, stand] of STANDS) {
  describe(`tabs that agree ${how}`, () => {
    test("read through one connection, and end with the run", async () => {
      const { server, join, write } = await group(stand);
      const [first, ...others] = Array.from({ length: 5 }, () => join());
      await eventually(() => server.open === 1);
      const log = logOf(9);
      for (const event of log) {
        write(event);
        await eventually(() => first!.seqs.length >= event.seq);
      }
      await eventually(() => [first!, ...others].every((member) => member.ended));
      for (const { seqs, tab } of [first!, ...others]) {
        assert.deepEqual(seqs, log.map((event) => event.seq));
        assert.deepEqual([tab.close, tab.duty], ["ended", "never"]);
      }
    });

    test("give who comes later what they have, without a request", async () => {
      const { server, join, write } = await group(stand);
      const first = join();
      await eventually(() => server.open === 1);
      write(...logOf(9).slice(0, 4));
      await eventually(() => first.seqs.length === 4);
      const later = join();
      await eventually(() => later.seqs.length === 4);
      assert.deepEqual([later.told.shared, later.told.state], [true, "live"]);
      assert.equal(server.asked.length, 1);
    });

    test("lose nothing when their lead leaves, again and again", async () => {
      const { server, join, write } = await group(stand);
      const members = Array.from({ length: 4 }, () => join());
      const log = logOf(9);
      for (let at = 0; at < 3; at += 1) {
        await eventually(() => members.some((member) => !member.ended && !member.told.shared && member.told.state === "live"));
        write(log[2 * at]!);
        const lead = members.find((member) => !member.ended && !member.told.shared && member.told.state === "live")!;
        lead.tab.detach();
        write(log[2 * at + 1]!);
        await eventually(() => members.every((member) => member.ended || member.seqs.length === 2 * at + 2));
      }
      const [last] = members.filter((member) => !member.ended);
      write(...log.slice(6));
      await eventually(() => last!.ended);
      assert.deepEqual(last!.seqs, log.map((event) => event.seq));
      for (const { seqs } of members) assert.deepEqual(seqs, log.slice(0, seqs.length).map((event) => event.seq));
      await server.until(() => server.open === 0);
    });

    test("give the lead to one that is looked at", async () => {
      const { server, join, write } = await group(stand);
      const one = join();
      await eventually(() => one.told.state === "live");
      const other = join();
      await eventually(() => other.told.shared);
      write(...logOf(9).slice(0, 2));
      one.around.hide();
      other.around.wake();
      await eventually(() => !other.told.shared && other.told.state === "live");
      write(...logOf(9).slice(2, 5));
      await eventually(() => one.seqs.length === 5 && other.seqs.length === 5);
      await server.until(() => server.open === 1);
      assert.ok(one.told.shared);
    });
  });
}

/** A tab that says what a test tells it to say, whatever the others do. */
function stranger(name: string, from: string): { readonly say: (letter: object) => void; readonly heard: any[]; close: () => void } {
  const channel = new BroadcastChannel(name);
  const heard: any[] = [];
  channel.onmessage = (event) => heard.push((event as MessageEvent).data);
  return {
    heard,
    say: (letter) => channel.postMessage({ ...letter, from }),
    close: () => channel.close(),
  };
}

const LIVE = { state: "live", close: null, delay: 0, reconnects: 0 };

test("what is said twice is applied once, and what was not said is asked for", async () => {
  const name = `strange ${process.pid} 1`;
  const { join } = await group(() => byWord());
  const lead = stranger(name, "a");
  try {
    // No timer ever rings, so it does not look after the lead from time to time: it asks because something is missing.
    const member = join({ name, time: { now: () => systemTime.now(), after: () => () => undefined } });
    lead.say({ say: "here", hidden: false, place: 0, log: LOG, told: LIVE });
    await eventually(() => member.told.shared);
    const log = logOf(9);
    lead.say({ say: "events", log: LOG, events: log.slice(0, 3) });
    lead.say({ say: "events", log: LOG, events: log.slice(1, 4) });
    await eventually(() => member.seqs.length === 4);
    assert.deepEqual(member.seqs, [1, 2, 3, 4]);
    lead.say({ say: "events", log: LOG, events: log.slice(6) });
    await eventually(() => lead.heard.some((letter) => letter.say === "want" && letter.place === 4));
    lead.say({ say: "events", to: "tab 9", log: LOG, events: log.slice(4, 6) });
    lead.say({ say: "events", to: "tab 1", log: LOG, events: log.slice(4) });
    await eventually(() => member.ended);
    assert.deepEqual(member.seqs, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
  } finally {
    lead.close();
  }
});

test("events are said only where somebody is there to hear them", async () => {
  const { join, write } = await group(() => byWord());
  const first = join();
  await eventually(() => first.told.state === "live");
  const name = `tabs of test ${process.pid} ${names}`;
  const other = stranger(name, "zz");
  const said = (): number[] => other.heard.filter(({ say }) => say === "events").flatMap(({ events }) => events.map((one: Event) => one.seq));
  const log = logOf(9);
  write(...log.slice(0, 3));
  await eventually(() => first.seqs.length === 3);
  first.around.hide(); // it says something, so what it said before is here as well
  await eventually(() => other.heard.some(({ say, hidden }) => say === "here" && hidden));
  assert.deepEqual(said(), []);
  other.say({ say: "want", place: 3 });
  write(...log.slice(3, 5));
  await eventually(() => said().length === 2);
  other.close();
});

test("who follows makes itself known to a lead that it did not know, and once", async () => {
  const name = `strange ${process.pid} 3`;
  const { join } = await group(() => byWord());
  const [old, fresh] = [stranger(name, "a"), stranger(name, "b")];
  const wants = (): number => fresh.heard.filter(({ say }) => say === "want").length;
  let ahead = 0;
  // No timer ever rings; the time is what the test says.
  const member = join({ name, time: { now: () => systemTime.now() + ahead, after: () => () => undefined } });
  old.say({ say: "here", hidden: false, place: 0, log: LOG, told: LIVE });
  await eventually(() => member.told.shared && wants() === 1);
  ahead += 60;
  for (let times = 0; times < 3; times += 1) fresh.say({ say: "here", hidden: false, place: 0, log: LOG, told: LIVE });
  fresh.say({ say: "events", log: LOG, events: logOf(9).slice(0, 1) });
  await eventually(() => member.seqs.length === 1 && wants() === 2);
  old.close();
  fresh.close();
});

test("of two that lead at once by what they say, the one with the smaller name goes on", async () => {
  const name = `strange ${process.pid} 2`;
  const { server, join } = await group(() => byWord());
  const [larger, smaller] = [stranger(name, "z"), stranger(name, "a")];
  try {
    const member = join({ name });
    await eventually(() => member.told.state === "live");
    const here = { say: "here", hidden: false, place: 0, log: LOG, told: LIVE };
    larger.heard.length = 0;
    larger.say(here);
    await eventually(() => larger.heard.some((letter) => letter.say === "here"));
    assert.equal(server.open, 1);
    smaller.say(here);
    await server.until(() => server.open === 0);
    smaller.say(here);
    await eventually(() => member.told.shared);
  } finally {
    larger.close();
    smaller.close();
  }
});

test("of two that take the lead at once by what they say, one keeps it", async () => {
  for (const [other, keeps] of [["z", true], ["a", false]] as const) {
    const name = `strange ${process.pid} 3 ${other}`;
    const { server, join } = await group(() => byWord());
    const rival = stranger(name, other);
    try {
      const member = join({ name });
      await eventually(() => rival.heard.some((letter) => letter.say === "take"));
      rival.say({ say: "take" });
      rival.heard.length = 0;
      await eventually(() => rival.heard.some((letter) => letter.say === (keeps ? "here" : "want")));
      await server.until(() => server.open === (keeps ? 1 : 0));
      member.tab.detach();
    } finally {
      rival.close();
    }
  }
});

if (locks !== undefined) {
  test("a lead that is taken by force is lost, and comes back when the thief leaves", async () => {
    const said: string[] = [];
    const name = `lock ${process.pid}`;
    const standing = (who: string): Lead =>
      byLock(locks, name)({ won: () => said.push(`${who} won`), lost: () => said.push(`${who} lost`) });
    const one = standing("one");
    await eventually(() => said.length === 1);
    const other = standing("other");
    other.take();
    await eventually(() => said.length === 3);
    assert.deepEqual([...said].sort(), ["one lost", "one won", "other won"]);
    other.leave();
    await eventually(() => said.length === 4);
    assert.equal(said.at(-1), "one won");
    one.leave();
    one.leave();
  });
}

test("events that the lead no longer has are asked of the server", async () => {
  const { server, join, write } = await group(() => byWord());
  const first = join({ since: () => null });
  await eventually(() => first.told.state === "live");
  write(...logOf(9).slice(0, 6));
  await eventually(() => first.seqs.length === 6);
  const pages: string[] = [];
  const page = async (after: string): Promise<EventPage> => {
    pages.push(after);
    return { events: logOf(9).slice(0, 6), head: 6, floor: 0, log: LOG, ended: false };
  };
  const later = join({ page });
  await eventually(() => later.seqs.length === 6);
  assert.ok(pages.length >= 1);
  write(...logOf(9).slice(6));
  await eventually(() => first.ended && later.ended);
  assert.deepEqual(later.seqs, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
  assert.equal(server.asked.length, 1);
});

test("a tab whose log is another one reads for itself, and is told what is wrong", async () => {
  const { answer, write } = live();
  const { join } = await group(() => byWord(), [answer, status(410, { code: "E2008", head: 9, floor: 0 })]);
  const first = join();
  await eventually(() => first.told.state === "live");
  write(...logOf(9).slice(0, 2));
  await eventually(() => first.seqs.length === 2);
  const other = join({ log: "ffffffff", place: 5 });
  await eventually(() => other.ended);
  assert.deepEqual([other.error, other.tab.close, other.tab.duty], ["E2008", "gone", "ask"]);
  assert.ok(!first.ended);
});

test("what is refused is told to each of them", async () => {
  const { join } = await group(() => byWord(), Array.from({ length: 9 }, () => status(404, { code: "E2005" })));
  const members = [join(), join(), join()];
  await eventually(() => members.every((member) => member.ended));
  assert.deepEqual(members.map(({ error, tab }) => [error, tab.close]), Array(3).fill(["E2005", "refused"]));
});

test("a tab says that the page goes only where nobody else reads on", async () => {
  const { join } = await group(() => byWord());
  let farewells = 0;
  const { farewell } = Subscription.prototype;
  Subscription.prototype.farewell = function () {
    farewells += 1;
    this.detach();
  };
  try {
    const first = join();
    await eventually(() => first.told.state === "live");
    const second = join();
    await eventually(() => second.told.shared);
    first.tab.farewell();
    assert.equal(farewells, 0);
    await eventually(() => !second.told.shared && second.told.state === "live");
    second.tab.farewell();
    assert.equal(farewells, 1);
  } finally {
    Subscription.prototype.farewell = farewell;
  }
});
