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
  // FNV-1a: it tells keys apart and does not lead back to one.
  let sum = 0x811c9dc5;
  for (const letter of key) sum = Math.imul(sum ^ letter.codePointAt(0)!, 0x01000193) >>> 0;
  return key === "" ? "" : sum.toString(16);
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

function parsed(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
}
