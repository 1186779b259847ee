// A log as a file: JSON lines that every part of Riverrun reads, and Markdown for people. Pure.
//
// The lines are those of src/riverrun/log/jsonl.py: a header, then the events as the log holds them.

import type { Event } from "riverrun";

import { Picture } from "./picture";

/** Why a file is not taken: for the words of the page. */
export type Refusal = "empty" | "foreign" | "version" | "line" | "order";

/** A file that is no log. */
export class NotALog extends Error {
  constructor(
    readonly why: Refusal,
    readonly line: number,
  ) {
    super(`${why} at line ${line}`);
  }
}

const VERSION = 1;

/** Write a log as JSON lines; `lines` are its events as the log holds them, where they are at hand. */
export function toLines(events: readonly Event[], lines?: readonly string[]): string {
  const first = events[0];
  if (first?.type !== "run.started") return "";
  const last = events.at(-1)!;
  const header = {
    riverrun: "log",
    version: VERSION,
    run: first.run,
    graph: first.graph,
    log: first.log,
    head: last.seq,
    ended: /^run\.(completed|failed|stopped|timed_out|lost)$/.test(last.type),
  };
  const told = lines ?? events.map((event) => JSON.stringify(event));
  return [JSON.stringify(header), ...told].map((line) => `${line}\n`).join("");
}

/**
 * Read JSON lines.
 *
 * @throws NotALog This is something else, or it was cut or changed; the line says where.
 */
export function fromLines(text: string): Event[] {
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  if (lines.length === 0) throw new NotALog("empty", 1);
  const events: Event[] = [];
  let head: unknown = null;
  lines.forEach((line, at) => {
    const value = parsed(line, at + 1);
    if (at === 0 && value["riverrun"] !== undefined) {
      if (value["riverrun"] !== "log") throw new NotALog("foreign", 1);
      if (value["version"] !== VERSION) throw new NotALog("version", 1);
      head = value["head"] ?? null;
      return;
    }
    if (typeof value["type"] !== "string" || typeof value["seq"] !== "number" || typeof value["ts"] !== "number") {
      throw new NotALog(at < 2 ? "foreign" : "line", at + 1);
    }
    if (value["seq"] !== events.length + 1) throw new NotALog("order", at + 1);
    events.push(value as unknown as Event);
  });
  if (events[0]?.type !== "run.started") throw new NotALog("foreign", 1);
  if (head !== null && head !== events.length) throw new NotALog("order", lines.length + 1);
  return events;
}

/** Write what was said, as Markdown. */
export function toMarkdown(picture: Picture): string {
  const { opening, view } = picture;
  const parts = [`# ${view.graph || "run"}`, ""];
  if (opening !== null) parts.push(`Run \`${opening.run}\`, ${new Date(opening.ts).toISOString()}.`, "");
  parts.push(`Ending: ${view.ending ?? "none yet"}.`, "");
  for (const pane of picture.panes.values()) {
    parts.push(`## ${pane.agent}`, "");
    for (const speech of pane.speeches) {
      if (speech.passage.length > 0) parts.push(speech.passage.text.trimEnd(), "");
      if (speech.values.length > 0) parts.push("```json", ...speech.values.map((value) => JSON.stringify(value)), "```", "");
    }
  }
  return `${parts.join("\n").trimEnd()}\n`;
}

function parsed(line: string, at: number): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch {
    // said below
  }
  throw new NotALog(at === 1 ? "foreign" : "line", at);
}
