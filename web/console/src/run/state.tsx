// The state of the graph at an event, as the server folds it.

import { useEffect, useState, type ReactElement } from "react";
import type { Json } from "riverrun";

import { count } from "../base/format";
import { client } from "../base/server";
import { useSay } from "../base/words";
import { Trouble } from "../parts/trouble";
import { Value } from "../parts/value";

/** A moment of quiet before the server is asked, so that moving through a log does not ask for each event. */
const QUIET = 300;

/** The state; `at` null is the last one. */
export function StateOf({ run, at }: { readonly run: string; readonly at: number | null }): ReactElement {
  const { say, language } = useSay();
  const [told, setTold] = useState<{ at: number | null; state: Json } | null>(null);
  const [error, setError] = useState<unknown>(null);
  useEffect(() => {
    let over = false;
    const timer = setTimeout(() => {
      client
        .run(run)
        .state(at ?? undefined)
        .then(
          (state) => {
            if (over) return;
            setTold({ at, state });
            setError(null);
          },
          (fault: unknown) => over || setError(fault),
        );
    }, QUIET);
    return () => {
      over = true;
      clearTimeout(timer);
    };
  }, [run, at]);
  return (
    <div className="stated">
      <h2>{told === null || told.at === null ? say("state.end") : say("state.at", { n: count(told.at, language) })}</h2>
      {error !== null && <Trouble error={error} />}
      {told !== null && <Value value={told.state} open={2} />}
    </div>
  );
}
