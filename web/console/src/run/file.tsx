// A log from a file: chosen or dropped, checked, and played in this page. Nothing of it is sent anywhere.

import { useState, type DragEvent, type ReactElement } from "react";

import { bytes } from "../base/format";
import { useSay, type Say } from "../base/words";
import { NotALog, fromLines } from "../model/copy";
import { Reading } from "../model/reading";
import { Icon } from "../parts/icon";
import { RunView } from "./view";

const LARGEST = 200_000_000;

/** The page. */
export function FilePage(): ReactElement {
  const { say } = useSay();
  const [reading, setReading] = useState<Reading | null>(null);
  const [problem, setProblem] = useState("");
  const [over, setOver] = useState(false);
  const take = async (file: File | undefined): Promise<void> => {
    if (file === undefined) return;
    if (file.size > LARGEST) {
      setProblem(say("file.large", { n: bytes(file.size) }));
      return;
    }
    try {
      const text = await file.text();
      setReading(Reading.of(fromLines(text), text));
    } catch (error) {
      setProblem(said(error, say));
    }
  };
  if (reading !== null) return <RunView reading={reading} />;
  const drop = (event: DragEvent): void => {
    event.preventDefault();
    setOver(false);
    void take(event.dataTransfer.files[0]);
  };
  return (
    <section className="page">
      <h1>{say("file.title")}</h1>
      <p className="lead">
        {say("file.more")
          .split("`")
          .map((part, at) => (at % 2 === 0 ? part : <code key={part}>{part}</code>))}
      </p>
      <div
        className="drop"
        data-over={over || undefined}
        onDragOver={(event) => {
          event.preventDefault();
          setOver(true);
        }}
        onDragLeave={() => setOver(false)}
        onDrop={drop}
      >
        <Icon sign="file" size={30} />
        <p>{say("file.drop")}</p>
        <label className="button main">
          {say("file.choose")}
          <input type="file" accept=".jsonl,.ndjson,application/jsonl" className="unseen" onChange={(event) => void take(event.target.files?.[0])} />
        </label>
      </div>
      {problem !== "" && (
        <div className="trouble" role="alert">
          <Icon sign="question" size={18} />
          <div>
            <strong>{problem}</strong>
            <p>{say("file.mend")}</p>
          </div>
        </div>
      )}
    </section>
  );
}

function said(error: unknown, say: Say): string {
  if (error instanceof NotALog) return say(`file.${error.why}`, { n: error.line });
  return error instanceof DOMException ? say("file.unreadable") : say("file.line", { n: "?" });
}
