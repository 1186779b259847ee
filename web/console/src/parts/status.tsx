// The state of a run or of an execution: a colour, a sign and a word, because a colour alone says nothing to many.

import type { ReactElement } from "react";

import { useSay, type Word } from "../base/words";
import { Icon, type Sign } from "./icon";

const SIGNS: Record<string, Sign> = {
  queued: "clock",
  running: "play",
  parked: "question",
  completed: "check",
  failed: "cross",
  stopped: "stop",
  timed_out: "clock",
  lost: "question",
  ended: "check",
  started: "play",
  retrying: "retry",
  interrupted: "question",
  cancelled: "cross",
  waiting: "dot",
};

/** Say what a run's status is in one word: its ending once it has ended. */
export function statusOf(run: { readonly status: string; readonly ending?: string | null }): string {
  return run.status === "ended" ? (run.ending ?? "ended") : run.status;
}

/** The state of a run. */
export function Status({ status }: { readonly status: string }): ReactElement {
  const { say } = useSay();
  const known = Object.hasOwn(SIGNS, status);
  return (
    <span className="status" data-status={status}>
      <Icon sign={known ? SIGNS[status]! : "dot"} size={13} />
      {known ? say(`status.${status}` as Word) : status}
    </span>
  );
}

/** The sign of the state of an execution. */
export function StateSign({ state }: { readonly state: string }): ReactElement {
  const { say } = useSay();
  const told = Object.hasOwn(SIGNS, state) ? state : "waiting";
  return (
    <span className="state-sign" data-state={told} title={say(`run.node.${told}` as Word)}>
      <Icon sign={SIGNS[told]!} size={13} />
    </span>
  );
}
