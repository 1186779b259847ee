// A JSON value to look into: folded where it is large, and never drawn whole when it is huge.

import { useState, type ReactElement } from "react";
import type { Json } from "riverrun";

const MANY = 50;
const LONG = 600;

/** A value. */
export function Value({ value, open = 2 }: { readonly value: Json; readonly open?: number }): ReactElement {
  if (typeof value === "string") return <Text text={value} />;
  if (typeof value !== "object" || value === null) return <span className={`json-${typeof value}`}>{String(value)}</span>;
  return <Branch value={value} open={open} />;
}

function Branch({ value, open }: { readonly value: Exclude<Json, string | number | boolean | null>; readonly open: number }): ReactElement {
  const [shown, setShown] = useState(open > 0);
  const [many, setMany] = useState(MANY);
  const entries = Object.entries(value) as [string, Json][];
  const list = Array.isArray(value);
  const [opening, closing] = list ? ["[", "]"] : ["{", "}"];
  if (entries.length === 0) return <span className="json-empty">{`${opening}${closing}`}</span>;
  return (
    <span className="json-branch">
      <button type="button" className="json-fold" aria-expanded={shown} onClick={() => setShown(!shown)}>
        {shown ? "▾" : "▸"} {opening}
        {shown ? "" : ` ${entries.length} ${closing}`}
      </button>
      {shown && (
        <>
          <ul>
            {entries.slice(0, many).map(([name, item]) => (
              <li key={name}>
                <span className={list ? "json-index" : "json-name"}>{name}</span>
                <Value value={item} open={open - 1} />
              </li>
            ))}
            {entries.length > many && (
              <li>
                <button type="button" className="json-fold" onClick={() => setMany(many + 10 * MANY)}>
                  … {entries.length - many}
                </button>
              </li>
            )}
          </ul>
          {closing}
        </>
      )}
    </span>
  );
}

function Text({ text }: { readonly text: string }): ReactElement {
  const [whole, setWhole] = useState(text.length <= LONG);
  return (
    <span className="json-text">
      "{whole ? text : text.slice(0, LONG)}"
      {!whole && (
        <button type="button" className="json-fold" onClick={() => setWhole(true)}>
          … {text.length - LONG}
        </button>
      )}
    </span>
  );
}
