// From JSON to what the protocol says it is: an event, a page, a problem. Tolerant of what a later version adds, strict
// about what this version relies on (PROTOCOL.md §2, §6 and §7). It does not know how anything arrived.

import { ConnectionFault, ProtocolFault, RiverrunError } from "./errors.js";
import { apart, isJoined } from "./joined.js";
import { ENVELOPE, SHAPES, TERMINAL, type Field, type Shape } from "./tables.js";
import type { Event, Json, Problem } from "./types.js";

type Fields = { readonly [name: string]: unknown };

/** One page of a log (PROTOCOL.md §6). */
export interface EventPage {
  readonly events: readonly Event[];
  /** seq of the last committed event. */
  readonly head: number;
  /** seq before the first event that retention left. */
  readonly floor: number;
  /** Id of the log. */
  readonly log: string;
  /** Whether the last of `events` (or, when empty, the place asked for) is the terminal event. */
  readonly ended: boolean;
}

/**
 * Read one event.
 *
 * @param text One JSON object.
 * @throws ProtocolFault E5003: this is not an event.
 */
export function decodeEvent(text: string): Event {
  return eventOf(parsed(text, "an event"));
}

/**
 * Read one frame: an event, or several that the server joined (PROTOCOL.md §14).
 *
 * @param text One JSON object.
 * @throws ProtocolFault E5003: this is neither.
 */
export function decodeFrame(text: string): readonly Event[] {
  return eventsOf(parsed(text, "an event"));
}

/**
 * Read a list of events.
 *
 * @param text A JSON list.
 * @throws ProtocolFault E5003: this is no list of events.
 */
export function decodeEvents(text: string): readonly Event[] {
  const { events } = parsed(`{"events":${text}}`, "a list of events");
  if (!Array.isArray(events)) throw new ProtocolFault("E5003", "this is not a list of events");
  return events.map(eventOf);
}

/**
 * Read one page of a log.
 *
 * @throws ProtocolFault E5003: this is not a page, or one of its events is none.
 */
export function decodePage(text: string): EventPage {
  const page = parsed(text, "a page of events");
  const { events, head, floor, log, ended } = page;
  const whole = Array.isArray(events) && isInteger(head) && isInteger(floor);
  if (!whole || typeof log !== "string" || typeof ended !== "boolean") {
    throw new ProtocolFault("E5003", "the answer is not a page of events");
  }
  return { events: events.flatMap(eventsOf), head, floor, log, ended };
}

/**
 * Read the body of an answer.
 *
 * @param has The fields that it must have, beside what may be there.
 * @throws ProtocolFault E5003: it is something else.
 */
export function decodeBody(text: string, what: string, has: Record<string, Field>): Fields {
  const body = parsed(text, what);
  const wrong = problemWith(body, has);
  if (wrong !== null) throw new ProtocolFault("E5003", `the answer is not ${what}: ${wrong}`);
  return body;
}

/** What stands behind a status that came without a problem document: a proxy, or no Riverrun server at all. */
const BARE: Record<number, string> = { 429: "E3010", 502: "E5001", 503: "E5001", 504: "E5001" };

/**
 * Read the answer to a request that was not granted, as an error.
 *
 * @param status Of the response; it wins over what the body says.
 * @param text A problem document, or whatever a proxy made.
 * @param retryAfter The header of that name; only its form in seconds is understood.
 */
export function decodeProblem(status: number, text: string, retryAfter: string | null): RiverrunError {
  const told = problemOf(text);
  const code = told?.code ?? BARE[status] ?? "E5003";
  const about = {
    status,
    retryAfter: seconds(told?.retry_after ?? retryAfter),
    where: told?.where ?? "",
    head: told?.head ?? null,
    floor: told?.floor ?? null,
    ...(told?.mend ? { mend: told.mend } : {}),
  };
  const message = told?.detail ?? `the answer was ${status}, without a description that Riverrun understands`;
  if (code === "E5001") return new ConnectionFault(code, message, about);
  return code === "E5003" ? new ProtocolFault(code, message, about) : new RiverrunError(code, message, about);
}

/** Say whether an event is the last of its log. */
export function isTerminal(event: Event): boolean {
  return TERMINAL.includes(event.type);
}

function problemOf(text: string): Problem | null {
  try {
    const told = JSON.parse(text) as Partial<Problem> | null;
    const texts = [told?.type, told?.title, told?.detail, told?.code];
    return texts.every((one) => typeof one === "string") && isInteger(told?.status) ? (told as Problem) : null;
  } catch {
    return null;
  }
}

function seconds(told: unknown): number | null {
  // Nine digits are 31 years; a longer number is noise, and a date is as well: its clock is not ours.
  const value = typeof told === "string" && /^\d{1,9}$/.test(told) ? Number(told) : told;
  return typeof value === "number" && Number.isFinite(value) && value >= 0 ? value : null;
}

function parsed(text: string, what: string): Fields {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new ProtocolFault("E5003", `this is not ${what}: it is not JSON`);
  }
  if (!isObject(value)) throw new ProtocolFault("E5003", `this is not ${what}: it is not an object`);
  return value;
}

/**
 * Take what arrived as one event: an event, or several that were joined.
 *
 * @throws ProtocolFault E5003: it is neither.
 */
export function eventsOf(value: unknown): readonly Event[] {
  return isJoined(value) ? apart(value).map(eventOf) : [eventOf(value)];
}

function eventOf(value: unknown): Event {
  if (!isObject(value) || typeof value["type"] !== "string") {
    throw new ProtocolFault("E5003", "this is not an event: it has no type");
  }
  const known = Object.hasOwn(SHAPES, value["type"]) && /^[a-z]/.test(value["type"]);
  const wrong = problemWith(value, (known && SHAPES[value["type"]]) || ENVELOPE);
  if (wrong !== null) throw new ProtocolFault("E5003", `this is not an event: ${wrong}`);
  return value as unknown as Event;
}

function problemWith(value: Fields, fields: Record<string, Field>): string | null {
  for (const [name, [needed, shape]] of Object.entries(fields)) {
    if (!Object.hasOwn(value, name)) {
      if (needed) return `it has no '${name}'`;
    } else if (!fits(value[name], shape)) {
      return `its '${name}' is of another type`;
    }
  }
  return null;
}

function fits(value: unknown, shape: Shape): boolean {
  if (typeof shape === "string") return PLAIN[shape]!(value);
  const [kind, ...inner] = shape;
  switch (kind) {
    case "list":
      return Array.isArray(value) && value.every((item) => fits(item, inner[0]!));
    case "map":
      return isObject(value) && Object.values(value).every((item) => fits(item, inner[0]!));
    case "record":
      return isObject(value) && problemWith(value, SHAPES[inner[0] as string]!) === null;
    default:
      return inner.some((one) => fits(value, one));
  }
}

const PLAIN: Record<string, (value: unknown) => boolean> = {
  any: () => true,
  text: (value) => typeof value === "string",
  integer: isInteger,
  number: (value) => typeof value === "number",
  flag: (value) => typeof value === "boolean",
  null: (value) => value === null,
};

function isInteger(value: unknown): value is number {
  return Number.isInteger(value);
}

function isObject(value: unknown): value is { readonly [name: string]: Json } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
