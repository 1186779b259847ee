// How it ended, or what stands in the way: one honest line with a way on. A time-out and a lost run ask; a user's stop
// does not; a lost connection is not an end at all and is told by the dot.

import { useState, type ReactElement } from "react";
import type { ErrorInfo, RiverrunError } from "riverrun";

import { count } from "../base/format";
import { go } from "../base/route";
import { client } from "../base/server";
import { useSay, type Say, type Word } from "../base/words";
import type { Reading } from "../model/reading";
import { Icon, type Sign } from "../parts/icon";
import { Trouble } from "../parts/trouble";

const SIGNS: Record<string, Sign> = { completed: "check", failed: "cross", stopped: "stop", timed_out: "clock", lost: "question" };

/** All that there is to say about where the run and its connection are. */
export function Banner({ reading }: { readonly reading: Reading }): ReactElement {
  const { say, language } = useSay();
  const { truth, live, shown } = reading;
  return (
    <div className="banners">
      {reading.at !== null && (
        <p className="banner replaying">
          <Icon sign="clock" />
          {say("time.replaying")}
          <button type="button" onClick={() => reading.seek(null)}>
            {say("time.live")}
          </button>
        </p>
      )}
      {reading.at === null && live.terminal !== null && <Ending key={reading.run} reading={reading} />}
      {truth.standing === "detached" && (
        <p className="banner">
          <Icon sign="leave" />
          {say("end.detached", { n: count(live.place, language) })}
        </p>
      )}
      {truth.fault !== null && (
        <Trouble error={truth.fault}>
          <WayOn reading={reading} fault={truth.fault} />
        </Trouble>
      )}
      {reading.floor > 0 && (
        <p className="banner">
          <Icon sign="question" />
          {say("run.trimmed", { n: count(reading.floor, language) })}
        </p>
      )}
      {reading.unkept !== "" && (
        <p className="banner unkept">
          <Icon sign="question" />
          {say("run.unkept", { why: reading.unkept })}
        </p>
      )}
      {shown.unknown > 0 && (
        <p className="banner">
          <Icon sign="question" />
          {say("run.unknown", { n: count(shown.unknown, language) })}
        </p>
      )}
    </div>
  );
}

/** What leads on from what stands in the way of reading; nothing where nothing does. */
export function WayOn({ reading, fault }: { readonly reading: Reading; readonly fault: RiverrunError }): ReactElement | null {
  const { say, language } = useSay();
  const { code, floor, head } = fault;
  if (code === "E2005" || code === "E5004") return null;
  if (code === "E4007" && floor !== null) {
    if (floor === head) return null;
    return (
      <button type="button" className="main" onClick={() => void reading.afresh(floor)}>
        {say("fault.left", { n: count(floor + 1, language) })}
      </button>
    );
  }
  const gone = code === "E2006" || code === "E2008";
  return (
    <button type="button" onClick={() => (gone ? void reading.afresh() : reading.attach())}>
      {say(gone ? "fault.again" : "app.retry")}
    </button>
  );
}

function Ending({ reading }: { readonly reading: Reading }): ReactElement | null {
  const { say } = useSay();
  const [left, setLeft] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const { terminal, view } = reading.live;
  const ending = view.ending!;
  const asks = ending === "timed_out" || ending === "lost";
  if (terminal === null || left) return null;
  const goOn = async (): Promise<void> => {
    setBusy(true);
    try {
      go(`/runs/${(await client.run(reading.run).fork()).id}`);
    } catch (fault) {
      setError(fault);
    }
    setBusy(false);
  };
  const partial = "partial" in terminal ? (terminal.partial?.length ?? 0) : 0;
  return (
    <div className="banner ending" data-ending={ending} role={asks ? "alert" : undefined}>
      <Icon sign={SIGNS[ending] ?? "dot"} />
      <div>
        <strong>{said(reading, say)}</strong>
        {asks && <p>{say("end.timed_outMore")}</p>}
        {view.error !== null && <Why reading={reading} />}
        {partial > 0 && <p>{say("end.partial", { n: partial })}</p>}
        {error !== null && <Trouble error={error} />}
      </div>
      {(asks || ending === "failed") && reading.client !== null && reading.floor === 0 && (
        <div className="actions">
          <button type="button" className={asks ? "main" : ""} disabled={busy} onClick={() => void goOn()}>
            {say(busy ? "run.forking" : "end.goOn")}
          </button>
          {asks && (
            <button type="button" onClick={() => setLeft(true)}>
              {say("end.leave")}
            </button>
          )}
        </div>
      )}
    </div>
  );
}

function Why({ reading }: { readonly reading: Reading }): ReactElement {
  const { say } = useSay();
  const error = reading.live.view.error!;
  return (
    <dl className="why">
      <div>
        <dt>
          <code>{error.code}</code>
        </dt>
        <dd>{withKind(error)}</dd>
      </div>
      {error.where !== undefined && error.where !== "" && (
        <div>
          <dt>{say("end.where")}</dt>
          <dd>
            <code>{error.where}</code>
          </dd>
        </div>
      )}
      {error.mend !== undefined && error.mend !== "" && (
        <div>
          <dt>{say("end.mend")}</dt>
          <dd>{error.mend}</dd>
        </div>
      )}
    </dl>
  );
}

/** What went wrong, with the class of the error where the message does not name it. */
function withKind({ kind = "", message }: ErrorInfo): string {
  return kind === "" || message.includes(kind) ? message : `${kind}: ${message}`;
}

function said(reading: Reading, say: Say): string {
  const { terminal, view } = reading.live;
  if (terminal?.type === "run.stopped" && terminal.reason) return say("end.stoppedWhy", { why: terminal.reason });
  if (terminal?.type === "run.timed_out") return say("end.timed_out", { n: terminal.limit ?? "?" });
  return say(`end.${view.ending!}` as Word);
}
