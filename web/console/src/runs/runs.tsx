// The list of runs: what is going on, what has ended and how, and which ones to look at.

import { useEffect, useRef, useState, type ReactElement } from "react";
import type { ListOptions } from "riverrun";

import { ago, count } from "../base/format";
import { useKeys } from "../base/keys";
import { go } from "../base/route";
import { client } from "../base/server";
import { useSay } from "../base/words";
import { Icon } from "../parts/icon";
import { Link } from "../parts/link";
import { Trouble } from "../parts/trouble";
import { Who } from "../parts/who";
import { RunRows } from "./rows";
import { useRuns, type Watch, type Watched } from "./watch";

const STATUSES = ["running", "parked", "queued", "ended"] as const;

/** The list. */
export function Runs({ query }: { readonly query: URLSearchParams }): ReactElement {
  const { say } = useSay();
  const [status, graph, text] = [query.get("status") ?? "", query.get("graph") ?? "", query.get("q") ?? ""];
  const options: ListOptions = { ...(status === "" ? {} : { status }), ...(graph === "" ? {} : { graph }) };
  const watch = useRuns(options);
  const graphs = useGraphs(watch.at > 0);
  const put = (changes: Record<string, string>): void => {
    const next = new URLSearchParams(query);
    for (const [name, value] of Object.entries(changes)) {
      if (value === "") next.delete(name);
      else next.set(name, value);
    }
    go(next.size === 0 ? "/runs" : `/runs?${next}`, { replace: true });
  };
  if (watch.error?.code === "E2017") return <Who onKey={watch.again} />;
  const fitting = (watch.runs ?? []).filter((run) => fits(run, text));
  return (
    <section className="page" aria-labelledby="runs">
      <header className="page-head">
        <h1 id="runs">{say("list.title")}</h1>
        <Counters watch={watch} />
        <Link to="/start" className="button main">
          <Icon sign="plus" />
          {say("app.start")}
        </Link>
      </header>
      <div className="filters">
        <div className="segments" role="group" aria-label={say("list.status")}>
          {["", ...STATUSES].map((one) => (
            <button key={one} type="button" aria-pressed={status === one} onClick={() => put({ status: one })}>
              {one === "" ? say("list.all") : say(`list.${one as (typeof STATUSES)[number]}`)}
            </button>
          ))}
        </div>
        <select aria-label={say("list.graph")} value={graph} onChange={(event) => put({ graph: event.target.value })}>
          <option value="">{say("list.allGraphs")}</option>
          {[...new Set([...graphs, ...(graph === "" ? [] : [graph])])].map((name) => (
            <option key={name}>{name}</option>
          ))}
        </select>
        <Find text={text} onText={(q) => put({ q })} label={say("list.search")} />
      </div>
      <Stale watch={watch} />
      {watch.runs === null && watch.error === null && <p className="loading">{say("app.loading")}</p>}
      {watch.runs !== null && fitting.length > 0 && <RunRows runs={fitting} />}
      {watch.runs !== null && fitting.length === 0 && (
        <Nothing filtered={status !== "" || graph !== "" || text !== ""} onClear={() => put({ status: "", graph: "", q: "" })} />
      )}
      {watch.more && (
        <button type="button" className="older" onClick={watch.older}>
          {say("list.older")}
        </button>
      )}
    </section>
  );
}

/** A field that `/` leads to. */
export function Find(props: { readonly text: string; readonly onText: (text: string) => void; readonly label: string }): ReactElement {
  const own = useRef<HTMLInputElement>(null);
  useKeys({ "/": () => own.current?.focus() });
  return (
    <label className="find">
      <Icon sign="search" size={14} />
      <input
        ref={own}
        type="search"
        aria-label={props.label}
        placeholder={props.label}
        value={props.text}
        onChange={(event) => props.onText(event.target.value)}
        onKeyDown={(event) => {
          if (event.key !== "Escape") return;
          event.stopPropagation();
          event.preventDefault();
          props.onText("");
          own.current?.blur();
        }}
      />
      <kbd aria-hidden="true">/</kbd>
    </label>
  );
}

function Counters({ watch }: { readonly watch: Watch }): ReactElement {
  const { say, language } = useSay();
  const runs = watch.runs ?? [];
  const rate = runs.reduce((sum, run) => sum + run.rate, 0);
  return (
    <ul className="counters">
      {STATUSES.map((status) => (
        <li key={status} data-status={status}>
          <b>{count(runs.filter((run) => run.status === status).length, language)}</b> {say(`list.${status}`)}
        </li>
      ))}
      {rate > 0 && (
        <li data-status="rate">
          <b>{count(rate, language)}</b> {say("list.rate")}
        </li>
      )}
    </ul>
  );
}

function Stale({ watch }: { readonly watch: Watch }): ReactElement | null {
  const { say, language } = useSay();
  if (watch.error === null) return null;
  const lost = watch.error.code === "E5001" || watch.error.code === "E5005";
  if (lost && watch.runs !== null) {
    return <p className="note warn">{say("list.stale", { when: ago(Date.now() - watch.at, language) })}</p>;
  }
  return (
    <Trouble error={watch.error}>
      <button type="button" onClick={watch.again}>
        {say("app.retry")}
      </button>
    </Trouble>
  );
}

function Nothing({ filtered, onClear }: { readonly filtered: boolean; readonly onClear: () => void }): ReactElement {
  const { say } = useSay();
  if (filtered) {
    return (
      <div className="empty">
        <p>{say("list.noneFit")}</p>
        <button type="button" onClick={onClear}>
          {say("list.clear")}
        </button>
      </div>
    );
  }
  const code = `from riverrun import Client\n\nasync with Client("${client.url.replace(/\/$/, "")}") as client:\n    run = await client.start("…", {})`;
  return (
    <div className="empty">
      <h2>{say("list.none")}</h2>
      <p>{say("list.noneMore")}</p>
      <pre>{code}</pre>
    </div>
  );
}

function fits(run: Watched, text: string): boolean {
  const wanted = text.trim().toLowerCase();
  return wanted === "" || [run.run, run.thread ?? "", run.graph].some((one) => one.toLowerCase().includes(wanted));
}

/** The names of all graphs, asked for once somebody is known. */
function useGraphs(known: boolean): readonly string[] {
  const [names, setNames] = useState<readonly string[]>([]);
  useEffect(() => {
    if (!known) return;
    client.graphs().then(
      (graphs) => setNames(graphs.map((graph) => graph.name)),
      () => undefined, // the list says already what is wrong
    );
  }, [known]);
  return names;
}
