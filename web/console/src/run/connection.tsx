// The truth about the connection, as a dot with words.

import { useEffect, useState, type ReactElement } from "react";

import { count, span } from "../base/format";
import { useSay } from "../base/words";
import type { Reading } from "../model/reading";

/** Where the connection is. */
export function ConnectionDot({ reading }: { readonly reading: Reading }): ReactElement {
  const { say, language } = useSay();
  const { truth, standing } = reading;
  const { place } = reading.live;
  const percent = Math.floor((100 * place) / Math.max(1, reading.head));
  const words = say(`conn.${standing}`, { n: standing === "catching" ? percent : truth.tries });
  const more = {
    polling: say("conn.pollingMore"),
    offline: say("conn.offlineMore", { n: count(place, language) }),
    reconnecting: say("conn.reconnectingMore", { n: count(place, language) }),
  }[standing as string];
  const lag = standing === "live" && truth.lag !== null && truth.lag >= 250 ? say("conn.lag", { n: span(truth.lag) }) : null;
  return (
    <span className="connection" data-standing={standing} data-reconnects={truth.reconnects} title={more ?? words}>
      <i aria-hidden="true" />
      {words}
      {lag !== null && <small>{lag}</small>}
      {standing === "reconnecting" && truth.delay >= 1 && <Countdown key={truth.tries} seconds={truth.delay} />}
      {truth.reconnects > 0 && <small>{say("conn.reconnects", { n: truth.reconnects })}</small>}
    </span>
  );
}

function Countdown({ seconds }: { readonly seconds: number }): ReactElement {
  const { say } = useSay();
  const [left, setLeft] = useState(Math.ceil(seconds));
  useEffect(() => {
    const timer = setInterval(() => setLeft((before) => Math.max(0, before - 1)), 1000);
    return () => clearInterval(timer);
  }, []);
  return <small>{say("conn.next", { n: `${left} s` })}</small>;
}
