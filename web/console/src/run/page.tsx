// A run on the server: read it, and say in words when that cannot be done.

import { useEffect, useMemo, type ReactElement } from "react";
import type { RiverrunError } from "riverrun";

import { client } from "../base/server";
import { useSay } from "../base/words";
import type { Reading } from "../model/reading";
import { readingOf, useBeat } from "../model/use";
import { Link } from "../parts/link";
import { Trouble } from "../parts/trouble";
import { Who } from "../parts/who";
import { WayOn } from "./banner";
import { RunView } from "./view";

/** The page of a run; `seq` is the event that a deep link leads to. */
export function RunPage({ run, seq }: { readonly run: string; readonly seq: number | null }): ReactElement {
  const reading = useMemo(() => readingOf(client, run), [run]);
  useBeat(reading);
  useEffect(() => {
    if (seq !== null) reading.seek(seq);
    // Only the address that the page was opened with leads anywhere; later ones follow the reader.
    // eslint-disable-next-line
  }, [reading]);
  const { fault } = reading.truth;
  if (fault?.code === "E2017") return <Who onKey={() => reading.attach()} />;
  if (fault !== null && reading.events.length === 0) return <Unreadable reading={reading} fault={fault} />;
  return <RunView reading={reading} />;
}

function Unreadable(props: { readonly reading: Reading; readonly fault: RiverrunError }): ReactElement {
  const { say } = useSay();
  const { reading, fault } = props;
  return (
    <section className="page">
      <Trouble whole error={fault}>
        <WayOn reading={reading} fault={fault} />
        <Link to="/runs" className="button">
          {say("app.toRuns")}
        </Link>
      </Trouble>
    </section>
  );
}
