// The events of a run as a table: all of them, or those that fit, with the whole event as JSON beside it.

import { useVirtualizer } from "@tanstack/react-virtual";
import { useDeferredValue, useEffect, useMemo, useReducer, useRef, useState, type ReactElement } from "react";
import type { Event, Json } from "riverrun";

import { count, moment } from "../base/format";
import { useKeys } from "../base/keys";
import { useSay } from "../base/words";
import { isNodeEvent } from "../model/picture";
import { gist } from "../model/places";
import type { Reading } from "../model/reading";
import { Search, type Wanted } from "../model/search";
import { Icon } from "../parts/icon";
import { Value } from "../parts/value";
import { Find } from "../runs/runs";

const ROW = 26;
/** Milliseconds of searching at a time. */
const BUDGET = 6;

const TYPES = [
  "run.started",
  "node.started",
  "node.chunk",
  "node.completed",
  "node.retrying",
  "node.failed",
  "node.interrupted",
  "node.cancelled",
  "custom",
  "run.interrupted",
  "run.resumed",
  "run.taken_over",
  "run.forked",
] as const;

/** The table. */
export function EventTable({ reading }: { readonly reading: Reading }): ReactElement {
  const { say, language } = useSay();
  const [type, setType] = useState("");
  const [agent, setAgent] = useState("");
  const [text, setText] = useState("");
  const [chosen, setChosen] = useState<number | null>(null);
  const search = useSearch(reading, { type, agent, text: useDeferredValue(text) });
  const { floor } = reading;
  // What is looked through is counted from the first event that is left.
  const until = reading.shown.place - floor;
  const shown = search.before(until);
  const move = (step: number): void => {
    const at = chosen === null ? -1 : search.before(chosen - 1 - floor);
    const next = search.found[Math.min(shown - 1, Math.max(0, at + step))];
    if (next !== undefined) setChosen(next + 1 + floor);
  };
  useKeys({ j: () => move(1), k: () => move(-1) });
  useKeys({ Escape: () => setChosen(null) }, chosen !== null);
  const agents = [...new Set([...reading.live.executions.values()].map((execution) => execution.agent))];
  return (
    <div className="events">
      <div className="filters small">
        <Find text={text} onText={setText} label={say("events.search")} />
        <select aria-label={say("events.type")} value={type} onChange={(event) => setType(event.target.value)}>
          <option value="">{say("events.allTypes")}</option>
          {TYPES.map((one) => (
            <option key={one}>{one}</option>
          ))}
        </select>
        <select aria-label={say("events.agent")} value={agent} onChange={(event) => setAgent(event.target.value)}>
          <option value="">{say("events.allAgents")}</option>
          {agents.map((one) => (
            <option key={one}>{one}</option>
          ))}
        </select>
        <span className="dim found">
          {search.seen < until ? say("events.searching") : say("events.found", { n: count(shown, language), all: count(until, language) })}
        </span>
      </div>
      <Rows reading={reading} search={search} shown={shown} chosen={chosen} onChosen={setChosen} />
      {chosen !== null && <Detail reading={reading} seq={chosen} onClose={() => setChosen(null)} />}
    </div>
  );
}

/** Look through the events, a little at a time, and again from where it was when there are more. */
function useSearch(reading: Reading, wanted: Wanted): Search {
  const { type, agent, text } = wanted;
  const search = useMemo(() => new Search({ type, agent, text }), [reading, type, agent, text]);
  const [, again] = useReducer((before: number) => before + 1, 0);
  const until = reading.events.length;
  // Where nothing is looked for, all of them fit at once.
  search.look(reading.events, until, BUDGET);
  useEffect(() => {
    if (search.seen >= until) return undefined;
    const timer = setTimeout(again, 0);
    return () => clearTimeout(timer);
  });
  return search;
}

interface RowsProps {
  readonly reading: Reading;
  readonly search: Search;
  readonly shown: number;
  readonly chosen: number | null;
  readonly onChosen: (seq: number) => void;
}

function Rows({ reading, search, shown, chosen, onChosen }: RowsProps): ReactElement {
  const { say, language } = useSay();
  const frame = useRef<HTMLDivElement>(null);
  const pinned = useRef(true);
  const list = useVirtualizer({ count: shown, getScrollElement: () => frame.current, estimateSize: () => ROW, overscan: 8 });
  useEffect(() => {
    if (pinned.current && shown > 0 && frame.current !== null) frame.current.scrollTop = frame.current.scrollHeight;
  }, [shown]);
  useEffect(() => {
    if (chosen !== null) list.scrollToIndex(search.before(chosen - 1 - reading.floor));
    // eslint-disable-next-line
  }, [chosen]);
  if (shown === 0) return <p className="quiet">{say("events.none")}</p>;
  return (
    <div
      className="event-rows"
      ref={frame}
      tabIndex={0}
      role="grid"
      aria-label={say("run.events")}
      aria-rowcount={shown}
      onScroll={(event) => {
        const { scrollHeight, clientHeight, scrollTop } = event.currentTarget;
        pinned.current = scrollHeight - clientHeight - scrollTop < ROW;
      }}
    >
      <div role="rowgroup" style={{ height: list.getTotalSize(), position: "relative" }}>
        {list.getVirtualItems().map((item) => {
          const event = reading.events[search.found[item.index]!]!;
          return (
            <div
              key={event.seq}
              role="row"
              aria-selected={event.seq === chosen}
              aria-rowindex={item.index + 1}
              className="event-row"
              data-type={event.type.split(".")[0]}
              data-chosen={event.seq === chosen || undefined}
              style={{ transform: `translateY(${item.start}px)` }}
              onClick={() => onChosen(event.seq)}
            >
              <span role="gridcell" className="number dim">
                {event.seq}
              </span>
              <span role="gridcell" className="mono dim">
                {moment(event.ts, language)}
              </span>
              <span role="gridcell" className="type">
                {event.type}
              </span>
              <span role="gridcell">{isNodeEvent(event) ? (event.agent ?? event.node) : ""}</span>
              <span role="gridcell" className="gist">
                {gist(event)}
              </span>
            </div>
          );
        })}
      </div>
    </div>
  );
}

function Detail({ reading, seq, onClose }: { readonly reading: Reading; readonly seq: number; readonly onClose: () => void }): ReactElement | null {
  const { say } = useSay();
  const event: Event | null = reading.event(seq);
  if (event === null) return null;
  return (
    <section className="event-detail" aria-label={say("events.json", { n: seq })}>
      <header>
        <h3>{say("events.json", { n: seq })}</h3>
        <button type="button" onClick={() => reading.seek(seq)}>
          <Icon sign="clock" size={13} />
          {say("events.show")}
        </button>
        <button type="button" className="plain" aria-label={say("app.close")} onClick={onClose}>
          <Icon sign="cross" size={14} />
        </button>
      </header>
      <Value value={event as unknown as Json} open={3} />
    </section>
  );
}
