// A page tells when it is hidden, and wakes its readers when it is shown, comes back or is online again.

import assert from "node:assert/strict";
import { test } from "node:test";

import { page } from "../src/surroundings.js";

test("outside of a page nothing is hidden and nothing wakes", () => {
  const around = page();
  assert.equal(around.hidden(), false);
  around.onWake(() => assert.fail("nothing happens here"))();
  around.onHide!(() => assert.fail("nothing happens here"))();
});

test("a page wakes its readers when it is worth to look again, and forgets who has left", () => {
  const seen = Object.assign(new EventTarget(), { visibilityState: "visible" });
  const window = new EventTarget();
  Object.assign(globalThis, { document: seen, window });
  try {
    const around = page();
    let calls = 0;
    const leave = around.onWake(() => (calls += 1));
    seen.visibilityState = "hidden";
    seen.dispatchEvent(new Event("visibilitychange"));
    assert.deepEqual([around.hidden(), calls], [true, 0]);
    seen.visibilityState = "visible";
    seen.dispatchEvent(new Event("visibilitychange"));
    window.dispatchEvent(new Event("online"));
    window.dispatchEvent(new Event("pageshow"));
    assert.deepEqual([around.hidden(), calls], [false, 3]);
    leave();
    window.dispatchEvent(new Event("online"));
    seen.dispatchEvent(new Event("visibilitychange"));
    assert.equal(calls, 3);
    const hidden: boolean[] = [];
    const unhide = around.onHide!((left) => hidden.push(left));
    seen.dispatchEvent(new Event("visibilitychange"));
    seen.visibilityState = "hidden";
    seen.dispatchEvent(new Event("visibilitychange"));
    window.dispatchEvent(new Event("pagehide"));
    assert.deepEqual(hidden, [false, true]);
    unhide();
    window.dispatchEvent(new Event("pagehide"));
    assert.deepEqual(hidden, [false, true]);
  } finally {
    Object.assign(globalThis, { document: undefined, window: undefined });
  }
});
