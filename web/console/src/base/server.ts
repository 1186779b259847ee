// The server that the console is a part of: one client for the whole page, which knows the key that the reader gave.
// What the client does not ask for is asked here, with the same key.

import { Client, ConnectionFault, RiverrunError, type Json } from "riverrun";

import { usePrefs } from "./prefs";
import { SERVER } from "./route";

function headers(): Record<string, string> {
  const { key } = usePrefs.getState();
  return key === "" ? {} : { authorization: `Bearer ${key}` };
}

/**
 * The one client of the page. What it keeps and shares with other tabs is under a name that stands for the key, so that
 * nobody sees with one key what was read with another; where the browser keeps nothing, nothing is shared.
 */
export const client = new Client(SERVER, { headers, as: whose(), timeout: 10 });

function whose(): string | null {
  const { key, kept } = usePrefs.getState();
  if (!kept) return null;
  return key === "" ? "" : `${sum(key, 0x811c9dc5)}${sum(key, 0x9747b28c)}`;
}

/** FNV-1a from a start: two of them tell keys apart, and do not lead back to one. */
function sum(key: string, start: number): string {
  let sum = start;
  for (const letter of key) sum = Math.imul(sum ^ letter.codePointAt(0)!, 0x01000193) >>> 0;
  return sum.toString(16).padStart(8, "0");
}

/**
 * Ask for a JSON document that the client has no verb for.
 *
 * @throws ConnectionFault E5001: the server was not reached.
 * @throws RiverrunError What it answered instead.
 */
export async function ask(path: string, params: Readonly<Record<string, string>> = {}): Promise<Json> {
  const url = new URL(path, SERVER);
  for (const [name, value] of Object.entries(params)) url.searchParams.set(name, value);
  let answer: Response;
  try {
    answer = await fetch(url, { headers: { accept: "application/json", ...headers() }, cache: "no-store" });
  } catch {
    throw new ConnectionFault("E5001", "the server was not reached", { where: url.pathname });
  }
  const text = await answer.text();
  const body = parsed(text);
  if (answer.ok && body !== undefined) return body;
  const told = (body ?? {}) as Record<string, unknown>;
  const code = typeof told["code"] === "string" ? told["code"] : answer.status >= 500 ? "E5001" : "E5003";
  const message = typeof told["detail"] === "string" ? told["detail"] : `the answer was ${answer.status}`;
  throw new RiverrunError(code, message, { status: answer.status });
}

/**
 * Fetch the first `head` events of a log, each as the log holds it, letter by letter: what went through this page may have
 * been joined on its way, and numbers lose what JavaScript does not know.
 *
 * @throws ConnectionFault E5001: the server was not reached, or not to the end.
 */
export async function lines(run: string, head: number): Promise<readonly string[]> {
  const leaving = new AbortController();
  const events: string[] = [];
  try {
    const asked = { accept: "text/event-stream", ...headers() };
    const answer = await fetch(new URL(`v1/runs/${run}/events`, SERVER), { headers: asked, signal: leaving.signal });
    if (answer.status !== 200 || answer.body === null) throw new RiverrunError("E5003", `the answer was ${answer.status}`);
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    while (events.length < head) {
      const { done, value } = await reader.read();
      if (done) throw new ConnectionFault("E5001", "the log ended too early");
      const told = (rest + value).split("\n");
      rest = told.pop()!;
      for (const line of told) if (line.startsWith("data: ") && events.length < head) events.push(line.slice(6).trimEnd());
    }
    return events;
  } catch (error) {
    if (error instanceof RiverrunError) throw error;
    throw new ConnectionFault("E5001", "the server was not reached");
  } finally {
    leaving.abort();
  }
}

function parsed(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
}
