// What one agent says. Only the rows in sight are drawn. It stays at the end while the reader is there, and does not move
// once the reader has scrolled up.

import { memo, useState, type CSSProperties, type ReactElement } from "react";

import { copied } from "../base/clip";
import { count } from "../base/format";
import type { Form } from "../base/prefs";
import { useSay } from "../base/words";
import type { Pane, Row } from "../model/pane";
import { Icon } from "../parts/icon";
import { Scroll } from "../parts/scroll";
import { StateSign } from "../parts/status";
import { BlockView, HeadView, ValueView } from "./rows";

interface PaneProps {
  readonly pane: Pane;
  /** Of the pane; what it shows is drawn again when it changes. */
  readonly version: number;
  readonly form: Form;
  readonly working: string;
  readonly wide: boolean;
  readonly onWide: (() => void) | null;
}

/** A pane; drawn again only when something in it has changed. */
export const PaneView = memo(DrawnPane, (one, other) => {
  return (
    one.pane === other.pane &&
    one.version === other.version &&
    one.form === other.form &&
    one.working === other.working &&
    one.wide === other.wide &&
    (one.onWide === null) === (other.onWide === null)
  );
});

function DrawnPane({ pane, version, form, working, wide, onWide }: PaneProps): ReactElement {
  const { say, language } = useSay();
  const colour = { "--agent": `var(--agent-${pane.ordinal % 8})` } as CSSProperties;
  return (
    <article className="pane" style={colour} data-agent={pane.agent} data-version={version}>
      <header>
        <StateSign state={working} />
        <h3>{pane.agent}</h3>
        <span className="dim">{say("run.characters", { n: count(pane.length, language, { short: true }) })}</span>
        <CopyText pane={pane} />
        {onWide !== null && (
          <button type="button" className="plain" aria-label={say(wide ? "run.narrow" : "run.wide")} title={say(wide ? "run.narrow" : "run.wide")} onClick={onWide}>
            <Icon sign={wide ? "narrow" : "wide"} size={14} />
          </button>
        )}
      </header>
      <Said pane={pane} version={version} form={form} working={working} />
    </article>
  );
}

function Said({ pane, version, form, working }: Pick<PaneProps, "pane" | "version" | "form" | "working">): ReactElement {
  const { say } = useSay();
  const [away, setAway] = useState(false);
  const [call, setCall] = useState(0);
  return (
    <div className="said" aria-busy={working === "started"}>
      <Scroll
        count={pane.rows}
        version={version}
        shape={`${form} ${pane.shape}`}
        keyOf={(row) => keyOf(pane.row(row), row)}
        draw={(row) => <OneRow row={pane.row(row)} form={form} />}
        guess={(row, width) => guessed(pane.row(row), width)}
        onAway={setAway}
        call={call}
        label={pane.agent}
      />
      {away && (
        <button
          type="button"
          className="to-end"
          onClick={() => {
            setCall(call + 1);
            setAway(false);
          }}
        >
          <Icon sign="end" size={14} />
          {say("run.toEnd")}
        </button>
      )}
    </div>
  );
}

/** About how high a row is: so many lines of so many letters. */
function guessed(row: Row | null, width: number): number {
  if (row === null || row.kind === "head") return 28;
  if (row.kind === "value") return 40;
  const letters = Math.max(20, width / 7.3);
  return 21 * Math.max(1, Math.ceil(row.block.text.length / letters)) + 9;
}

function OneRow({ row, form }: { readonly row: Row | null; readonly form: Form }): ReactElement {
  if (row === null) return <div className="row" />;
  const { speech } = row;
  if (row.kind === "head") {
    return <HeadView message={speech.message} exec={speech.exec} name={speech.key} voided={speech.voided} missing={speech.missing} first={speech.passage.length === 0} />;
  }
  if (row.kind === "value") return <ValueView value={row.value} />;
  return <BlockView block={row.block} form={form} />;
}

function keyOf(row: Row | null, index: number): string {
  if (row === null) return String(index);
  const { message, voids } = row.speech;
  if (row.kind === "head") return message;
  return row.kind === "block" ? `${message} ${voids} ${row.block.start}` : `${message} ${voids} v${row.at}`;
}

function CopyText({ pane }: { readonly pane: Pane }): ReactElement {
  const { say } = useSay();
  const [done, setDone] = useState(false);
  const copy = async (): Promise<void> => {
    if (!(await copied(pane.text))) return;
    setDone(true);
    setTimeout(() => setDone(false), 1500);
  };
  return (
    <button type="button" className="plain" aria-label={say(done ? "app.copied" : "run.copyText")} title={say("run.copyText")} onClick={() => void copy()}>
      <Icon sign={done ? "check" : "copy"} size={14} />
    </button>
  );
}
