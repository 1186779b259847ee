// The head of a run: which one it is, how it stands, its figures, and what can be done with it.

import { useState, type ReactElement } from "react";

import { count, shortId, span } from "../base/format";
import { copied } from "../base/clip";
import { go } from "../base/route";
import { client, lines } from "../base/server";
import { useSay } from "../base/words";
import { toLines, toMarkdown } from "../model/copy";
import type { Reading } from "../model/reading";
import { Menu } from "../parts/dialog";
import { Icon } from "../parts/icon";
import { Link } from "../parts/link";
import { Status } from "../parts/status";
import { Trouble } from "../parts/trouble";
import { ConnectionDot } from "./connection";

/** The head. */
export function RunHead({ reading }: { readonly reading: Reading }): ReactElement {
  const { say } = useSay();
  const { view, opening } = reading.live;
  const parked = view.questions.size > 0;
  const status = view.ending ?? (parked ? "parked" : "running");
  return (
    <header className="run-head">
      <div className="run-name">
        <Link to={reading.client === null ? "/file" : "/runs"} className="crumb">
          {say("list.title")}
        </Link>
        <Icon sign="on" size={13} />
        <h1>{reading.graph || say("app.loading")}</h1>
        <RunId id={reading.run} />
        {reading.events.length > 0 && <Status status={status} />}
        {opening?.thread != null && <span className="tag">{say("run.thread", { name: opening.thread })}</span>}
        <ConnectionDot reading={reading} />
      </div>
      <Figures reading={reading} />
      <Actions reading={reading} />
    </header>
  );
}

function RunId({ id }: { readonly id: string }): ReactElement {
  const { say } = useSay();
  const [done, setDone] = useState(false);
  const copy = async (): Promise<void> => {
    // Where it is not allowed at all: the whole id stands in the title.
    if (!(await copied(id))) return;
    setDone(true);
    setTimeout(() => setDone(false), 1500);
  };
  return (
    <button type="button" className="plain mono id" title={id} data-copied={done || undefined} aria-label={`${shortId(id)} ${say("app.copy")}`} onClick={() => void copy()}>
      {shortId(id)}
      <Icon sign={done ? "check" : "copy"} size={12} />
    </button>
  );
}

function Figures({ reading }: { readonly reading: Reading }): ReactElement {
  const { say, language } = useSay();
  const { shown } = reading;
  const { firstChunk, rate, retries, started } = shown;
  const { voided, ending } = shown.view;
  const figures: readonly (readonly [string, string, string?])[] = [
    ...(firstChunk === null ? [] : [[say("run.first"), span(firstChunk), say("run.firstMore")] as const]),
    ...(rate === null || ending !== null ? [] : [[say("run.rate"), count(rate.chunks, language)] as const]),
    [say("run.text"), say("run.characters", { n: count(shown.length, language, { short: true }) })],
    ...(retries === 0 ? [] : [[say("run.retries"), count(retries, language)] as const]),
    ...(voided === 0 ? [] : [[say("run.voided"), say("run.characters", { n: count(voided, language, { short: true }) })] as const]),
    ...(started === null ? [] : [[say("run.took"), span(shown.last - started)] as const]),
  ];
  return (
    <dl className="figures">
      {figures.map(([name, value, more]) => (
        <div key={name} title={more}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function Actions({ reading }: { readonly reading: Reading }): ReactElement {
  const { say, language } = useSay();
  const [busy, setBusy] = useState<"" | "stop" | "fork" | "save">("");
  const [error, setError] = useState<unknown>(null);
  const { ending } = reading.live.view;
  const act = async (what: "stop" | "fork" | "save", ask: () => Promise<void>): Promise<void> => {
    setBusy(what);
    setError(null);
    try {
      await ask();
    } catch (fault) {
      setError(fault);
    }
    setBusy("");
  };
  const online = reading.client !== null;
  const goesOn = online && ending === null && reading.events.length > 0;
  return (
    <div className="run-actions">
      {goesOn && (
        <button type="button" className="danger" title={say("run.stopMore")} disabled={busy === "stop"} onClick={() => void act("stop", async () => void (await client.run(reading.run).stop()))}>
          <Icon sign="stop" />
          {say(busy === "stop" ? "run.stopping" : "run.stop")}
        </button>
      )}
      {goesOn && <Leaving reading={reading} />}
      {online && reading.at !== null && reading.floor === 0 && (
        <button
          type="button"
          title={say("run.forkMore", { n: count(reading.shown.place, language) })}
          disabled={busy === "fork"}
          onClick={() => void act("fork", async () => go(`/runs/${(await client.run(reading.run).fork({ at: reading.shown.place })).id}`))}
        >
          <Icon sign="fork" />
          {say(busy === "fork" ? "run.forking" : "run.fork")}
        </button>
      )}
      {online && ending !== null && reading.at === null && (
        <Link to={`/start?graph=${encodeURIComponent(reading.graph)}&like=${reading.run}`} className="button">
          <Icon sign="retry" />
          {say("run.again")}
        </Link>
      )}
      <Menu
        label={say("run.export")}
        sign="save"
        items={[
          { name: say("run.export.md"), act: () => save(reading, "md", toMarkdown(reading.shown)) },
          // A log without its beginning cannot be played again.
          ...(reading.floor > 0 ? [] : [{ name: say("run.export.jsonl"), act: () => void act("save", async () => save(reading, "jsonl", await wholeLog(reading))) }]),
        ]}
      />
      {error !== null && (
        <div className="over">
          <Trouble error={error}>
            <button type="button" onClick={() => setError(null)}>
              {say("app.close")}
            </button>
          </Trouble>
        </div>
      )}
    </div>
  );
}

function Leaving({ reading }: { readonly reading: Reading }): ReactElement {
  const { say } = useSay();
  if (reading.truth.standing === "detached") {
    return (
      <button type="button" onClick={() => reading.attach()}>
        <Icon sign="play" />
        {say("run.attach")}
      </button>
    );
  }
  return (
    <button type="button" title={say("run.detachMore")} onClick={() => reading.detach()}>
      <Icon sign="leave" />
      {say("run.detach")}
    </button>
  );
}

/** The log as the server holds it; of a file, the file. */
async function wholeLog(reading: Reading): Promise<string> {
  if (reading.client === null) return reading.text;
  const events = [...reading.events];
  return toLines(events, await lines(reading.run, events.length));
}

function save(reading: Reading, ending: string, text: string): void {
  const kind = ending === "md" ? "text/markdown" : "application/jsonl";
  const url = URL.createObjectURL(new Blob([text], { type: kind }));
  const link = document.createElement("a");
  link.href = url;
  link.download = `${reading.graph || "run"}-${shortId(reading.run)}.${ending}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
