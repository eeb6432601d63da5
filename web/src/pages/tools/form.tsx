// A form made of a JSON Schema: nested objects, lists, choices, references, alternatives, maps. What
// it cannot draw becomes JSON for that field alone.
import { useId, useState } from "react";
import { ExactNumber, isFields, parse, pretty } from "~/lib/json";
import { Button, cx } from "~/ui/basics";
import { Seen } from "~/ui/text";
import { bestOf, choicesOf, DEPTH, describe, FORMATS, furtherOf, initial, isNullable, limitsOf, optionsOf, resolve, type Schema, typeOf, wrongOf } from "./schema";

type FormProps = { schema: Schema; root: Schema; value: unknown; onChange: (value: unknown) => void; depth?: number; label?: string };

export function SchemaForm({ schema, root, value, onChange, depth = 0 }: FormProps) {
  const s = resolve(schema, root);
  const fields = isFields(value) ? value : {};
  const names = Object.keys(s.properties ?? {});
  const extra = Object.keys(fields).filter((name) => !names.includes(name));
  const further = furtherOf(s);
  const set = (name: string, next: unknown) => onChange({ ...fields, [name]: next });
  const drop = (name: string) => {
    const { [name]: _gone, ...rest } = fields;
    onChange(rest);
  };
  const choices = choicesOf(s, root);
  if (choices) return <Choice id="alternatives" choices={choices} root={root} depth={depth} value={value} onChange={onChange} name="the arguments" />;
  if (typeOf(s) === "any" && names.length === 0 && (s.isOpaque || s.oneOf || s.anyOf)) return <JsonField id="arguments" label="Arguments as JSON" value={value} onChange={onChange} />;
  if (names.length === 0 && !further && extra.length === 0) return <p className="text-ink2">It takes no arguments.</p>;
  return (
    <div className={cx("flex flex-col gap-3", depth > 0 && "border-l-2 border-line pl-3")}>
      {names.map((name) => {
        const of = s.properties?.[name] ?? {};
        const isRequired = s.required?.includes(name) ?? false;
        return <FieldOf key={name} name={name} schema={of} root={root} depth={depth} isRequired={isRequired} isGiven={name in fields} value={fields[name]} onChange={(next) => set(name, next)} onDrop={() => drop(name)} />;
      })}
      {extra.map((name) => (
        <FieldOf key={name} name={name} schema={further ?? {}} root={root} depth={depth} isRequired={false} isGiven value={fields[name]} onChange={(next) => set(name, next)} onDrop={() => drop(name)} />
      ))}
      {further && <NewKey taken={Object.keys(fields)} onAdd={(name) => set(name, initial(further, root))} />}
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
  const limits = limitsOf(s);
  // Of what nobody has written yet, the limits are said and nothing is wrong.
  const wrong = isGiven && value !== "" ? wrongOf(s, value) : null;
  return (
    <div className="flex flex-col gap-1">
      <div className="flex flex-wrap items-baseline gap-x-2">
        <label htmlFor={id} className="font-mono">
          <Seen text={name} />
        </label>
        <span className="text-meta text-ink3">
          {describe(s)}
          {isRequired ? ", required" : ""}
          {limits.length > 0 && (
            <>
              ; <Seen text={limits.join(", ")} />
            </>
          )}
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
      {wrong && (
        <p className="text-bad">
          ✕ <Seen text={wrong} />
        </p>
      )}
    </div>
  );
}

/** `label`: what it is called where no label stands before it. */
type InputProps = { id: string; label?: string | undefined; schema: Schema; root: Schema; depth: number; value: unknown; onChange: (value: unknown) => void; name: string };

function Input({ id, label, schema: s, root, depth, value, onChange, name }: InputProps) {
  if (isNullable(s) && value === null)
    return (
      <div className="flex items-center gap-2">
        <code id={id}>null</code>
        <Button small look="quiet" onClick={() => onChange(initial({ ...s, ...(Array.isArray(s.type) ? { type: s.type.filter((each) => each !== "null") } : {}), default: undefined, nullable: false }, root))}>
          Give a value
        </Button>
      </div>
    );
  const nullable = isNullable(s) && (
    <Button small look="quiet" onClick={() => onChange(null)}>
      Set to null
    </Button>
  );
  if (s.const !== undefined)
    return (
      <code id={id} className="break-words">
        <Seen text={JSON.stringify(s.const)} />
      </code>
    );
  const options = optionsOf(s);
  if (options)
    return (
      <div className="flex items-center gap-2">
      <select id={id} aria-label={label} className="field max-w-md" value={JSON.stringify(value)} onChange={(event) => onChange(JSON.parse(event.target.value))}>
        {!options.some((each) => JSON.stringify(each.value) === JSON.stringify(value)) && <option value={JSON.stringify(value) ?? "null"}>Choose</option>}
        {options.map((each) => (
          <option key={JSON.stringify(each.value)} value={JSON.stringify(each.value)}>
            {each.name}
          </option>
        ))}
      </select>
      {nullable}
      </div>
    );
  if (depth >= DEPTH) return <JsonField id={id} label={label} value={value} onChange={onChange} />;
  const choices = choicesOf(s, root);
  if (choices)
    return (
      <div className="flex flex-col items-start gap-2">
        <Choice id={id} choices={choices} root={root} depth={depth} value={value} onChange={onChange} name={name} />
        {nullable}
      </div>
    );
  switch (typeOf(s)) {
    case "string":
      return (
        <div className="flex items-center gap-2">
          {typeof value === "string" && (value.includes("\n") || value.length > 80) ? (
            <textarea id={id} aria-label={label} className="area min-h-24 w-full" value={value} onChange={(event) => onChange(event.target.value)} />
          ) : (
            <input id={id} aria-label={label} className="field w-full max-w-md" type={inputType(s.format, value)} placeholder={s.format && FORMATS[s.format]?.[1]} value={typeof value === "string" ? value : ""} onChange={(event) => onChange(event.target.value)} autoComplete="off" />
          )}
          {nullable}
        </div>
      );
    case "integer":
    case "number":
      return (
        <div className="flex items-center gap-2">
          <NumberField id={id} label={label} value={value} isWhole={typeOf(s) === "integer"} onChange={onChange} />
          {nullable}
        </div>
      );
    case "boolean":
      return (
        <div className="flex items-center gap-2">
          <label className="flex min-h-7 items-center gap-2">
            <input id={id} aria-label={label} type="checkbox" checked={value === true} onChange={(event) => onChange(event.target.checked)} /> {String(value === true)}
          </label>
          {nullable}
        </div>
      );
    case "array":
      return (
        <div className="flex flex-col items-start gap-2">
          <List id={id} schema={s} root={root} depth={depth} value={value} onChange={onChange} name={name} />
          {nullable}
        </div>
      );
    case "object":
      return (
        <div id={id} className="flex flex-col items-start gap-2">
          <SchemaForm schema={s} root={root} value={value} onChange={onChange} depth={depth + 1} />
          {nullable}
        </div>
      );
    default:
      return <JsonField id={id} label={label} value={value} onChange={onChange} />;
  }
}

/** The browser's own field for a format, as long as it can show what is there. */
function inputType(format: string | undefined, value: unknown): string {
  if (format === "password") return "password";
  if (format === "email") return "email";
  if (format === "uri" || format === "url") return "url";
  return format === "date" && (value === "" || (typeof value === "string" && FORMATS.date?.[0].test(value))) ? "date" : "text";
}

/** A number as JSON writes it; one that the browser cannot hold keeps its digits. */
function numberOf(text: string): unknown {
  try {
    const value = parse(text);
    return typeof value === "number" || value instanceof ExactNumber ? value : undefined;
  } catch {
    return undefined;
  }
}

function NumberField({ id, label, value, isWhole, onChange }: { id: string; label?: string | undefined; value: unknown; isWhole: boolean; onChange: (value: unknown) => void }) {
  const [text, setText] = useState<string | null>(null);
  const shown = text ?? (value instanceof ExactNumber ? value.source : typeof value === "number" ? String(value) : "");
  const isFine = numberOf(shown.trim()) !== undefined && (!isWhole || /^-?\d+$/.test(shown.trim()));
  return (
    <>
      <input
        id={id}
        aria-label={label}
        className="field w-48 font-mono"
        inputMode={isWhole ? "numeric" : "decimal"}
        value={shown}
        aria-invalid={!isFine}
        onChange={(event) => {
          setText(event.target.value);
          const next = numberOf(event.target.value.trim());
          if (next !== undefined) onChange(next);
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
            <Input id={`${id}-${i}`} label={`${name} ${i + 1}`} schema={of} root={root} depth={depth + 1} value={item} onChange={(next) => onChange(items.map((each, at) => (at === i ? next : each)))} name={`${name} ${i + 1}`} />
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
  const [at, setAt] = useState(() => bestOf(choices, root, value));
  const chosen = choices[at] ?? {};
  // What both alternatives know is kept when another is chosen.
  const choose = (next: number) => {
    setAt(next);
    const begun = initial(choices[next] ?? {}, root);
    const known = resolve(choices[next] ?? {}, root).properties ?? {};
    const kept = isFields(value) && isFields(begun) ? Object.entries(value).filter(([key]) => known[key] && known[key].const === undefined && chosen.properties?.[key]) : [];
    const isSame = ([key]: [string, unknown]) => JSON.stringify(known[key]) === JSON.stringify(chosen.properties?.[key]);
    onChange(isFields(begun) ? { ...begun, ...Object.fromEntries(kept.filter(isSame)) } : begun);
  };
  return (
    <div className="flex flex-col gap-2">
      <select id={id} className="field max-w-md" value={at} aria-label={`Kind of ${name}`} onChange={(event) => choose(Number(event.target.value))}>
        {choices.map((each, i) => (
          <option key={i} value={i}>
            {each.title}
          </option>
        ))}
      </select>
      <Input key={at} id={`${id}-chosen`} label={name} schema={chosen} root={root} depth={depth + 1} value={value} onChange={onChange} name={name} />
    </div>
  );
}

function JsonField({ id, value, onChange, label }: { id: string; value: unknown; onChange: (value: unknown) => void; label?: string | undefined }) {
  const [text, setText] = useState(() => pretty(value ?? null));
  const [problem, setProblem] = useState("");
  return (
    <>
      <textarea
        id={id}
        aria-label={label}
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
