// What changed is shown at once or at the next beat, and at once when a page is looked at again.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Beat } from "../src/beat.js";
import { ManualTime } from "./manual.js";

test("however often something changes, it is shown ten times a second, and the last change is never lost", () => {
  const time = new ManualTime();
  const shown: number[] = [];
  let value = 0;
  const beat = new Beat(time, () => shown.push(value));
  for (value = 1; value <= 1000; value += 1) {
    beat.touch();
    time.pass(0.001);
  }
  value = 1000;
  time.pass(1);
  assert.ok(shown.length >= 10 && shown.length <= 12, `${shown.length} times`);
  assert.equal(shown.at(-1), 1000);
});

test("what waits is shown when the page is looked at again, and not twice", () => {
  const time = new ManualTime();
  let shown = 0;
  const beat = new Beat(time, () => (shown += 1));
  beat.touch();
  beat.touch();
  assert.equal(shown, 1);
  beat.flush();
  assert.equal(shown, 2);
  beat.flush();
  time.pass(1);
  assert.equal(shown, 2);
});
