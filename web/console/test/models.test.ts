// The models of the console, which know no browser: laws that hold for whatever a run says.

import assert from "node:assert/strict";
import { test } from "node:test";

import fc from "fast-check";
import { breath, type Event } from "riverrun";

import { NotALog, fromLines, toLines } from "../src/model/copy";
import { Heights } from "../src/model/heights";
import { BLOCK_LENGTH, Passage } from "../src/model/passage";
import { Picture } from "../src/model/picture";
import { indexAt } from "../src/model/places";
import { Reading } from "../src/model/reading";
import { fieldsOf, initial, readField } from "../src/model/schema";
import { ALL, Search } from "../src/model/search";
import { Lag, UNTOUCHED, changed, shown } from "../src/model/truth";
import { routeOf } from "../src/base/paths";
import { Series, looked, plots } from "../src/metrics/figures";

const part = fc.oneof(
  fc.constantFrom("\n", "\r\n", "\n\n", "```\n", "```python\n", "~~~\n", "    ", "| a | b |\n", "👩‍👩‍👧", "世界", "- one\n"),
  fc.string({ maxLength: 30 }),
);
const text = fc.array(part, { maxLength: 60 }).map((parts) => parts.join(""));

function passage(pieces: readonly string[]): Passage {
  const made = new Passage();
  for (const piece of pieces) made.append(piece);
  return made;
}

/** Cut a text at some places, but not within a character. */
function cut(whole: string, places: readonly number[]): string[] {
  const letters = [...whole];
  const at = [...new Set(places.map((place) => place % (letters.length + 1)))].sort((one, other) => one - other);
  return [0, ...at].map((from, index) => letters.slice(from, at[index] ?? letters.length).join(""));
}

test("the blocks of a text are the text, however it came, and are the same blocks", () => {
  fc.assert(
    fc.property(text, fc.array(fc.nat(), { maxLength: 20 }), (whole, places) => {
      const [once, pieces] = [passage([whole]), passage(cut(whole, places))];
      assert.equal(pieces.text, whole);
      assert.equal(pieces.length, whole.length);
      assert.deepEqual(pieces.blocks, once.blocks);
      let start = 0;
      for (const block of pieces.blocks) {
        assert.equal(block.start, start);
        start += block.text.length;
      }
    }),
  );
});

test("a block that is not the last one never changes", () => {
  fc.assert(
    fc.property(fc.array(text, { maxLength: 8 }), (pieces) => {
      const made = new Passage();
      for (const piece of pieces) {
        const before = [...made.blocks];
        made.append(piece);
        // A fence may take its line out of the block that it stands at the end of; that one was the last.
        for (const [at, block] of before.slice(0, -1).entries()) assert.equal(made.blocks[at], block);
      }
    }),
  );
});

test("no block is much too long, and none begins within a character", () => {
  for (const unit of ["x", "👩", "a👩", "line\n", "- item\n"]) {
    const made = passage([unit.repeat(9000)]);
    assert.equal(made.text, unit.repeat(9000));
    for (const block of made.blocks) {
      assert.ok(block.text.length <= 3 * BLOCK_LENGTH, unit);
      assert.ok(!/^[\udc00-\udfff]/.test(block.text), unit);
    }
  }
});

test("a fence that is longer than a block goes on in the next one", () => {
  const code = `before\n\`\`\`python\n${"carry(drop)\n".repeat(500)}\`\`\`\nafter\n`;
  const { blocks } = passage([code]);
  assert.equal(blocks[0]!.text, "before\n");
  assert.equal(blocks[1]!.fence, "");
  assert.ok(blocks.length > 4);
  for (const block of blocks.slice(2, -1)) assert.equal(block.fence, "```python");
  assert.deepEqual([blocks.at(-1)!.text, blocks.at(-1)!.fence], ["after\n", ""]);
});

test("heights are added up as one would by hand", () => {
  const heights = fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1, maxLength: 500 });
  fc.assert(
    fc.property(heights, fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 300 }))), fc.nat(), (guesses, measured, place) => {
      const own = new Heights();
      own.grow(guesses.length, (row) => guesses[row]!);
      const rows = [...guesses];
      for (const [row, height] of measured) {
        own.set(row % rows.length, height);
        rows[row % rows.length] = height;
      }
      const total = rows.reduce((sum, height) => sum + height, 0);
      assert.equal(own.total, total);
      const at = own.at(place % (total + 1));
      const top = rows.slice(0, at).reduce((sum, height) => sum + height, 0);
      assert.equal(own.top(at), top);
      assert.ok(top <= place % (total + 1) || at === 0);
      assert.ok(at === rows.length - 1 || place % (total + 1) < top + rows[at]!);
    }),
  );
});

// --- logs ---

const ID = "f".repeat(32);
const NODE = { run: ID, node: "n", exec: "n:1", ts: 5 };

/** Make a log out of pieces of text; null takes back what was said. */
function log(pieces: readonly (string | null)[]): Event[] {
  const events: object[] = [{ type: "run.started", run: ID, ts: 1, graph: "g", log: "abcdef01" }, { type: "node.started", ...NODE }];
  let start = 0;
  for (const value of pieces) {
    if (value === null) events.push({ type: "node.retrying", ...NODE, voids: ["m"], reason: "failed" });
    else events.push({ type: "node.chunk", ...NODE, message: "m", value, start });
    start = value === null ? 0 : start + value.length;
  }
  events.push({ type: "run.completed", run: ID, ts: 9 });
  return events.map((event, at) => ({ ...event, seq: at + 1 })) as unknown as Event[];
}

const pieces = fc.array(fc.option(fc.string({ minLength: 1, maxLength: 12 }), { freq: 8 }), { maxLength: 30 });

test("what a pane says is what the client's own fold says, at every event", () => {
  fc.assert(
    fc.property(pieces, (told) => {
      const picture = new Picture();
      for (const event of log(told)) {
        picture.apply(event);
        const own = picture.panes.get("n")?.speeches.map((speech) => speech.passage.text).join("") ?? "";
        const theirs = [...picture.view.messages.values()].map((message) => message.text).join("");
        assert.equal(own, theirs);
        assert.equal(picture.length, own.length);
      }
      assert.equal(picture.retries, told.filter((piece) => piece === null).length);
      assert.equal(picture.view.ending, "completed");
      assert.ok([...picture.executions.values()].every((execution) => execution.ended !== null));
    }),
  );
});

test("a row of a pane is found wherever it stands", () => {
  const picture = new Picture();
  for (const event of log(["one\n\n", "two\n\n", "three"])) picture.apply(event);
  const pane = picture.panes.get("n")!;
  assert.equal(pane.rows, 4);
  assert.deepEqual([0, 1, 2, 3].map((row) => pane.row(row)!.kind), ["head", "block", "block", "block"]);
  assert.deepEqual([pane.row(-1), pane.row(4)], [null, null]);
});

test("a log is read from the lines that it is written to, and a changed one is refused", () => {
  fc.assert(
    fc.property(pieces, fc.nat(), (told, at) => {
      const events = log(told);
      const lines = toLines(events);
      assert.deepEqual(fromLines(lines), events);
      const list = lines.split("\n").slice(0, -1);
      const without = list.filter((_, line) => line !== 1 + (at % events.length)).join("\n");
      assert.throws(() => fromLines(without), NotALog);
      assert.throws(() => fromLines(lines.slice(0, -2 - (at % (list.at(-1)!.length - 2)))), NotALog);
    }),
  );
});

test("a search that looks bit by bit finds what one finds at once", () => {
  const events = log(["alpha", "beta", null, "Alpha again", "gamma"]);
  for (const wanted of [ALL, { ...ALL, text: "ALPHA" }, { ...ALL, type: "node.chunk" }, { ...ALL, agent: "n" }]) {
    const [whole, steps] = [new Search(wanted), new Search(wanted)];
    assert.ok(whole.look(events, events.length, 1000));
    for (let until = 1; until <= events.length; until += 1) steps.look(events, until, 1000);
    assert.deepEqual(steps.found, whole.found);
  }
  const budget = new Search(ALL);
  let now = 0;
  const many = Array.from({ length: 1000 }, () => events[0]!);
  assert.equal(budget.look(many, 1000, 1, () => (now += 1)), false);
  assert.ok(budget.seen < 1000);
  assert.equal(budget.before(10), 10);
});

test("the event of a moment is the last that had happened", () => {
  const events = [1, 3, 3, 8].map((ts) => ({ ts })) as unknown as Event[];
  assert.deepEqual([0, 1, 2, 3, 7, 9].map((ts) => indexAt(events, ts)), [-1, 0, 0, 2, 2, 3]);
});

// --- forms ---

test("a schema becomes fields, also through references and what may be null", () => {
  const fields = fieldsOf({
    type: "object",
    required: ["topic"],
    properties: {
      topic: { type: "string", minLength: 2 },
      count: { anyOf: [{ type: "integer", minimum: 1 }, { type: "null" }] },
      tone: { $ref: "#/$defs/Tone" },
      tags: { type: "array", items: { type: "string" } },
      loud: { type: "boolean", default: true },
      more: {},
      self: { $ref: "#/$defs/Self" },
    },
    $defs: { Tone: { enum: ["calm", "loud"] }, Self: { $ref: "#/$defs/Self" } },
  });
  assert.deepEqual(
    fields.map(({ name, kind }) => [name, kind]),
    [["topic", "text"], ["count", "integer"], ["tone", "choice"], ["tags", "texts"], ["loud", "flag"], ["more", "json"], ["self", "json"]],
  );
  const [topic, count, tone, tags, loud, more] = fields;
  assert.equal(initial(loud!), "true");
  // What nobody chose is not sent, unless it is asked for.
  const [maybe] = fieldsOf({ type: "object", properties: { maybe: { type: "boolean" } } });
  assert.deepEqual(readField(maybe!, initial(maybe!)), {});
  assert.deepEqual(readField({ ...maybe!, needed: true }, initial({ ...maybe!, needed: true })), { value: false });
  assert.deepEqual(readField(topic!, ""), { wrong: "needed" });
  assert.deepEqual(readField(topic!, "a"), { wrong: "short" });
  assert.deepEqual(readField(count!, "1.5"), { wrong: "integer" });
  assert.deepEqual(readField(count!, "0"), { wrong: "least" });
  assert.deepEqual(readField(count!, ""), {});
  assert.deepEqual(readField(tone!, "1"), { value: "loud" });
  assert.deepEqual(readField(tags!, " a \n\nb"), { value: ["a", "b"] });
  assert.deepEqual(readField(more!, "{oops"), { wrong: "json" });
  assert.deepEqual(readField(more!, '{"a": [1]}'), { value: { a: [1] } });
});

test("looking back in a long log leaves the page its turn, and who looks elsewhere meanwhile is led there", async () => {
  const node = { node: "n", exec: "n:1", run: "r", message: "m" };
  const events = [{ type: "run.started", seq: 1, ts: 1, run: "r", graph: "g", log: "l" }] as Event[];
  for (let seq = 2; seq <= 60_000; seq += 1) {
    const value = `${seq} `;
    const start = events.length === 1 ? 0 : (events.at(-1) as { start: number; value: string }).start + (events.at(-1) as { value: string }).value.length;
    events.push({ type: "node.chunk", seq, ts: seq, ...node, value, start } as Event);
  }
  const reading = Reading.of(events, "");
  let turns = 0;
  const timer = setInterval(() => (turns += 1), 0);
  const shown = async (at: number | null): Promise<void> => {
    while (reading.at !== at) await new Promise((resolve) => setImmediate(resolve));
  };
  reading.seek(59_000);
  assert.deepEqual([reading.aim, reading.at], [59_000, null]);
  reading.seek(reading.aim - 1);
  await shown(58_999);
  assert.ok(turns > 0);
  const plain = new Picture();
  for (const event of events.slice(0, 58_999)) plain.apply(event);
  assert.deepEqual([...reading.shown.panes.values()].map((pane) => pane.text), [...plain.panes.values()].map((pane) => pane.text));
  reading.seek(2);
  reading.seek(null);
  for (let turn = 0; turn < 20; turn += 1) await breath();
  assert.deepEqual([reading.at, reading.shown, reading.aim], [null, reading.live, 60_000]);
  clearInterval(timer);
});

// --- the figures of a server ---

test("that nothing went wrong is plotted, and what did is counted by code and in all", () => {
  const before = { errors: { E2005: 4 }, process: { cpu_seconds: 1 } };
  const series = new Series();
  series.add(1, looked({ process: { cpu_seconds: 1 } }, null, 0));
  series.add(2, looked(before, before, 2));
  series.add(4, looked({ errors: { E2005: 8, E5001: 1 }, process: { cpu_seconds: 2 } }, before, 2));
  assert.deepEqual(series.values.get("errors"), [null, 0, 2.5]);
  assert.deepEqual(series.values.get("cpu"), [null, 0, 50]);
  const [errors] = plots(series).filter(({ title }) => title === "errors");
  assert.deepEqual(errors!.lines, ["errors", "error E2005", "error E5001"]);
});

// --- the connection, and where one is ---

test("the dot says what is true", () => {
  const around = { online: true, place: 5, head: 5, parked: false };
  const live = changed(UNTOUCHED, { state: "live", close: null, delay: 0 }, 0);
  assert.equal(shown(live, around), "live");
  assert.equal(shown(live, { ...around, parked: true }), "waiting");
  assert.equal(shown(live, { ...around, head: 9 }), "catching");
  const lost = changed(changed(live, { state: "reconnecting", close: "network", delay: 0 }, 0), { state: "reconnecting", close: "network", delay: 0.25 }, 0);
  assert.deepEqual([lost.tries, shown(lost, around), shown(lost, { ...around, online: false })], [2, "reconnecting", "offline"]);
  const back = changed(lost, { state: "live", close: null, delay: 0 }, 1);
  assert.deepEqual([back.tries, back.reconnects], [0, 1]);
  assert.equal(changed(back, { state: "ended", close: "detached", delay: 0 }, 1).standing, "detached");
});

test("lag is measured against the quickest event, whatever the two clocks say", () => {
  const lag = new Lag();
  assert.deepEqual([lag.take(1000, 900), lag.take(2000, 2150), lag.take(3000, 2900)], [0, 250, 0]);
});

test("a path leads to a place, and any other to none", () => {
  assert.deepEqual(routeOf("runs/abc"), { page: "run", run: "abc" });
  assert.deepEqual(["", "runs", "/runs/"].map((path) => routeOf(path).page), ["runs", "runs", "runs"]);
  assert.deepEqual(["start", "metrics", "file"].map((path) => routeOf(path).page), ["start", "metrics", "file"]);
  assert.deepEqual(["start/x", "runs/a/b", "else", "runs/%E0"].map((path) => routeOf(path).page), ["nowhere", "nowhere", "nowhere", "nowhere"]);
});
