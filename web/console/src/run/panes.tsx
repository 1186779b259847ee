// One pane per agent, side by side, or one alone.

import { useState, type ReactElement } from "react";

import { usePrefs } from "../base/prefs";
import { useSay } from "../base/words";
import type { Reading } from "../model/reading";
import { PaneView } from "./pane";

/** The panes of a run. */
export function Panes({ reading }: { readonly reading: Reading }): ReactElement {
  const { say } = useSay();
  const { form, set } = usePrefs();
  const [alone, setAlone] = useState<string | null>(null);
  const { shown } = reading;
  const panes = [...shown.panes.values()];
  const wide = alone !== null && shown.panes.has(alone) ? alone : null;
  return (
    <section className="panes-frame" aria-label={say("run.agents")}>
      <div className="panes-head">
        <h2>{say("run.agents")}</h2>
        <div className="segments small" role="group" aria-label={say("run.form")}>
          {(["markdown", "plain"] as const).map((one) => (
            <button key={one} type="button" aria-pressed={form === one} onClick={() => set({ form: one })}>
              {say(`run.form.${one}`)}
            </button>
          ))}
        </div>
      </div>
      {panes.length === 0 && <Quiet reading={reading} />}
      <div className="panes" data-count={wide === null ? Math.min(panes.length, 4) : 1}>
        {panes
          .filter((pane) => wide === null || pane.agent === wide)
          .map((pane) => (
            <PaneView
              // A picture that was folded anew is another text, read from where the reader is put.
              key={`${pane.agent} ${reading.at === null ? "live" : "then"}`}
              pane={pane}
              version={pane.version}
              form={form}
              working={workingOn(reading, pane.agent)}
              wide={wide !== null}
              onWide={panes.length > 1 ? () => setAlone(wide === null ? pane.agent : null) : null}
            />
          ))}
      </div>
    </section>
  );
}

function Quiet({ reading }: { readonly reading: Reading }): ReactElement {
  const { say } = useSay();
  return <p className="quiet">{say(reading.live.view.ending === null ? "run.quiet" : "run.quietEnd")}</p>;
}

/** Say where the newest execution of an agent is. */
function workingOn(reading: Reading, agent: string): string {
  let state = "waiting";
  for (const execution of reading.shown.executions.values()) if (execution.agent === agent) state = execution.state;
  return state;
}
