// What a JSON Schema says about a form: the fields to show, the values to begin with, and what is wrong with what was
// filled in. It knows the part of JSON Schema that states and questions use; for the rest there is a field for JSON.

import type { Json } from "riverrun";

/** A JSON Schema, as far as it is looked at. */
export interface Schema {
  readonly type?: string | readonly string[];
  readonly title?: string;
  readonly description?: string;
  readonly default?: Json;
  readonly enum?: readonly Json[];
  readonly const?: Json;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly $ref?: string;
  readonly $defs?: Readonly<Record<string, Schema>>;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly maxLength?: number;
  readonly minLength?: number;
  readonly additionalProperties?: boolean | Schema;
}

/** How a field is shown. */
export type Kind = "text" | "number" | "integer" | "flag" | "choice" | "texts" | "json";

/** One field of a form. */
export interface Field {
  readonly name: string;
  readonly kind: Kind;
  readonly needed: boolean;
  readonly schema: Schema;
  readonly choices: readonly Json[];
}

/** What is wrong with a field. */
export type Wrong = "needed" | "number" | "integer" | "json" | "least" | "most" | "long" | "short";

/** Give the fields of an object, or one nameless field for anything else. */
export function fieldsOf(schema: Schema): readonly Field[] {
  const whole = resolved(schema, schema);
  const named = Object.entries(whole.properties ?? {});
  const isObject = whole.type === "object" || named.length > 0;
  if (!isObject) return [field("", whole, true, schema)];
  return named.map(([name, part]) => field(name, resolved(part, schema), whole.required?.includes(name) ?? false, schema));
}

/** Give what a field shows at first. */
export function initial(field: Field): string {
  const told = field.schema.default;
  // A flag that may be left out is left out until somebody sets it.
  if (told === undefined || told === null) return field.kind === "flag" && field.needed ? "false" : "";
  if (field.kind === "texts" && Array.isArray(told)) return told.join("\n");
  return typeof told === "string" ? told : JSON.stringify(told);
}

/** Read what was filled in: a value, nothing (`undefined`), or what is wrong. */
export function readField(field: Field, text: string): { readonly value?: Json; readonly wrong?: Wrong } {
  const { kind, needed, schema } = field;
  if (kind === "flag") return text === "" ? {} : { value: text === "true" };
  if (text.trim() === "" && !(kind === "text" && text !== "")) {
    if (kind === "text" && needed && (schema.minLength ?? 0) === 0) return { value: "" };
    return needed ? { wrong: "needed" } : {};
  }
  switch (kind) {
    case "text":
      if (schema.maxLength !== undefined && text.length > schema.maxLength) return { wrong: "long" };
      return text.length < (schema.minLength ?? 0) ? { wrong: "short" } : { value: text };
    case "number":
    case "integer":
      return readNumber(kind, text.trim(), schema);
    case "choice":
      return { value: field.choices[Number(text)] ?? null };
    case "texts":
      return { value: text.split("\n").map((line) => line.trim()).filter((line) => line !== "") };
    default:
      return readJson(text);
  }
}

/** Read JSON. */
export function readJson(text: string): { readonly value?: Json; readonly wrong?: Wrong } {
  try {
    return { value: JSON.parse(text) as Json };
  } catch {
    return { wrong: "json" };
  }
}

function readNumber(kind: Kind, text: string, schema: Schema): { readonly value?: Json; readonly wrong?: Wrong } {
  const value = Number(text);
  if (!Number.isFinite(value)) return { wrong: "number" };
  if (kind === "integer" && !Number.isInteger(value)) return { wrong: "integer" };
  if (schema.minimum !== undefined && value < schema.minimum) return { wrong: "least" };
  return schema.maximum !== undefined && value > schema.maximum ? { wrong: "most" } : { value };
}

function field(name: string, schema: Schema, needed: boolean, root: Schema): Field {
  const choices = schema.const !== undefined ? [schema.const] : (schema.enum ?? []);
  return { name, kind: kindOf(schema, choices, root), needed, schema, choices };
}

function kindOf(schema: Schema, choices: readonly Json[], root: Schema): Kind {
  if (choices.length > 0) return "choice";
  const type = typeof schema.type === "string" ? schema.type : schema.type?.find((one) => one !== "null");
  switch (type) {
    case "string":
      return "text";
    case "boolean":
      return "flag";
    case "number":
      return "number";
    case "integer":
      return "integer";
    case "array":
      return schema.items !== undefined && resolved(schema.items, root).type === "string" ? "texts" : "json";
    default:
      return "json";
  }
}

/** Follow a reference, and take the part that is not null of what may be null. */
function resolved(schema: Schema, root: Schema, depth = 0): Schema {
  if (depth > 8) return {};
  if (schema.$ref !== undefined) {
    const name = /^#\/\$defs\/(.+)$/.exec(schema.$ref)?.[1];
    const target = name === undefined ? undefined : root.$defs?.[name];
    return target === undefined ? {} : resolved({ ...target, ...without(schema) }, root, depth + 1);
  }
  const parts = (schema.anyOf ?? schema.oneOf ?? []).filter((part) => part.type !== "null");
  return parts.length === 1 ? resolved({ ...parts[0]!, ...without(schema) }, root, depth + 1) : schema;
}

function without(schema: Schema): Schema {
  const { $ref: _ref, anyOf: _any, oneOf: _one, ...rest } = schema;
  return rest;
}
