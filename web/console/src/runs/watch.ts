// The list of runs, kept fresh while it is seen: asked for every two seconds, every second while something runs, more
// slowly while the server does not answer, and not at all while the page is hidden.

import { useCallback, useEffect, useRef, useState } from "react";
import { RiverrunError, type ListOptions, type RunInfo } from "riverrun";

import { client } from "../base/server";

/** A run of the list, with what two looks at it say. */
export interface Watched extends RunInfo {
  /** Events per second between the last two looks. */
  readonly rate: number;
}

/** The list as it is known. */
export interface Watch {
  readonly runs: readonly Watched[] | null;
  /** When the server last answered, in ms. */
  readonly at: number;
  readonly error: RiverrunError | null;
  /** Whether there may be older ones. */
  readonly more: boolean;
  readonly again: () => void;
  readonly older: () => void;
}

const PAGE = 50;
const BUSY = 1000;
const CALM = 2000;
const LOST = 5000;

/** Keep a list of runs. */
export function useRuns(options: ListOptions): Watch {
  const [told, setTold] = useState<Omit<Watch, "again" | "older">>({ runs: null, at: 0, error: null, more: false });
  const [pages, setPages] = useState(1);
  const [turn, setTurn] = useState(0);
  const heads = useRef(new Map<string, { head: number; at: number }>());
  const name = JSON.stringify(options);
  useEffect(() => setPages(1), [name]);
  useEffect(() => {
    let over = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const look = async (): Promise<void> => {
      clearTimeout(timer);
      if (document.hidden) return;
      let wait = LOST;
      try {
        const runs = await list(JSON.parse(name) as ListOptions, pages);
        if (over) return;
        const at = Date.now();
        setTold({ runs: runs.map((run) => watched(run, at, heads.current)), at, error: null, more: runs.length === pages * PAGE });
        wait = runs.some((run) => run.status === "running") ? BUSY : CALM;
      } catch (error) {
        if (!(error instanceof RiverrunError)) throw error;
        if (over) return;
        setTold((before) => ({ ...before, error }));
        if (error.code === "E2017" || error.code === "E2018") return;
      }
      timer = setTimeout(() => void look(), wait);
    };
    const shown = (): void => void look();
    document.addEventListener("visibilitychange", shown);
    window.addEventListener("online", shown);
    void look();
    return () => {
      over = true;
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", shown);
      window.removeEventListener("online", shown);
    };
  }, [name, pages, turn]);
  const again = useCallback(() => setTurn((before) => before + 1), []);
  const older = useCallback(() => setPages((before) => before + 1), []);
  return { ...told, again, older };
}

async function list(options: ListOptions, pages: number): Promise<readonly RunInfo[]> {
  let runs: readonly RunInfo[] = [];
  for (let page = 0; page < pages; page += 1) {
    const before = runs.at(-1)?.run;
    const next = await client.runs({ ...options, limit: PAGE, ...(before === undefined ? {} : { before }) });
    runs = [...runs, ...next];
    if (next.length < PAGE) break;
  }
  return runs;
}

function watched(run: RunInfo, at: number, heads: Map<string, { head: number; at: number }>): Watched {
  const before = heads.get(run.run);
  heads.set(run.run, { head: run.head, at });
  const seconds = before === undefined ? 0 : (at - before.at) / 1000;
  const rate = before === undefined || seconds < 0.2 ? 0 : Math.max(0, (run.head - before.head) / seconds);
  return { ...run, rate };
}
