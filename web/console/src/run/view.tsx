// The view of a run: what its agents say, the graph, the events and the state, all of one moment, which the timeline
// chooses. The same for a run that goes on, one that has ended, and a file.

import { useEffect, useState, type ReactElement } from "react";

import { useKeys } from "../base/keys";
import { go } from "../base/route";
import { useSay, type Word } from "../base/words";
import type { Reading } from "../model/reading";
import { useBeat } from "../model/use";
import { Late, late, warm } from "../parts/late";
import { Fence } from "../parts/trouble";
import { useAnnounced } from "../parts/voice";
import { Banner } from "./banner";
import { EventTable } from "./events";
import { RunHead } from "./head";
import { Panes } from "./panes";
import { Questions } from "./questions";
import { StateOf } from "./state";
import { Timeline } from "./timeline";
import "../styles/panes.css";
import "../styles/run.css";

const diagram = late(async () => (await import("./diagram")).Diagram);

/** Milliseconds that the graph waits for the first text, and behind it: to draw it takes as long as all the rest. */
const FOR_TEXT = 400;
const BEHIND_TEXT = 30;

const TABS = ["graph", "events", "state"] as const;
type Tab = (typeof TABS)[number];

/** A run. */
export function RunView({ reading }: { readonly reading: Reading }): ReactElement {
  const { say } = useSay();
  useBeat(reading);
  const [tab, setTab] = useState<Tab>("graph");
  const drawn = useSecond(reading);
  useAnnounced(spoken(reading));
  useAddress(reading);
  useKeys({
    "[": () => reading.seek(reading.aim - 1),
    "]": () => reading.seek(reading.aim + 1),
    End: () => reading.seek(null),
    Escape: () => (reading.at === null ? go("/runs") : reading.seek(null)),
  });
  return (
    <div className="run">
      <RunHead reading={reading} />
      <Banner reading={reading} />
      <Questions reading={reading} />
      <div className="run-body">
        <Fence name="agents">
          <Panes reading={reading} />
        </Fence>
        <section className="run-side" aria-label={say(`run.${tab}`)}>
          <div className="tabs" role="tablist">
            {TABS.map((one) => (
              <button
                key={one}
                id={`tab-${one}`}
                type="button"
                role="tab"
                aria-selected={tab === one}
                aria-controls="side-panel"
                tabIndex={tab === one ? 0 : -1}
                onClick={() => setTab(one)}
                onKeyDown={(event) => {
                  const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
                  if (step === 0) return;
                  const next = TABS[(TABS.indexOf(one) + step + TABS.length) % TABS.length]!;
                  setTab(next);
                  document.getElementById(`tab-${next}`)?.focus();
                }}
              >
                {say(`run.${one}`)}
              </button>
            ))}
          </div>
          <div className="side-panel" id="side-panel" role="tabpanel" aria-labelledby={`tab-${tab}`}>
            <Fence name={tab} key={tab}>
              {tab === "graph" && drawn && <Late part={diagram} given={{ reading }} />}
              {tab === "events" && <EventTable reading={reading} />}
              {tab === "state" && <Stated reading={reading} />}
            </Fence>
          </div>
        </section>
      </div>
      <Timeline reading={reading} />
    </div>
  );
}

function Stated({ reading }: { readonly reading: Reading }): ReactElement {
  const { say } = useSay();
  if (reading.client === null) return <p className="quiet">{say("state.none")}</p>;
  if (reading.floor > 0) return <p className="quiet">{say("state.trimmed")}</p>;
  return <StateOf run={reading.run} at={reading.shown.place} />;
}

/** Whether what comes second may be drawn: the first text is there, or has not come for a while. */
function useSecond(reading: Reading): boolean {
  const [due, setDue] = useState(false);
  const said = reading.live.view.chunks > 0;
  useEffect(() => {
    warm(diagram);
    const timer = setTimeout(() => setDue(true), said ? BEHIND_TEXT : FOR_TEXT);
    return () => clearTimeout(timer);
  }, [said]);
  return due;
}

/** What a screen reader is told: where the run is, never what it says. */
function spoken(reading: Reading): string | null {
  const { say } = useSay();
  const { view } = reading.live;
  if (view.ending !== null) return say(`say.${view.ending}` as Word);
  if (view.questions.size > 0) return say("say.asks");
  if (reading.standing === "reconnecting" || reading.standing === "offline") return say("say.reconnecting");
  return view.chunks > 0 ? say("say.started") : null;
}

/** Keep the address at the event that is shown, so that it can be sent to somebody. */
function useAddress(reading: Reading): void {
  const { at, run } = reading;
  useEffect(() => {
    if (reading.client === null) return undefined;
    // Browsers refuse a page that changes its address too often.
    const timer = setTimeout(() => go(at === null ? `/runs/${run}` : `/runs/${run}?seq=${at}`, { replace: true }), 400);
    return () => clearTimeout(timer);
  }, [at, run, reading.client]);
}
