// Numbers, sizes, times and spans as people read them, in the language of the page.

import type { Language } from "./prefs";

const LOCALES: Record<Language, string> = { en: "en-GB", zh: "zh-CN" };
const numbers = new Map<string, Intl.NumberFormat>();

/** A number with its thousands apart, or short: `12.3K`. */
export function count(value: number, language: Language, { short = false, digits = 0 } = {}): string {
  const name = `${language}${short}${digits}`;
  let format = numbers.get(name);
  if (format === undefined) {
    const how: Intl.NumberFormatOptions = short
      ? { notation: "compact", maximumFractionDigits: 1 }
      : { maximumFractionDigits: digits };
    format = new Intl.NumberFormat(LOCALES[language], how);
    numbers.set(name, format);
  }
  return format.format(value);
}

/** A span of milliseconds: `340 ms`, `12.4 s`, `3 m 20 s`, `5 h 4 m`, `2 d 3 h`. */
export function span(ms: number): string {
  if (ms < 1000) return `${Math.max(0, Math.round(ms))} ms`;
  const seconds = ms / 1000;
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 2 : 1)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} m ${whole % 60} s`;
  if (whole < 86_400) return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} m`;
  return `${Math.floor(whole / 86_400)} d ${Math.floor((whole % 86_400) / 3600)} h`;
}

/** How long ago something was: `12 s ago`. */
export function ago(ms: number, language: Language): string {
  const format = new Intl.RelativeTimeFormat(LOCALES[language], { numeric: "auto", style: "narrow" });
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return format.format(-seconds, "second");
  if (seconds < 3600) return format.format(-Math.floor(seconds / 60), "minute");
  if (seconds < 86_400) return format.format(-Math.floor(seconds / 3600), "hour");
  return format.format(-Math.floor(seconds / 86_400), "day");
}

/** A moment: `14:03:22.118`, with the day where it is not today's. */
export function moment(ts: number, language: Language, now = Date.now()): string {
  const date = new Date(ts);
  const time = date.toLocaleTimeString(LOCALES[language], { hour12: false });
  const exact = `${time}.${String(date.getMilliseconds()).padStart(3, "0")}`;
  if (date.toDateString() === new Date(now).toDateString()) return exact;
  return `${date.toLocaleDateString(LOCALES[language])} ${exact}`;
}

/** A size in bytes: `12.4 MB`. */
export function bytes(value: number): string {
  if (value < 1000) return `${Math.round(value)} B`;
  const units = ["kB", "MB", "GB", "TB"];
  let size = value;
  let at = -1;
  while (size >= 1000 && at < units.length - 1) {
    size /= 1000;
    at += 1;
  }
  return `${size.toFixed(size < 10 ? 1 : 0)} ${units[at]!}`;
}

/** The part of an id that tells it from its neighbours. */
export function shortId(id: string): string {
  return id.slice(-8);
}
