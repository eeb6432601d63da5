// A form made of a JSON Schema: nested objects, lists, choices, references, alternatives, maps. What
// it cannot draw becomes JSON for that field alone.
import { useId, useState } from "react";
import { type Fields, isFields, parse, pretty } from "~/lib/json";
import { Button, cx } from "~/ui/basics";
import { Seen } from "~/ui/text";

export type Schema = {
  type?: string | string[];
  properties?: Record<string, Schema>;
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
  minimum?: number;
  maximum?: number;
};

/** How deep a form nests before it asks for JSON. */
const DEPTH = 6;

/** A schema with its references followed and its parts put together. */
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
    found = allOf.map((part) => resolve(part, root, seen)).reduce<Schema>(
      (all, part) => ({
        ...all,
        ...part,
        ...(all.properties || part.properties ? { properties: { ...all.properties, ...part.properties } } : {}),
        required: [...(all.required ?? []), ...(part.required ?? [])],
      }),
      rest,
    );
  }
  return found;
}

function typeOf(schema: Schema): string {
  const types = Array.isArray(schema.type) ? schema.type.filter((each) => each !== "null") : schema.type ? [schema.type] : [];
  if (types.length === 1 && types[0]) return types[0];
  if (types.length > 1) return "any";
  if (schema.properties) return "object";
  if (schema.items) return "array";
  if (schema.additionalProperties !== undefined) return "object";
  return "any";
}

function isNullable(schema: Schema): boolean {
  return schema.nullable === true || (Array.isArray(schema.type) && schema.type.includes("null"));
}

/** What a form begins with: what is required, and defaults. */
export function initial(schema: Schema, root: Schema, depth = 0): unknown {
  const s = resolve(schema, root);
  if (s.default !== undefined) return s.default;
  if (s.const !== undefined) return s.const;
  if (s.enum) return s.enum[0];
  if (s.oneOf?.[0] ?? s.anyOf?.[0]) return initial((s.oneOf ?? s.anyOf)?.[0] ?? {}, root, depth + 1);
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
      return s.minimum ?? 0;
    default:
      return null;
  }
}

type FormProps = { schema: Schema; root: Schema; value: unknown; onChange: (value: unknown) => void; depth?: number; label?: string };

export function SchemaForm({ schema, root, value, onChange, depth = 0 }: FormProps) {
  const s = resolve(schema, root);
  const fields = isFields(value) ? value : {};
  const names = Object.keys(s.properties ?? {});
  const extra = Object.keys(fields).filter((name) => !names.includes(name));
  const isMap = s.additionalProperties !== undefined && s.additionalProperties !== false;
  const set = (name: string, next: unknown) => onChange({ ...fields, [name]: next });
  const drop = (name: string) => {
    const { [name]: _gone, ...rest } = fields;
    onChange(rest);
  };
  if (names.length === 0 && !isMap && extra.length === 0) return <p className="text-ink2">It takes no arguments.</p>;
  return (
    <div className={cx("flex flex-col gap-3", depth > 0 && "border-l-2 border-line pl-3")}>
      {names.map((name) => {
        const of = s.properties?.[name] ?? {};
        const isRequired = s.required?.includes(name) ?? false;
        return <FieldOf key={name} name={name} schema={of} root={root} depth={depth} isRequired={isRequired} isGiven={name in fields} value={fields[name]} onChange={(next) => set(name, next)} onDrop={() => drop(name)} />;
      })}
      {extra.map((name) => (
        <FieldOf key={name} name={name} schema={typeof s.additionalProperties === "object" ? s.additionalProperties : {}} root={root} depth={depth} isRequired={false} isGiven value={fields[name]} onChange={(next) => set(name, next)} onDrop={() => drop(name)} />
      ))}
      {isMap && <NewKey taken={Object.keys(fields)} onAdd={(name) => set(name, initial(typeof s.additionalProperties === "object" ? s.additionalProperties : {}, root))} />}
    </div>
  );
}

function NewKey({ taken, onAdd }: { taken: string[]; onAdd: (name: string) => void }) {
  const [name, setName] = useState("");
  return (
    <div className="flex items-center gap-2">
      <input className="field w-48" aria-label="Name of another field" placeholder="another field" value={name} onChange={(event) => setName(event.target.value)} />
      <Button small disabled={name === "" || taken.includes(name)} onClick={() => (onAdd(name), setName(""))}>
        Add
      </Button>
    </div>
  );
}

type FieldProps = { name: string; schema: Schema; root: Schema; depth: number; isRequired: boolean; isGiven: boolean; value: unknown; onChange: (value: unknown) => void; onDrop: () => void };

function FieldOf({ name, schema, root, depth, isRequired, isGiven, value, onChange, onDrop }: FieldProps) {
  const s = resolve(schema, root);
  const id = useId();
  return (
    <div className="flex flex-col gap-1">
      <div className="flex flex-wrap items-baseline gap-x-2">
        <label htmlFor={id} className="font-mono">
          <Seen text={name} />
        </label>
        <span className="text-meta text-ink3">
          {describe(s)}
          {isRequired ? ", required" : ""}
        </span>
        {!isRequired &&
          (isGiven ? (
            <button type="button" onClick={onDrop} className="h-6 text-meta text-accent underline" aria-label={`Leave out ${name}`}>
              leave out
            </button>
          ) : (
            <button type="button" onClick={() => onChange(initial(s, root))} className="h-6 text-meta text-accent underline" aria-label={`Give ${name}`}>
              give
            </button>
          ))}
      </div>
      {s.description && (
        <p className="line-clamp-3 max-w-[80ch] text-meta text-ink2">
          <Seen text={s.description} />
        </p>
      )}
      {(isGiven || isRequired) && <Input id={id} schema={s} root={root} depth={depth} value={value} onChange={onChange} name={name} />}
    </div>
  );
}

/** The values of alternatives that are nothing but values, with what they are called. */
function constants(s: Schema): { value: unknown; name: string }[] | null {
  const choices = s.oneOf ?? s.anyOf;
  if (!choices?.length || choices.some((each) => each.const === undefined)) return null;
  return choices.map((each) => ({ value: each.const, name: each.title ?? (typeof each.const === "string" ? each.const : JSON.stringify(each.const)) }));
}

function describe(s: Schema): string {
  if (s.enum || constants(s)) return "one of a list";
  if (s.oneOf ?? s.anyOf) return "alternatives";
  const type = typeOf(s);
  const shown = type === "any" ? "any JSON" : s.format ? `${type} (${s.format})` : type;
  return isNullable(s) ? `${shown} or null` : shown;
}

type InputProps = { id: string; schema: Schema; root: Schema; depth: number; value: unknown; onChange: (value: unknown) => void; name: string };

function Input({ id, schema: s, root, depth, value, onChange, name }: InputProps) {
  if (isNullable(s) && value === null)
    return (
      <div className="flex items-center gap-2">
        <code id={id}>null</code>
        <Button small look="quiet" onClick={() => onChange(initial({ ...s, type: typeOf(s), nullable: false }, root))}>
          Give a value
        </Button>
      </div>
    );
  const nullable = isNullable(s) && (
    <Button small look="quiet" onClick={() => onChange(null)}>
      Set to null
    </Button>
  );
  const options = s.enum?.map((each) => ({ value: each, name: typeof each === "string" ? each : JSON.stringify(each) })) ?? constants(s);
  if (options)
    return (
      <select id={id} className="field max-w-md" value={JSON.stringify(value)} onChange={(event) => onChange(JSON.parse(event.target.value))}>
        {!options.some((each) => JSON.stringify(each.value) === JSON.stringify(value)) && <option value={JSON.stringify(value) ?? "null"}>Choose</option>}
        {options.map((each) => (
          <option key={JSON.stringify(each.value)} value={JSON.stringify(each.value)}>
            {each.name}
          </option>
        ))}
      </select>
    );
  if (depth >= DEPTH) return <JsonField id={id} value={value} onChange={onChange} />;
  const choices = s.oneOf ?? s.anyOf;
  if (choices) return <Choice id={id} choices={choices} root={root} depth={depth} value={value} onChange={onChange} name={name} />;
  switch (typeOf(s)) {
    case "string":
      return (
        <div className="flex items-center gap-2">
          {typeof value === "string" && (value.includes("\n") || value.length > 80) ? (
            <textarea id={id} className="area min-h-24 w-full" value={value} onChange={(event) => onChange(event.target.value)} />
          ) : (
            <input id={id} className="field w-full max-w-md" type={s.format === "password" ? "password" : "text"} value={typeof value === "string" ? value : ""} onChange={(event) => onChange(event.target.value)} autoComplete="off" />
          )}
          {nullable}
        </div>
      );
    case "integer":
    case "number":
      return (
        <div className="flex items-center gap-2">
          <NumberField id={id} value={value} isWhole={typeOf(s) === "integer"} onChange={onChange} />
          {nullable}
        </div>
      );
    case "boolean":
      return (
        <label className="flex min-h-7 items-center gap-2">
          <input id={id} type="checkbox" checked={value === true} onChange={(event) => onChange(event.target.checked)} /> {String(value === true)}
        </label>
      );
    case "array":
      return <List id={id} schema={s} root={root} depth={depth} value={value} onChange={onChange} name={name} />;
    case "object":
      return (
        <div id={id}>
          <SchemaForm schema={s} root={root} value={value} onChange={onChange} depth={depth + 1} />
        </div>
      );
    default:
      return <JsonField id={id} value={value} onChange={onChange} />;
  }
}

function NumberField({ id, value, isWhole, onChange }: { id: string; value: unknown; isWhole: boolean; onChange: (value: unknown) => void }) {
  const [text, setText] = useState<string | null>(null);
  const shown = text ?? (typeof value === "number" ? String(value) : "");
  const isFine = isWhole ? /^-?\d+$/.test(shown) : shown.trim() !== "" && Number.isFinite(Number(shown));
  return (
    <>
      <input
        id={id}
        className="field w-48 font-mono"
        inputMode={isWhole ? "numeric" : "decimal"}
        value={shown}
        aria-invalid={!isFine}
        onChange={(event) => {
          setText(event.target.value);
          const next = event.target.value;
          if (next.trim() !== "" && Number.isFinite(Number(next))) onChange(Number(next));
        }}
        onBlur={() => isFine && setText(null)}
      />
      {!isFine && <span className="text-bad">✕ {isWhole ? "a whole number" : "a number"}</span>}
    </>
  );
}

function List({ schema, root, depth, value, onChange, name, id }: InputProps) {
  const items = Array.isArray(value) ? value : [];
  const of = resolve(schema.items ?? {}, root);
  return (
    <div id={id} className="flex flex-col gap-2 border-l-2 border-line pl-3">
      {items.map((item, i) => (
        <div key={i} className="flex items-start gap-2">
          <span className="w-6 pt-1.5 text-right font-mono text-ink3">{i + 1}</span>
          <div className="min-w-0 flex-1">
            <Input id={`${id}-${i}`} schema={of} root={root} depth={depth + 1} value={item} onChange={(next) => onChange(items.map((each, at) => (at === i ? next : each)))} name={`${name} ${i + 1}`} />
          </div>
          <Button small look="quiet" aria-label={`Remove ${name} ${i + 1}`} onClick={() => onChange(items.filter((_, at) => at !== i))}>
            ✕
          </Button>
        </div>
      ))}
      <Button small className="self-start" onClick={() => onChange([...items, initial(of, root)])}>
        Add to {name}
      </Button>
    </div>
  );
}

function Choice({ choices, root, depth, value, onChange, name, id }: { choices: Schema[]; root: Schema; depth: number; value: unknown; onChange: (value: unknown) => void; name: string; id: string }) {
  const [at, setAt] = useState(() => Math.max(0, choices.findIndex((each) => fits(resolve(each, root), value))));
  const chosen = resolve(choices[at] ?? {}, root);
  return (
    <div className="flex flex-col gap-2">
      <select
        id={id}
        className="field max-w-md"
        value={at}
        aria-label={`Kind of ${name}`}
        onChange={(event) => {
          const next = Number(event.target.value);
          setAt(next);
          onChange(initial(choices[next] ?? {}, root));
        }}
      >
        {choices.map((each, i) => {
          const s = resolve(each, root);
          return (
            <option key={i} value={i}>
              {s.title ?? each.$ref?.split("/").at(-1) ?? (s.properties ? Object.keys(s.properties).slice(0, 3).join(", ") : describe(s))}
            </option>
          );
        })}
      </select>
      <Input id={`${id}-chosen`} schema={chosen} root={root} depth={depth + 1} value={value} onChange={onChange} name={name} />
    </div>
  );
}

function fits(s: Schema, value: unknown): boolean {
  const type = typeOf(s);
  if (type === "object") return isFields(value) && (s.required ?? []).every((name) => name in value);
  if (type === "array") return Array.isArray(value);
  if (type === "integer" || type === "number") return typeof value === "number";
  return type === typeof value;
}

function JsonField({ id, value, onChange }: { id: string; value: unknown; onChange: (value: unknown) => void }) {
  const [text, setText] = useState(() => pretty(value ?? null));
  const [problem, setProblem] = useState("");
  return (
    <>
      <textarea
        id={id}
        className="area min-h-20 w-full max-w-xl font-mono"
        spellCheck={false}
        value={text}
        onChange={(event) => {
          setText(event.target.value);
          try {
            onChange(parse(event.target.value));
            setProblem("");
          } catch (error) {
            setProblem(error instanceof Error ? error.message : String(error));
          }
        }}
      />
      {problem && <span className="text-bad">✕ {problem}</span>}
    </>
  );
}
