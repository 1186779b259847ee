// The machine obeys its table: what is not in it is refused and changes nothing; what a session is given, it keeps.

import assert from "node:assert/strict";
import { test } from "node:test";

import { RiverrunError } from "../src/errors.js";
import { begin, closed, closeOf, detached, drained, opened, polled, problem, received } from "../src/session.js";
import type { Session, Step } from "../src/session.js";
import { CLOSE_DUTIES, MOVES, RUN_DUTIES, type Move, type State } from "../src/tables.js";
import { logOf } from "./server.js";

const EVENTS = logOf(4);
const NONE = { events: [], log: "0a1b2c3d", ended: false };
const LIVE = opened(begin().session, 0).session;
const BARREN = begin(0, null, { barrenLimit: 1 }).session;
const PLACES: Record<State, Session> = {
  connecting: begin().session,
  live: LIVE,
  reconnecting: closed(LIVE, "rotated", 0, 0).session,
  polling: closed(BARREN, "silent", 0, 0).session,
  ended: detached(LIVE).session,
};
const ALL: Record<Move, (session: Session) => Step> = {
  opened: (session) => opened(session, 0),
  received: (session) => received(session, { events: EVENTS.slice(0, 2) }, 0, 0),
  polled: (session) => polled(session, NONE, 0, 0),
  drained,
  closed: (session) => closed(session, "network", 0, 0),
  problem: (session) => problem(session, 502, 0, 0),
  detached,
};

test("each move is legal exactly where the table says, and a refused one changes nothing", () => {
  for (const [state, session] of Object.entries(PLACES) as [State, Session][]) {
    assert.equal(session.state, state);
    for (const [move, report] of Object.entries(ALL) as [Move, (session: Session) => Step][]) {
      const before = structuredClone(session);
      if (MOVES[state][move] === undefined) {
        assert.throws(() => report(session), (error: RiverrunError) => error.code === "E3012", `${state} ${move}`);
      } else {
        assert.ok(MOVES[state][move]!.includes(report(session).session.state));
      }
      assert.deepEqual(session, before);
    }
  }
});

test("a connection closes by itself only in ways that a connection can", () => {
  for (const how of ["ended", "detached", "busy", "gone"] as const) {
    assert.throws(() => closed(LIVE, how, 0, 0), (error: RiverrunError) => error.code === "E3012");
  }
});

test("every ending has its duty, and every status is an ending", () => {
  const duties = { completed: "never", failed: "never", stopped: "never", timed_out: "ask", lost: "ask" };
  assert.deepEqual(RUN_DUTIES, duties);
  for (let status = 200; status < 600; status += 1) assert.ok(closeOf(status) in CLOSE_DUTIES);
});
