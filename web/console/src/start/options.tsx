// What can be said about a run beside its input.

import { useId, type ReactElement } from "react";
import type { Json } from "riverrun";

import { useSay, type Say } from "../base/words";
import { readJson } from "../model/schema";

const NUMBERS = ["limit", "timeout"] as const;
const DOCUMENTS = ["context", "config"] as const;

/** As they were typed, by name. */
export type OptionTexts = Readonly<Record<string, string>>;

/** Read what was typed: the options, and what is wrong by name. */
export function readOptions(texts: OptionTexts, say: Say): { readonly options: Record<string, Json>; readonly wrong: Record<string, string> } {
  const options: Record<string, Json> = {};
  const wrong: Record<string, string> = {};
  for (const name of NUMBERS) {
    const text = (texts[name] ?? "").trim();
    if (text === "") continue;
    const value = Number(text);
    if (!Number.isFinite(value) || value <= 0) wrong[name] = say("form.number");
    else if (name === "limit" && !Number.isInteger(value)) wrong[name] = say("form.integer");
    else options[name] = value;
  }
  for (const name of DOCUMENTS) {
    const text = (texts[name] ?? "").trim();
    if (text === "") continue;
    const { value } = readJson(text);
    if (value === undefined) wrong[name] = say("form.json");
    else options[name] = value;
  }
  if ((texts["thread"] ?? "").trim() !== "") options["thread"] = texts["thread"]!.trim();
  if (options["thread"] !== undefined && (texts["busy"] ?? "") !== "") options["whenBusy"] = texts["busy"]!;
  return { options, wrong };
}

/** The fields, folded away until somebody wants them. */
export function Options(props: {
  readonly texts: OptionTexts;
  readonly wrong: Readonly<Record<string, string>>;
  readonly onTexts: (texts: OptionTexts) => void;
}): ReactElement {
  const { say } = useSay();
  const { texts, wrong } = props;
  const put = (name: string, text: string): void => props.onTexts({ ...texts, [name]: text });
  return (
    <details className="options">
      <summary>{say("start.more")}</summary>
      <div className="fields two">
        <Option name="thread" texts={texts} wrong={wrong} hint={say("start.threadMore")} onText={put} />
        <div className="field">
          <label htmlFor="busy">{say("start.busy")}</label>
          <select id="busy" value={texts["busy"] ?? "reject"} onChange={(event) => put("busy", event.target.value)}>
            {(["reject", "enqueue", "stop"] as const).map((one) => (
              <option key={one} value={one}>
                {say(`start.busy.${one}`)}
              </option>
            ))}
          </select>
        </div>
        {[...NUMBERS, ...DOCUMENTS].map((name) => (
          <Option key={name} name={name} texts={texts} wrong={wrong} hint="" onText={put} />
        ))}
      </div>
    </details>
  );
}

function Option(props: {
  readonly name: "thread" | (typeof NUMBERS)[number] | (typeof DOCUMENTS)[number];
  readonly texts: OptionTexts;
  readonly wrong: Readonly<Record<string, string>>;
  readonly hint: string;
  readonly onText: (name: string, text: string) => void;
}): ReactElement {
  const { say } = useSay();
  const id = useId();
  const { name, texts, wrong, hint } = props;
  return (
    <div className="field" data-wrong={wrong[name] !== undefined || undefined}>
      <label htmlFor={id}>{say(`start.${name}`)}</label>
      <input
        id={id}
        data-option={name}
        autoComplete="off"
        aria-describedby={`${id}-more`}
        aria-invalid={wrong[name] !== undefined}
        value={texts[name] ?? ""}
        onChange={(event) => props.onText(name, event.target.value)}
      />
      <p id={`${id}-more`} className={wrong[name] === undefined ? "hint" : "hint wrong"}>
        {wrong[name] ?? hint}
      </p>
    </div>
  );
}
