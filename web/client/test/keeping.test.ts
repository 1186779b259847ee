// Where nothing can be kept, reading goes on in memory and it is said why. What a browser keeps is tested in a browser.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Keeping } from "../src/keeping.js";
import { NotKept, Shelf } from "../src/shelf.js";
import type { Event } from "../src/types.js";
import { ManualTime } from "./manual.js";
import { logOf, LOG, RUN } from "./server.js";

/** A shelf that notes what it is given, and fails as it is told. */
class NotedShelf extends Shelf {
  readonly saved: (readonly number[])[] = [];
  fails: Error | null = null;

  constructor() {
    super(undefined, "who", new ManualTime());
  }

  override async save(_run: string, _log: string, events: readonly Event[]): Promise<void> {
    if (this.fails !== null) throw this.fails;
    this.saved.push(events.map((event) => event.seq));
  }
}

test("a browser without storage, or one that forbids it, keeps nothing and says why", async () => {
  const forbid = (): never => {
    throw new DOMException("no", "SecurityError");
  };
  const broken = { open: forbid } as unknown as IDBFactory;
  for (const [factory, why] of [
    [undefined, /keeps nothing/],
    [() => undefined, /keeps nothing/],
    [forbid, /forbids/],
    [() => broken, /forbids/],
  ] as const) {
    const shelf = new Shelf(factory, "who", new ManualTime());
    await assert.rejects(shelf.load(RUN), (error) => error instanceof NotKept && why.test(error.message));
    let told = 0;
    const keeping = new Keeping(shelf, RUN, new ManualTime(), () => (told += 1));
    assert.deepEqual(await keeping.restore(), []);
    assert.deepEqual([keeping.kept.where, told], ["memory", 1]);
    assert.match(keeping.kept.why, why);
  }
});

test("a storage that does not open is not waited for", async () => {
  const time = new ManualTime();
  const shelf = new Shelf(() => ({ open: () => ({}) }) as unknown as IDBFactory, "who", time);
  const loading = shelf.load(RUN);
  await time.until(3);
  time.pass(3);
  await assert.rejects(loading, /did not open within 3 s/);
});

test("what is read is kept in lumps of a second, in order", async () => {
  const time = new ManualTime();
  const shelf = new NotedShelf();
  const keeping = new Keeping(shelf, RUN, time, () => undefined);
  const log = logOf(6);
  keeping.take(log.slice(0, 2), LOG);
  keeping.take(log.slice(2, 3), LOG);
  assert.deepEqual(shelf.saved, []);
  time.pass(1);
  keeping.take(log.slice(3), LOG);
  keeping.flush(LOG);
  keeping.flush(LOG);
  await keeping.forget().catch(() => undefined);
  assert.deepEqual(shelf.saved, [[1, 2, 3], [4, 5, 6]]);
});

test("much that is read at once is kept in lumps that do not hold up the page", async () => {
  const shelf = new NotedShelf();
  const keeping = new Keeping(shelf, RUN, new ManualTime(), () => undefined);
  const value = "x".repeat(100_000);
  const log = logOf(12).map((event) => (event.type === "node.chunk" ? { ...event, value } : event));
  keeping.take(log, LOG);
  keeping.flush(LOG);
  await keeping.forget().catch(() => undefined);
  assert.deepEqual(shelf.saved.flat(), log.map((event) => event.seq));
  assert.ok(shelf.saved.length >= 3, `${shelf.saved.length} lumps`);
  assert.ok(shelf.saved.every((lump) => lump.length <= 5));
});

test("once something was not kept, nothing is tried any more", async () => {
  const time = new ManualTime();
  const shelf = new NotedShelf();
  shelf.fails = new NotKept("the storage of this browser is full");
  const told: string[] = [];
  const keeping = new Keeping(shelf, RUN, time, () => told.push(keeping.kept.why));
  keeping.take(logOf(4), LOG);
  keeping.flush(LOG);
  while (told.length === 0) await new Promise((resolve) => setImmediate(resolve));
  shelf.fails = null;
  keeping.take(logOf(4), LOG);
  assert.deepEqual(time.due, []);
  assert.deepEqual([shelf.saved, told], [[], ["the storage of this browser is full"]]);
});
