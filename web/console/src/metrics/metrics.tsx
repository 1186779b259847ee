// The figures of the server over the last ten minutes, and how quickly it answers this page.

import { useEffect, useRef, useState, type ReactElement } from "react";
import { RiverrunError, type Json } from "riverrun";

import { ask } from "../base/server";
import { useSay } from "../base/words";
import { Late, late } from "../parts/late";
import { Trouble } from "../parts/trouble";
import { Value } from "../parts/value";
import { Who } from "../parts/who";
import { EVERY, KEPT, Series, looked, plots } from "./figures";

const plot = late(async () => (await import("./plot")).Plot);

interface Told {
  readonly series: Series;
  readonly body: Json | null;
  readonly error: RiverrunError | null;
  /** Counts the looks; the series grows in place. */
  readonly looks: number;
}

/** The page. */
export function Metrics(): ReactElement {
  const { say } = useSay();
  const [turn, setTurn] = useState(0);
  const told = useFigures(turn);
  const { series, body, error } = told;
  if (error?.code === "E2017") return <Who onKey={() => setTurn(turn + 1)} />;
  const missing = error !== null && error.status === 404;
  return (
    <section className="page">
      <header className="page-head">
        <h1>{say("metrics.title")}</h1>
        <span className="dim">{say("metrics.window", { n: Math.round((KEPT * EVERY) / 60) })}</span>
      </header>
      {missing && (
        <p className="note">
          <strong>{say("metrics.none")}</strong> {say("metrics.noneMore")}
        </p>
      )}
      {error !== null && !missing && <Trouble error={error} />}
      <div className="plots">
        {plots(series).map(({ title, lines }) => (
          <section key={title} className="card plot" aria-label={say(`metrics.${title}`)}>
            <h2>{say(`metrics.${title}`)}</h2>
            <Late part={plot} given={{ series, lines, looks: told.looks }} />
          </section>
        ))}
      </div>
      {body !== null && (
        <details className="card all">
          <summary>{say("metrics.other")}</summary>
          <Value value={body} open={2} />
        </details>
      )}
    </section>
  );
}

function useFigures(turn: number): Told {
  const series = useRef(new Series());
  const [told, setTold] = useState<Told>({ series: series.current, body: null, error: null, looks: 0 });
  useEffect(() => {
    let over = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let before: { body: Json; at: number } | null = null;
    const look = async (): Promise<void> => {
      const began = performance.now();
      let body: Json | null = null;
      let error: RiverrunError | null = null;
      try {
        if (!document.hidden) body = await ask("v1/metrics");
      } catch (fault) {
        if (!(fault instanceof RiverrunError)) throw fault;
        error = fault;
      }
      if (over) return;
      const now = performance.now();
      const answered = body !== null || error?.status !== null;
      const figures = body === null ? {} : looked(body, before?.body ?? null, before === null ? 0 : (now - before.at) / 1000);
      if (body !== null) before = { body, at: now };
      if (!document.hidden) series.current.add(Date.now() / 1000, answered ? { ...figures, answer: now - began } : figures);
      setTold((last) => ({ series: series.current, body: body ?? last.body, error, looks: last.looks + 1 }));
      if (error?.code === "E2017" || error?.code === "E2018") return;
      timer = setTimeout(() => void look(), EVERY * 1000);
    };
    void look();
    return () => {
      over = true;
      clearTimeout(timer);
    };
  }, [turn]);
  return told;
}
