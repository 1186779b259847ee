// Which place of the console a path means. Pure.

/** A place of the console. */
export type Route =
  | { readonly page: "runs" | "start" | "metrics" | "file" | "nowhere" }
  | { readonly page: "run"; readonly run: string };

/** Read a path below the console's own. */
export function routeOf(path: string): Route {
  const parts = path.split("/").filter((part) => part !== "");
  const [first, second] = parts;
  if (first === undefined || (first === "runs" && second === undefined)) return { page: "runs" };
  if (first === "runs" && parts.length === 2) return runOf(second!);
  if (parts.length === 1 && (first === "start" || first === "metrics" || first === "file")) return { page: first };
  return { page: "nowhere" };
}

function runOf(part: string): Route {
  try {
    return { page: "run", run: decodeURIComponent(part) };
  } catch {
    return { page: "nowhere" };
  }
}
