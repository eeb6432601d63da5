// JSON without loss: a number that a browser cannot hold keeps its own digits, so that what is shown
// is what is stored.

/** A number as it was written, where reading it as a JavaScript number would change it. */
export class ExactNumber {
  constructor(readonly source: string) {}
  toJSON(): unknown {
    const raw = (JSON as unknown as { rawJSON?: (text: string) => unknown }).rawJSON;
    return raw ? raw(this.source) : Number(this.source);
  }
}

type Context = { source?: string };
type Reviver = (this: unknown, key: string, value: unknown, context?: Context) => unknown;

const keepExact: Reviver = (_key, value, context) => {
  const source = context?.source;
  if (typeof value !== "number" || source === undefined || String(value) === source) return value;
  const isInteger = /^-?\d+$/.test(source);
  return isInteger && !Number.isSafeInteger(value) ? new ExactNumber(source) : value;
};

export function parse(text: string): unknown {
  return JSON.parse(text, keepExact as (key: string, value: unknown) => unknown);
}

export function pretty(value: unknown): string {
  return JSON.stringify(value, null, 2) ?? "undefined";
}

export function compact(value: unknown): string {
  return JSON.stringify(value) ?? "undefined";
}

export type Fields = Record<string, unknown>;

export function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof ExactNumber);
}

/** Whether two values say the same, whatever the order of their keys. */
export function same(a: unknown, b: unknown): boolean {
  if (isFields(a) && isFields(b)) {
    const keys = Object.keys(a);
    return keys.length === Object.keys(b).length && keys.every((key) => key in b && same(a[key], b[key]));
  }
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((item, i) => same(item, b[i]));
  return compact(a) === compact(b);
}

/** What stands in lists in place of a value over 4 KiB. */
export function leftOut(value: unknown): { bytes: number; preview: string } | null {
  if (!isFields(value) || value.$leftOut === undefined) return null;
  return { bytes: Number(value.bytes), preview: String(value.preview ?? "") };
}

/** What stands in place of a result over its limit: read on with the handle. */
export function handle(value: unknown): { handle: string; bytes: number; preview: string } | null {
  if (!isFields(value) || typeof value.$handle !== "string") return null;
  return { handle: value.$handle, bytes: Number(value.bytes), preview: String(value.preview ?? "") };
}
