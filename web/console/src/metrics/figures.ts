// The figures that a server tells of itself (PROTOCOL.md §15), kept for ten minutes as series to plot. Rates are made of
// counters here. Tolerant of figures that are not there. It does not know how they are drawn.

import type { Json } from "riverrun";

/** Seconds between two looks. */
export const EVERY = 2;
/** How many looks are kept: ten minutes. */
export const KEPT = 300;

/** One look at a server. */
export type Look = Readonly<Record<string, number>>;

/** One plot: its title, and the figures that are lines in it. */
export interface Plotted {
  readonly title: "readers" | "runs" | "lag" | "cpu" | "memory" | "errors" | "commit" | "page";
  readonly lines: readonly string[];
}

/** Times in seconds since the epoch, and values by name; null where there was none. */
export class Series {
  readonly times: number[] = [];
  readonly values = new Map<string, (number | null)[]>();

  /** Add one look at `seconds`. */
  add(seconds: number, look: Look): void {
    for (const name of Object.keys(look)) {
      if (!this.values.has(name)) this.values.set(name, this.times.map(() => null));
    }
    this.times.push(seconds);
    for (const [name, line] of this.values) line.push(look[name] ?? null);
    if (this.times.length <= KEPT) return;
    this.times.shift();
    for (const line of this.values.values()) line.shift();
  }
}

/** Make the figures of one look out of what the server told now and before; `seconds` lie between. */
export function looked(now: Json, before: Json | null, seconds: number): Look {
  const flat = flattened(now);
  const last = before === null ? null : flattened(before);
  const look: Record<string, number> = { ...flat };
  const rate = (name: string): number | null => {
    const [one, other] = [flat[name], last?.[name]];
    return one === undefined || other === undefined || one < other || seconds <= 0 ? null : (one - other) / seconds;
  };
  const cpu = rate("process.cpu_seconds");
  if (cpu !== null) look["cpu"] = 100 * cpu;
  if (flat["process.rss_bytes"] !== undefined) look["memory"] = flat["process.rss_bytes"] / 1e6;
  for (const name of Object.keys(flat)) {
    if (/^store\..*_seconds$/.test(name)) look[name.replace(/_seconds$/, "_ms")] = 1000 * flat[name]!;
    const code = /^errors\.(\w+)$/.exec(name)?.[1];
    // A code that is new was not there before.
    const grown = code === undefined ? null : last === null ? null : (rate(name) ?? flat[name]! / Math.max(1, seconds));
    if (grown === null) continue;
    look[`error ${code}`] = grown;
    look["errors"] = (look["errors"] ?? 0) + grown;
  }
  // That nothing went wrong is a figure, too.
  if (last !== null) look["errors"] ??= 0;
  return look;
}

/** Choose what to plot of what there is. */
export function plots(series: Series): readonly Plotted[] {
  const names = [...series.values.keys()];
  const below = (prefix: string): string[] => names.filter((name) => name.startsWith(prefix));
  const all: readonly Plotted[] = [
    { title: "readers", lines: names.filter((name) => name === "readers.open" || name === "sockets.open") },
    { title: "runs", lines: names.filter((name) => /^runs\.(running|waiting|queued|orphaned_calls)$/.test(name)) },
    { title: "lag", lines: names.filter((name) => name === "readers.lag") },
    { title: "cpu", lines: names.filter((name) => name === "cpu") },
    { title: "memory", lines: names.filter((name) => name === "memory") },
    { title: "errors", lines: [...names.filter((name) => name === "errors"), ...below("error ")] },
    { title: "commit", lines: below("store.").filter((name) => /_ms$/.test(name)) },
    { title: "page", lines: names.filter((name) => name === "answer") },
  ];
  return all.filter((plot) => plot.lines.length > 0);
}

function flattened(value: Json, prefix = ""): Record<string, number> {
  if (typeof value === "number") return { [prefix]: value };
  if (typeof value !== "object" || value === null || Array.isArray(value)) return {};
  return Object.entries(value).reduce<Record<string, number>>((all, [name, item]) => {
    return Object.assign(all, flattened(item as Json, prefix === "" ? name : `${prefix}.${name}`));
  }, {});
}
