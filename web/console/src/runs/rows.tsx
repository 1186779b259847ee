// The rows of the list of runs, and the keys that lead through them.

import { useEffect, useRef, useState, type ReactElement } from "react";

import { ago, count, shortId, span } from "../base/format";
import { useKeys } from "../base/keys";
import { go } from "../base/route";
import { useSay } from "../base/words";
import { Link } from "../parts/link";
import { Status, statusOf } from "../parts/status";
import type { Watched } from "./watch";

/** The rows. */
export function RunRows({ runs }: { readonly runs: readonly Watched[] }): ReactElement {
  const { say } = useSay();
  const [chosen, setChosen] = useState<string | null>(null);
  const body = useRef<HTMLTableSectionElement>(null);
  const move = (step: number): void => {
    const at = runs.findIndex((run) => run.run === chosen);
    const next = runs[Math.min(runs.length - 1, Math.max(0, at + step))];
    if (next !== undefined) setChosen(next.run);
  };
  useKeys({
    j: () => move(1),
    k: () => move(-1),
    Enter: () => chosen !== null && go(`/runs/${chosen}`),
    Escape: () => setChosen(null),
  });
  useEffect(() => {
    body.current?.querySelector("[data-chosen]")?.scrollIntoView({ block: "nearest" });
  }, [chosen]);
  return (
    <div className="table-frame">
      <table className="runs">
        <thead>
          <tr>
            <th scope="col">{say("list.status")}</th>
            <th scope="col">{say("list.graph")}</th>
            <th scope="col">{say("list.run")}</th>
            <th scope="col">{say("list.thread")}</th>
            <th scope="col" className="number">
              {say("list.events")}
            </th>
            <th scope="col" className="number">
              {say("list.started")}
            </th>
            <th scope="col" className="number">
              {say("list.took")}
            </th>
          </tr>
        </thead>
        <tbody ref={body}>
          {runs.map((run) => (
            <RunRow key={run.run} run={run} chosen={run.run === chosen} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function RunRow({ run, chosen }: { readonly run: Watched; readonly chosen: boolean }): ReactElement {
  const { say, language } = useSay();
  const now = Date.now();
  const to = `/runs/${run.run}`;
  const live = run.status === "running" || run.status === "queued";
  return (
    <tr data-chosen={chosen || undefined} data-run={run.run} onClick={(event) => event.target instanceof HTMLAnchorElement || go(to)}>
      <td>
        <Status status={statusOf(run)} />
      </td>
      <td className="strong">{run.graph}</td>
      <td>
        <Link to={to} className="mono" title={run.run}>
          {shortId(run.run)}
        </Link>
      </td>
      <td className="dim clip">{run.thread ?? ""}</td>
      <td className="number">
        {run.rate > 0 && <span className="rate">{say("list.perSecond", { n: count(run.rate, language) })}</span>}
        {count(run.head, language)}
      </td>
      <td className="number dim" title={new Date(run.created_ms).toISOString()}>
        {ago(now - run.created_ms, language)}
      </td>
      <td className="number dim">{span((live ? now : run.updated_ms) - run.created_ms)}</td>
    </tr>
  );
}
