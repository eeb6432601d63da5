// What a form needs to know of a JSON Schema: references followed, parts put together, alternatives,
// what to begin with, what a value must keep to. Draws nothing.
import { ExactNumber, type Fields, isFields, same } from "~/lib/json";

export type Schema = {
  type?: string | string[];
  properties?: Record<string, Schema>;
  patternProperties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  enum?: unknown[];
  const?: unknown;
  default?: unknown;
  description?: string;
  format?: string;
  $ref?: string;
  $defs?: Record<string, Schema>;
  oneOf?: Schema[];
  anyOf?: Schema[];
  allOf?: Schema[];
  additionalProperties?: boolean | Schema;
  nullable?: boolean;
  title?: string;
  pattern?: string;
  minLength?: number;
  maxLength?: number;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number | boolean;
  exclusiveMaximum?: number | boolean;
  multipleOf?: number;
  minItems?: number;
  maxItems?: number;
  uniqueItems?: boolean;
  /** More than a form can draw: set where parts are put together that each have alternatives. */
  isOpaque?: boolean;
};

/** How deep a form nests before it asks for JSON. */
export const DEPTH = 6;

/** A schema with its references followed and its parts put together; null among alternatives is a mark. */
export function resolve(schema: Schema, root: Schema, seen: string[] = []): Schema {
  let found = schema;
  if (schema.$ref) {
    const name = /^#\/\$defs\/(.+)$/.exec(schema.$ref)?.[1];
    if (!name || seen.includes(name)) return {};
    const { $ref: _ref, ...rest } = schema;
    found = { ...resolve(root.$defs?.[name] ?? {}, root, [...seen, name]), ...rest };
  }
  if (found.allOf) {
    const { allOf, ...rest } = found;
    found = allOf.map((part) => resolve(part, root, seen)).reduce(together, rest);
  }
  for (const key of ["oneOf", "anyOf"] as const) {
    const choices = found[key];
    if (!choices?.some(isNull)) continue;
    const { [key]: _choices, ...rest } = found;
    const left = choices.filter((each) => !isNull(each));
    found = left.length === 1 && left[0] ? { ...together(resolve(left[0], root, seen), rest), nullable: true } : { ...rest, [key]: left, nullable: true };
  }
  return found;
}

const isNull = (schema: Schema): boolean => schema.type === "null" || (schema.const === null && "const" in schema);

/** Both at once, as far as a form can draw it. */
function together(all: Schema, part: Schema): Schema {
  const properties = all.properties && part.properties ? { ...all.properties } : (all.properties ?? part.properties);
  if (all.properties && part.properties && properties)
    for (const [name, schema] of Object.entries(part.properties)) properties[name] = properties[name] ? { allOf: [properties[name], schema] } : schema;
  const required = [...new Set([...(all.required ?? []), ...(part.required ?? [])])];
  const hasChoices = (schema: Schema) => schema.oneOf !== undefined || schema.anyOf !== undefined;
  return {
    ...all,
    ...part,
    ...(properties ? { properties } : {}),
    ...(required.length > 0 ? { required } : {}),
    ...(hasChoices(all) && hasChoices(part) ? { isOpaque: true } : {}),
  };
}

/** The alternatives of a resolved schema, each with what is said beside them; null where there are none. */
export function choicesOf(s: Schema, root: Schema): Schema[] | null {
  if (s.isOpaque) return null;
  const { oneOf, anyOf, ...base } = s;
  if (oneOf && anyOf) return null;
  const choices = oneOf ?? anyOf;
  if (choices && choices.length > 0) {
    const { title: _title, description: _description, default: _default, nullable: _nullable, ...rest } = base;
    return choices.map((each) => {
      const choice = resolve(each, root);
      return { ...together(rest, choice), title: labelOf(each, choice) };
    });
  }
  const types = typesOf(s);
  return types.length > 1 ? types.map((type) => ({ ...s, type, nullable: false, title: type })) : null;
}

function labelOf(given: Schema, choice: Schema): string {
  const name = choice.title ?? given.title ?? given.$ref?.split("/").at(-1);
  if (name) return name;
  if (choice.const !== undefined) return typeof choice.const === "string" ? choice.const : JSON.stringify(choice.const);
  const keys = Object.keys(choice.properties ?? {});
  if (keys.length > 0) return keys.slice(0, 3).join(", ");
  return choice.required?.length ? `with ${choice.required.join(", ")}` : describe(choice);
}

function typesOf(schema: Schema): string[] {
  return Array.isArray(schema.type) ? schema.type.filter((each) => each !== "null") : schema.type ? [schema.type] : [];
}

export function typeOf(schema: Schema): string {
  if (schema.isOpaque || (schema.oneOf && schema.anyOf)) return "any";
  const types = typesOf(schema);
  if (types.length === 1 && types[0]) return types[0];
  if (types.length > 1) return "any";
  if (schema.properties || schema.patternProperties) return "object";
  if (schema.items) return "array";
  if (schema.additionalProperties !== undefined) return "object";
  return "any";
}

export function isNullable(schema: Schema): boolean {
  return schema.nullable === true || (Array.isArray(schema.type) && schema.type.includes("null"));
}

/** What the values of further fields of an object are like; null where it takes none. */
export function furtherOf(s: Schema): Schema | null {
  if (typeof s.additionalProperties === "object") return s.additionalProperties;
  const [pattern] = Object.values(s.patternProperties ?? {});
  if (pattern) return pattern;
  return s.additionalProperties === true ? {} : null;
}

/** The values of alternatives that are nothing but values, or of a list, with what they are called. */
export function optionsOf(s: Schema): { value: unknown; name: string }[] | null {
  const named = (value: unknown) => (typeof value === "string" ? value : JSON.stringify(value));
  if (s.enum) return s.enum.map((value) => ({ value, name: named(value) }));
  const choices = s.oneOf ?? s.anyOf;
  if (!choices?.length || choices.some((each) => each.const === undefined)) return null;
  return choices.map((each) => ({ value: each.const, name: each.title ?? named(each.const) }));
}

/** What a form begins with: what is required, and defaults. */
export function initial(schema: Schema, root: Schema, depth = 0): unknown {
  const s = resolve(schema, root);
  if (s.default !== undefined) return s.default;
  if (s.const !== undefined) return s.const;
  if (depth > DEPTH) return null;
  const options = optionsOf(s);
  if (options) return options[0]?.value ?? null;
  const choices = choicesOf(s, root);
  if (choices?.[0]) return initial(choices[0], root, depth + 1);
  switch (typeOf(s)) {
    case "object": {
      const out: Fields = {};
      if (depth < DEPTH) for (const name of s.required ?? []) if (s.properties?.[name]) out[name] = initial(s.properties[name], root, depth + 1);
      return out;
    }
    case "array":
      return [];
    case "string":
      return "";
    case "boolean":
      return false;
    case "integer":
    case "number":
      return leastOf(s);
    default:
      return null;
  }
}

function leastOf(s: Schema): number {
  if (typeof s.exclusiveMinimum === "number") return Math.floor(s.exclusiveMinimum) + 1;
  if (typeof s.minimum === "number") return s.exclusiveMinimum === true ? Math.floor(s.minimum) + 1 : s.minimum;
  const most = typeof s.exclusiveMaximum === "number" ? Math.ceil(s.exclusiveMaximum) - 1 : (s.maximum ?? 0);
  return Math.min(0, most);
}

/** What a value is, in a word or two. */
export function describe(s: Schema): string {
  const choices = s.oneOf ?? s.anyOf;
  const type = typeOf(s);
  const shown = optionsOf(s)
    ? "one of a list"
    : s.const !== undefined
      ? "always the same"
      : choices && type !== "any"
        ? `${type}, alternatives`
        : choices || typesOf(s).length > 1
          ? "alternatives"
          : type === "any"
            ? "any JSON"
            : s.format
              ? `${type} (${s.format})`
              : type;
  return isNullable(s) ? `${shown} or null` : shown;
}

/** What a value must keep to, in words. */
export function limitsOf(s: Schema): string[] {
  const out: string[] = [];
  const range = (least: number | undefined, most: number | undefined, of: string) => {
    if (least !== undefined && most !== undefined) out.push(least === most ? `exactly ${least}${of}` : `${least} to ${most}${of}`);
    else if (least !== undefined) out.push(`at least ${least}${of}`);
    else if (most !== undefined) out.push(`at most ${most}${of}`);
  };
  const above = typeof s.exclusiveMinimum === "number" ? s.exclusiveMinimum : s.exclusiveMinimum === true ? s.minimum : undefined;
  const below = typeof s.exclusiveMaximum === "number" ? s.exclusiveMaximum : s.exclusiveMaximum === true ? s.maximum : undefined;
  range(s.exclusiveMinimum === true ? undefined : s.minimum, s.exclusiveMaximum === true ? undefined : s.maximum, "");
  if (above !== undefined) out.push(`more than ${above}`);
  if (below !== undefined) out.push(`less than ${below}`);
  if (s.multipleOf !== undefined) out.push(`a multiple of ${s.multipleOf}`);
  range(s.minLength, s.maxLength, " characters");
  range(s.minItems, s.maxItems, " items");
  if (s.uniqueItems) out.push("each once");
  if (s.pattern !== undefined) out.push(`matches ${s.pattern}`);
  return out;
}

/** What of its limits a value does not keep to; null where it keeps to all that can be told here. */
export function wrongOf(s: Schema, value: unknown): string | null {
  const number = value instanceof ExactNumber ? Number(value.source) : value;
  if (typeof number === "number") {
    const above = typeof s.exclusiveMinimum === "number" ? number > s.exclusiveMinimum : s.minimum === undefined || (s.exclusiveMinimum === true ? number > s.minimum : number >= s.minimum);
    const below = typeof s.exclusiveMaximum === "number" ? number < s.exclusiveMaximum : s.maximum === undefined || (s.exclusiveMaximum === true ? number < s.maximum : number <= s.maximum);
    const rest = s.multipleOf ? Math.abs(number / s.multipleOf - Math.round(number / s.multipleOf)) : 0;
    return above && below && rest < 1e-9 ? null : limitsOf(s).join(", ");
  }
  if (typeof value === "string") {
    const length = [...value].length;
    if (length < (s.minLength ?? 0) || length > (s.maxLength ?? Number.POSITIVE_INFINITY)) return `${length} characters; ${limitsOf(s).join(", ")}`;
    if (s.pattern !== undefined && value !== "" && !matches(s.pattern, value)) return `does not match ${s.pattern}`;
    if (value !== "" && s.format && FORMATS[s.format] && !FORMATS[s.format]?.[0].test(value)) return `no ${s.format}, such as ${FORMATS[s.format]?.[1]}`;
  }
  if (Array.isArray(value)) {
    if (value.length < (s.minItems ?? 0) || value.length > (s.maxItems ?? Number.POSITIVE_INFINITY)) return `${value.length} items; ${limitsOf(s).join(", ")}`;
    if (s.uniqueItems && value.some((item, at) => value.slice(0, at).some((other) => same(item, other)))) return "an item stands there twice";
  }
  return null;
}

/** Formats that a person writes, each with an example. What is no such text may still be sent. */
export const FORMATS: Record<string, [RegExp, string]> = {
  date: [/^\d{4}-\d\d-\d\d$/, "2026-11-28"],
  "date-time": [/^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-]\d\d:\d\d)$/, "2026-11-28T09:30:00Z"],
  time: [/^\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-]\d\d:\d\d)?$/, "09:30:00Z"],
  email: [/^\S+@\S+$/, "ada@example.com"],
  uri: [/^[a-z][a-z0-9+.-]*:\S+$/i, "https://example.com/"],
  uuid: [/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i, "6f1c0e4e-3d5b-4c7e-9a51-2f0d8b7c1a90"],
};

function matches(pattern: string, value: string): boolean {
  try {
    return new RegExp(pattern, "u").test(value);
  } catch {
    // Another dialect of patterns than the browser's: the server knows.
    return true;
  }
}

/** Which of some alternatives a value is most like; the first where it is like none. */
export function bestOf(choices: Schema[], root: Schema, value: unknown): number {
  const scores = choices.map((each) => likeness(resolve(each, root), root, value));
  const best = Math.max(...scores);
  return best > 0 ? scores.indexOf(best) : 0;
}

function likeness(s: Schema, root: Schema, value: unknown): number {
  if (s.const !== undefined) return same(s.const, value) ? 100 : 0;
  if (s.enum) return s.enum.some((each) => same(each, value)) ? 100 : 0;
  const type = typeOf(s);
  if (type === "object") {
    if (!isFields(value) || !(s.required ?? []).every((name) => name in value)) return 0;
    const known = Object.entries(value).filter(([name]) => s.properties?.[name]);
    const isOther = known.some(([name, each]) => {
      const of = resolve(s.properties?.[name] ?? {}, root);
      return (of.const !== undefined || of.enum !== undefined) && likeness(of, root, each) === 0;
    });
    return isOther ? 0 : 1 + known.length;
  }
  if (type === "array") return Array.isArray(value) ? 1 : 0;
  if (type === "integer") return (typeof value === "number" && Number.isInteger(value)) || value instanceof ExactNumber ? 2 : 0;
  if (type === "number") return typeof value === "number" || value instanceof ExactNumber ? 1 : 0;
  return type === typeof value ? 1 : 0;
}
