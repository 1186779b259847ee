// Where the page is: paths below the console's own, and what stands behind the question mark.

import { useSyncExternalStore } from "react";

import { routeOf, type Route } from "./paths";

export type { Route } from "./paths";

/** Where the console is mounted, with a slash at its end. */
export const BASE = new URL(".", document.baseURI).pathname;
/** Where the server is, of which the console is a part. */
export const SERVER = new URL("..", document.baseURI).href;

const listeners = new Set<() => void>();

/** Give the address of a place of the console. */
export function href(path: string): string {
  return BASE + path.replace(/^\//, "");
}

/** Go to a place of the console; `replace` leaves no trace in the history. */
export function go(path: string, { replace = false } = {}): void {
  const to = href(path);
  if (to === location.pathname + location.search) return;
  history[replace ? "replaceState" : "pushState"](null, "", to);
  for (const listener of [...listeners]) listener();
}

/** Draw again when the place changes. */
export function useRoute(): { readonly route: Route; readonly query: URLSearchParams } {
  const told = useSyncExternalStore(listen, () => location.pathname + location.search);
  const [path, query] = [told.split("?")[0]!, told.split("?")[1] ?? ""];
  const below = path.startsWith(BASE) ? path.slice(BASE.length) : "";
  return { route: routeOf(below), query: new URLSearchParams(query) };
}

function listen(listener: () => void): () => void {
  listeners.add(listener);
  window.addEventListener("popstate", listener);
  return () => {
    listeners.delete(listener);
    window.removeEventListener("popstate", listener);
  };
}
