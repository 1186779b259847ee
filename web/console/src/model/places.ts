// Where an event stands in time, and how it is written down for people. Pure.

import type { Event, Json } from "riverrun";

/** Find the last event that happened at `ts` or before: its index, or -1. */
export function indexAt(events: readonly Event[], ts: number): number {
  let low = -1;
  let high = events.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (events[middle]!.ts <= ts) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** Say in one line what an event tells. */
export function gist(event: Event): string {
  switch (event.type) {
    case "node.chunk":
      return short(event.value);
    case "node.completed":
      return [...(event.writes ?? []).flatMap((write) => Object.keys(write)), ...Object.keys(event.folds ?? {})].join(", ");
    case "node.retrying":
      return [event.reason ?? "taken_over", event.error?.message].filter(Boolean).join(": ");
    case "node.failed":
    case "run.failed":
      return `${event.error.code} ${event.error.message}`;
    case "node.interrupted":
      return short(event.question.value ?? event.question.kind ?? "");
    case "node.started":
      return (event.after ?? []).join(", ");
    case "node.cancelled":
      return event.reason ?? "decided";
    case "custom":
      return `${event.name ?? ""} ${short(event.value ?? null)}`.trim();
    case "run.started":
      return `${event.graph} ${short(event.input ?? null)}`;
    case "run.resumed":
      return short(event.answers ?? {});
    case "run.interrupted":
      return (event.questions ?? []).map((question) => question.node).join(", ");
    case "run.stopped":
    case "run.lost":
      return event.reason ?? "";
    case "run.timed_out":
      return event.limit === undefined ? "" : `${event.limit} s`;
    case "run.taken_over":
      return event.worker ?? "";
    case "run.forked":
      return `${event.source} @ ${event.at}`;
    case "run.completed":
      return event.steps === undefined ? "" : `${event.steps}`;
    default:
      return "";
  }
}

const SHORT = 160;

function short(value: Json): string {
  const text = typeof value === "string" ? value.slice(0, 2 * SHORT) : JSON.stringify(value);
  return text.replaceAll(/\s+/g, " ").slice(0, SHORT);
}
