// A form that a JSON Schema describes: for the input of a graph, and for the answer to a question.

import { useId, useState, type ReactElement } from "react";
import type { Json } from "riverrun";

import { useSay, type Say } from "../base/words";
import { fieldsOf, initial, readField, readJson, type Field, type Schema, type Wrong } from "../model/schema";

/** What was filled in. */
export interface Filled {
  /** By name of the field; the text as it was typed. */
  readonly texts: Readonly<Record<string, string>>;
  /** What is wrong, by name of the field, once somebody tried to send it. */
  readonly wrongs: Readonly<Record<string, Wrong | "object">>;
}

/** A form in use. */
export interface Form {
  readonly fields: readonly Field[];
  readonly filled: Filled;
  readonly put: (name: string, text: string) => void;
  /** Read it: the value, or undefined when something is wrong, which is then shown. */
  readonly read: () => Json | undefined;
}

/** The field for keys that the schema does not name. */
export const EXTRA = "…";

/** Use a form; `start` is what it shows at first, by name. */
export function useForm(schema: Schema, start: Readonly<Record<string, Json>> = {}): Form {
  const fields = fieldsOf(schema);
  const [filled, setFilled] = useState<Filled>(() => ({
    texts: Object.fromEntries(fields.map((field) => [field.name, began(field, start)])),
    wrongs: {},
  }));
  const put = (name: string, text: string): void => {
    const { [name]: _, ...wrongs } = filled.wrongs;
    setFilled({ texts: { ...filled.texts, [name]: text }, wrongs });
  };
  const read = (): Json | undefined => {
    const { value, wrongs } = gathered(fields, filled.texts);
    setFilled({ ...filled, wrongs });
    return Object.keys(wrongs).length === 0 ? value : undefined;
  };
  return { fields, filled, put, read };
}

function began(field: Field, start: Readonly<Record<string, Json>>): string {
  const told = start[field.name];
  if (told === undefined) return initial(field);
  if (field.kind === "texts" && Array.isArray(told)) return told.join("\n");
  if (field.kind === "choice") return String(field.choices.findIndex((one) => JSON.stringify(one) === JSON.stringify(told)));
  return typeof told === "string" && field.kind !== "json" ? told : JSON.stringify(told);
}

function gathered(fields: readonly Field[], texts: Filled["texts"]): { value: Json; wrongs: Record<string, Wrong | "object"> } {
  const wrongs: Record<string, Wrong | "object"> = {};
  const values: Record<string, Json> = {};
  const extra = readJson(texts[EXTRA]?.trim() ? texts[EXTRA] : "{}");
  if (extra.wrong !== undefined) wrongs[EXTRA] = extra.wrong;
  else if (typeof extra.value !== "object" || extra.value === null || Array.isArray(extra.value)) wrongs[EXTRA] = "object";
  else Object.assign(values, extra.value);
  let only: Json = null;
  for (const field of fields) {
    const { value, wrong } = readField(field, texts[field.name] ?? "");
    if (wrong !== undefined) wrongs[field.name] = wrong;
    else if (field.name === "") only = value ?? null;
    else if (value !== undefined) values[field.name] = value;
  }
  return { value: fields[0]?.name === "" ? only : values, wrongs };
}

/** All fields of a form. */
export function Fields({ form, extra = false }: { readonly form: Form; readonly extra?: boolean }): ReactElement {
  const { say } = useSay();
  return (
    <div className="fields">
      {form.fields.map((field) => (
        <OneField
          key={field.name}
          field={field}
          text={form.filled.texts[field.name] ?? ""}
          wrong={form.filled.wrongs[field.name]}
          onText={(text) => form.put(field.name, text)}
        />
      ))}
      {extra && (
        <OneField
          field={{ name: say("start.extra"), kind: "json", needed: false, schema: {}, choices: [] }}
          text={form.filled.texts[EXTRA] ?? ""}
          wrong={form.filled.wrongs[EXTRA]}
          onText={(text) => form.put(EXTRA, text)}
        />
      )}
    </div>
  );
}

interface FieldProps {
  readonly field: Field;
  readonly text: string;
  readonly wrong: Wrong | "object" | undefined;
  readonly onText: (text: string) => void;
}

function OneField(props: FieldProps): ReactElement {
  const { say } = useSay();
  const id = useId();
  const { field, wrong } = props;
  const more = [field.schema.description, field.kind === "texts" ? say("form.lines") : null, field.kind === "json" ? say("form.json.hint") : null];
  const hints = more.filter((one) => one !== null && one !== undefined && one !== "");
  return (
    <div className="field" data-wrong={wrong !== undefined || undefined}>
      <label htmlFor={id}>
        {field.schema.title ?? (field.name === "" ? say("ask.text") : field.name)}
        {!field.needed && <small>{say("form.optional")}</small>}
      </label>
      <Input {...props} id={id} />
      <p id={`${id}-more`} className={wrong === undefined ? "hint" : "hint wrong"} role={wrong === undefined ? undefined : "alert"}>
        {wrong === undefined ? hints.join(" · ") : said(wrong, field, say)}
      </p>
    </div>
  );
}

function Input({ field, text, wrong, onText, id }: FieldProps & { readonly id: string }): ReactElement {
  const { say } = useSay();
  const about = { id, "aria-describedby": `${id}-more`, "aria-invalid": wrong !== undefined, "data-field": field.name };
  switch (field.kind) {
    case "flag":
      return (
        <select {...about} value={text} onChange={(event) => onText(event.target.value)}>
          {!field.needed && <option value="">{say("form.leave")}</option>}
          <option value="true">{say("form.yes")}</option>
          <option value="false">{say("form.no")}</option>
        </select>
      );
    case "choice":
      return (
        <select {...about} value={text} onChange={(event) => onText(event.target.value)}>
          {(!field.needed || text === "") && <option value="">{say("form.leave")}</option>}
          {field.choices.map((choice, at) => (
            <option key={String(at)} value={String(at)}>
              {typeof choice === "string" ? choice : JSON.stringify(choice)}
            </option>
          ))}
        </select>
      );
    case "number":
    case "integer":
      return <input {...about} inputMode="decimal" autoComplete="off" value={text} onChange={(event) => onText(event.target.value)} />;
    default:
      return (
        <textarea
          {...about}
          className={field.kind === "json" ? "mono" : ""}
          rows={Math.min(12, Math.max(field.kind === "text" ? 1 : 2, text.split("\n").length))}
          spellCheck={field.kind === "text"}
          value={text}
          onChange={(event) => onText(event.target.value)}
        />
      );
  }
}

function said(wrong: Wrong | "object", field: Field, say: Say): string {
  const { minimum, maximum, minLength, maxLength } = field.schema;
  const limits = { least: minimum, most: maximum, long: maxLength, short: minLength };
  return say(`form.${wrong}`, { n: Object.hasOwn(limits, wrong) ? (limits[wrong as keyof typeof limits] ?? "") : "" });
}
