// Start a run: choose a graph, fill in what its input schema asks for, and look at the run.

import { useEffect, useState, type ReactElement } from "react";
import { RiverrunError, type GraphInfo, type Json, type StartOptions } from "riverrun";

import { go } from "../base/route";
import { client } from "../base/server";
import { useSay } from "../base/words";
import { readJson, type Schema } from "../model/schema";
import { EXTRA, Fields, useForm } from "../parts/form";
import { Icon } from "../parts/icon";
import { Late, late } from "../parts/late";
import { Trouble } from "../parts/trouble";
import { Who } from "../parts/who";
import { Options, readOptions, type OptionTexts } from "./options";

const preview = late(async () => (await import("../run/diagram")).Preview);

type Values = Readonly<Record<string, Json>>;

/** The page; `like` is a run whose input is taken as a start. */
export function StartPage({ graph, like }: { readonly graph: string; readonly like: string }): ReactElement {
  const { say } = useSay();
  const [graphs, setGraphs] = useState<readonly GraphInfo[] | null>(null);
  const [before, setBefore] = useState<Values | null>(like === "" ? {} : null);
  const [error, setError] = useState<unknown>(null);
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    setError(null);
    client.graphs().then(setGraphs, setError);
    if (like !== "") inputOf(like).then(setBefore, () => setBefore({}));
  }, [like, turn]);
  const again = (): void => setTurn(turn + 1);
  if (error instanceof RiverrunError && error.code === "E2017") return <Who onKey={again} />;
  const chosen = graphs?.find((one) => one.name === graph) ?? graphs?.[0];
  return (
    <section className="page start">
      <h1>{say("start.title")}</h1>
      {error !== null && (
        <Trouble error={error}>
          <button type="button" onClick={again}>
            {say("app.retry")}
          </button>
        </Trouble>
      )}
      {graphs?.length === 0 && <p className="quiet">{say("start.noGraphs")}</p>}
      {graphs !== null && chosen !== undefined && before !== null && (
        <>
          <div className="choose" role="radiogroup" aria-label={say("start.graph")}>
            {graphs.map((one) => (
              <button
                key={one.name}
                type="button"
                role="radio"
                aria-checked={one === chosen}
                onClick={() => go(`/start?graph=${encodeURIComponent(one.name)}`, { replace: true })}
              >
                {one.name}
                <small>{(one.nodes ?? []).filter((node) => !node.startsWith("__")).length}</small>
              </button>
            ))}
          </div>
          <div className="start-body">
            <StartForm key={chosen.name} graph={chosen} before={before} />
            <section className="card preview" aria-label={say("start.preview")}>
              <Late part={preview} given={{ graph: chosen }} />
            </section>
          </div>
        </>
      )}
    </section>
  );
}

function StartForm({ graph, before }: { readonly graph: GraphInfo; readonly before: Values }): ReactElement {
  const { say } = useSay();
  const schema = (graph.input ?? {}) as Schema;
  const form = useForm(schema, before);
  const [asJson, setAsJson] = useState<string | null>(null);
  const [wrongJson, setWrongJson] = useState(false);
  const [options, setOptions] = useState<OptionTexts>({});
  const [wrong, setWrong] = useState<Readonly<Record<string, string>>>({});
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const start = async (): Promise<void> => {
    const input = asJson === null ? form.read() : objectOf(asJson);
    setWrongJson(asJson !== null && input === undefined);
    const read = readOptions(options, say);
    setWrong(read.wrong);
    if (input === undefined || Object.keys(read.wrong).length > 0) return;
    setBusy(true);
    setError(null);
    try {
      const run = await client.start(graph.name, input as Values, read.options as StartOptions);
      go(`/runs/${run.id}`);
    } catch (fault) {
      setError(fault);
      setBusy(false);
    }
  };
  const toggle = (): void => {
    setWrongJson(false);
    setAsJson(asJson === null ? JSON.stringify(form.read() ?? before, null, 2) : null);
  };
  const open = schema.additionalProperties !== false && schema.additionalProperties !== undefined;
  return (
    <form
      className="card"
      onSubmit={(event) => {
        event.preventDefault();
        void start();
      }}
    >
      <header className="card-head">
        <h2>{say("start.input")}</h2>
        <button type="button" className="plain small" onClick={toggle}>
          {say(asJson === null ? "start.asJson" : "start.asForm")}
        </button>
      </header>
      {asJson === null && form.fields.length === 0 && !open && <p className="quiet">{say("start.nothing")}</p>}
      {asJson === null && <Fields form={form} extra={open} />}
      {asJson !== null && (
        <div className="field" data-wrong={wrongJson || undefined}>
          <textarea aria-label={say("start.input")} className="mono" rows={12} spellCheck={false} value={asJson} onChange={(event) => setAsJson(event.target.value)} />
          {wrongJson && (
            <p className="hint wrong" role="alert">
              {say("form.object")}
            </p>
          )}
        </div>
      )}
      <Options texts={options} wrong={wrong} onTexts={setOptions} />
      {error !== null && <Trouble error={error} />}
      <div className="actions">
        <button type="submit" className="main" disabled={busy}>
          <Icon sign="play" />
          {say(busy ? "start.going" : "start.go")}
        </button>
      </div>
    </form>
  );
}

function objectOf(text: string): Json | undefined {
  const { value } = readJson(text);
  return typeof value === "object" && value !== null && !Array.isArray(value) ? value : undefined;
}

/** What another run was started with. What no field shows goes to the other keys. */
async function inputOf(run: string): Promise<Values> {
  const reading = client.run(run).attach(0);
  const first = await reading.next();
  reading.detach();
  const event = first.done === true ? null : first.value;
  const input = event?.type === "run.started" ? event.input : null;
  if (typeof input !== "object" || input === null || Array.isArray(input)) return {};
  return { ...(input as Values), [EXTRA]: null };
}
