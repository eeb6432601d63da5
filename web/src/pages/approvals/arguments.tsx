// The arguments as they will be sent: all of them, as fields, as JSON, or as the request itself.
import { type ReactNode, type RefObject, useEffect, useId, useRef, useState } from "react";
import { compact, ExactNumber, type Fields, isFields, parse, pretty, same } from "~/lib/json";
import { fieldsOf, type Known } from "./types";
import { isSuspicious } from "~/lib/hidden";
import { size } from "~/lib/time";
import { Button, cx } from "~/ui/basics";
import { Seen } from "~/ui/text";

/** A text beyond this is folded until somebody unfolds it. */
const FOLD = 1_500;

export const VIEWS = ["form", "json", "request"] as const;
export type View = (typeof VIEWS)[number];
const LABELS: Record<View, string> = { form: "Form", json: "JSON", request: "Request" };

/**
 * Whether everything has been in front of the person: unfolded, and scrolled to its end. It counts for
 * the digest it was said of: what changes meanwhile has not been seen.
 */
export function useReveal(digest: string, value: unknown, request: unknown, view: View) {
  const [unfoldedOf, setUnfoldedOf] = useState("");
  const [seenOf, setSeenOf] = useState("");
  const unfolded = unfoldedOf === digest;
  const seen = seenOf === digest;
  const end = useRef<HTMLDivElement>(null);
  const isLong = view === "form" ? longest(value) > FOLD : pretty(view === "json" ? value : request).length > FOLD * 2;
  const isWhole = unfolded || !isLong;
  useSight(end, isWhole && !seen, `${view} ${digest}`, () => setSeenOf(digest));
  return {
    unfolded: isWhole,
    isRevealed: seen,
    end,
    unfold: () => setUnfoldedOf(digest),
    /** Unfolds and brings the end in front of the person. */
    revealAll: () => {
      setUnfoldedOf(digest);
      requestAnimationFrame(() => requestAnimationFrame(() => end.current?.scrollIntoView({ block: "end" })));
    },
  };
}

/** Says when something comes in sight. It looks afresh when `key` is another. */
export function useSight(of: RefObject<HTMLElement | null>, isWanted: boolean, key: string, onSight: () => void) {
  const latest = useRef(onSight);
  latest.current = onSight;
  useEffect(() => {
    const node = of.current;
    if (!node || !isWanted) return;
    const watcher = new IntersectionObserver((entries) => {
      if (entries.some((entry) => entry.isIntersecting)) latest.current();
    });
    watcher.observe(node);
    return () => watcher.disconnect();
  }, [of, isWanted, key]);
}

function longest(value: unknown): number {
  if (typeof value === "string") return value.length;
  if (Array.isArray(value)) return Math.max(value.length > 60 ? FOLD + 1 : 0, ...value.slice(0, 60).map(longest));
  if (isFields(value)) return Math.max(0, ...Object.values(value).map(longest));
  return 0;
}

type Props = {
  value: unknown;
  request: unknown;
  before: unknown;
  view: View;
  onView: (view: View) => void;
  reveal: ReturnType<typeof useReveal>;
  /** The tool's input schema, once it is read. */
  schema?: unknown;
};

export function Arguments({ value, request, before, view, onView, reveal, schema }: Props) {
  const fields = isFields(value) ? value : null;
  const count = fields ? Object.keys(fields).length : 1;
  const bytes = new TextEncoder().encode(compact(value)).length;
  const title = useId();
  const all = compact(value);
  return (
    <section aria-labelledby={title} className="rounded-md border border-line bg-surface">
      <div className="flex flex-wrap items-center gap-2 border-b border-line px-3 py-1.5">
        <h3 id={title}>Arguments</h3>
        <div role="group" aria-label="View" className="flex gap-1">
          {VIEWS.map((name) => (
            <Button key={name} small look={view === name ? "plain" : "quiet"} aria-pressed={view === name} onClick={() => onView(name)}>
              {LABELS[name]}
            </Button>
          ))}
        </div>
        <span className="ml-auto text-meta text-ink2" data-testid="shown">
          {reveal.isRevealed ? `${count} of ${count} shown` : reveal.unfolded ? `${count} shown, scroll to the end` : `folded, ${size(bytes)} in all`}
        </span>
      </div>
      {isSuspicious(all) && (
        <p className="border-b border-line px-3 py-1.5 text-bad">▲ Hidden or look-alike characters are in these arguments. They are marked where they stand.</p>
      )}
      <div className="px-3 py-2">
        {view === "form" && (fields ? <Form of={fields} before={isFields(before) ? before : null} folded={!reveal.unfolded} schema={schema} /> : <Value of={value} folded={!reveal.unfolded} />)}
        {view === "json" && <Text text={pretty(value)} folded={!reveal.unfolded} limit={FOLD * 2} />}
        {view === "request" && <Request of={request} folded={!reveal.unfolded} />}
        {!reveal.unfolded && (
          <Button className="mt-2" onClick={reveal.unfold}>
            Show everything ({size(bytes)})
          </Button>
        )}
      </div>
      <div ref={reveal.end} className="h-px" />
    </section>
  );
}

export function Form({ of, before, folded, schema }: { of: Fields; before: Fields | null; folded: boolean; schema?: unknown }) {
  const known = fieldsOf(schema);
  // In the order of the schema; what it does not know comes last, and says so.
  const names = known ? [...known.keys()].filter((name) => name in of).concat(Object.keys(of).filter((name) => !known.has(name))) : Object.keys(of);
  const left = known ? [...known.keys()].filter((name) => !(name in of)) : [];
  const removed = before ? Object.keys(before).filter((name) => !(name in of)) : [];
  if (names.length === 0) return <p className="text-ink2">No arguments.</p>;
  return (
    <>
      <dl className="flex flex-col gap-1.5">
        {names.map((name) => {
          const isNew = before !== null && !(name in before);
          const isChanged = before !== null && !isNew && !same(before[name], of[name]);
          return (
            <div key={name} className="grid grid-cols-1 gap-x-4 md:grid-cols-[minmax(120px,max-content)_1fr]">
              <dt className="text-ink2">
                <span className="font-mono">
                  <Seen text={name} />
                </span>
                {known && <Described of={known.get(name)} />}
              </dt>
              <dd className="min-w-0">
                <Value of={of[name]} folded={folded} />
                {isChanged && (
                  <span className="mt-0.5 block text-meta text-wait">
                    changed from <span className="font-mono break-all">{<Seen text={compact(before[name]).slice(0, 200)} />}</span>
                  </span>
                )}
                {isNew && <span className="mt-0.5 block text-meta text-wait">not in the call before</span>}
              </dd>
            </div>
          );
        })}
      </dl>
      {left.length > 0 && (
        <p className="mt-1.5 text-meta text-ink3">
          Not given: <Seen text={left.slice(0, 40).join(", ")} />
          {left.length > 40 && ` and ${left.length - 40} more`}
        </p>
      )}
      {removed.length > 0 && <p className="mt-1.5 text-meta text-wait">In the call before, but not here: <Seen text={removed.join(", ")} /></p>}
    </>
  );
}

/** What the schema says of a field. Its words are the source's, and stand on demand. */
function Described({ of }: { of: Known | undefined }) {
  if (!of) return <span className="block text-meta text-wait">not in the tool's schema</span>;
  return (
    <span className="block text-meta text-ink3" title={of.description}>
      {of.type}
      {of.isRequired && ", required"}
    </span>
  );
}

/** One value with its type in its look: texts in quotes, objects indented. */
function Value({ of, folded }: { of: unknown; folded: boolean }): ReactNode {
  if (typeof of === "string") return <Text text={JSON.stringify(of)} folded={folded && of.length > FOLD} limit={FOLD} inline />;
  if (of === null || typeof of === "boolean" || typeof of === "number") return <code>{String(of)}</code>;
  if (of instanceof ExactNumber) return <code>{of.source}</code>;
  const entries: [string, unknown][] = Array.isArray(of) ? of.map((each, i) => [String(i + 1), each]) : Object.entries(of as Fields);
  if (entries.length === 0) return <code>{Array.isArray(of) ? "[]" : "{}"}</code>;
  const shown = folded ? entries.slice(0, 60) : entries;
  return (
    <>
      <dl className="flex flex-col gap-1 border-l-2 border-line pl-3">
        {shown.map(([name, each]) => (
          <div key={name} className="flex flex-wrap gap-x-3">
            <dt className="font-mono text-ink3">
              <Seen text={name} />
            </dt>
            <dd className="min-w-0 flex-1 basis-40">
              <Value of={each} folded={folded} />
            </dd>
          </div>
        ))}
      </dl>
      {shown.length < entries.length && <p className="text-ink2">and {entries.length - shown.length} more</p>}
    </>
  );
}

function Text({ text, folded, limit, inline }: { text: string; folded: boolean; limit: number; inline?: boolean }) {
  const isCut = folded && text.length > limit;
  const shown = isCut ? text.slice(0, limit) : text;
  return (
    <code className={cx("whitespace-pre-wrap break-all", !inline && "block")}>
      <Seen text={shown} />
      {isCut && <span className="text-wait"> … {(text.length - limit).toLocaleString("en")} more characters</span>}
    </code>
  );
}

/** The request in the order in which a server reads it. */
export function Request({ of, folded }: { of: unknown; folded: boolean }) {
  if (of === null || of === undefined) return <p className="text-bad">▲ It cannot be sent any more.</p>;
  if (!isFields(of)) return <Text text={pretty(of)} folded={folded} limit={FOLD * 2} />;
  const { method, url, headers, body, ...rest } = of;
  if (typeof method !== "string" || typeof url !== "string") return <Text text={pretty(of)} folded={folded} limit={FOLD * 2} />;
  const pairs = Array.isArray(headers) ? headers : Object.entries(isFields(headers) ? headers : {});
  const lines = pairs.map((pair) => (Array.isArray(pair) ? pair.join(": ") : typeof pair === "string" ? pair : compact(pair)));
  const text = body === undefined || body === null ? "" : typeof body === "string" ? body : pretty(body);
  const document = graphqlOf(text);
  const more = Object.fromEntries(Object.entries(rest).filter(([, each]) => each !== null && each !== undefined));
  return (
    <>
      {document && (
        <div className="mb-3 flex flex-col gap-2 border-b border-line pb-3">
          <div>
            <h4 className="text-ink2">GraphQL document</h4>
            <Text text={document.query} folded={folded} limit={FOLD * 2} />
          </div>
          <div>
            <h4 className="text-ink2">Variables</h4>
            <Text text={pretty(document.variables ?? {})} folded={folded} limit={FOLD * 2} />
          </div>
          {document.operationName !== undefined && (
            <p className="text-ink2">
              Operation <code><Seen text={compact(document.operationName)} /></code>
            </p>
          )}
        </div>
      )}
      {document && <h4 className="text-ink2">As it is sent</h4>}
      <Text text={[`${method} ${url}`, ...lines].join("\n") + (text ? `\n\n${text}` : "")} folded={folded} limit={FOLD * 2} />
      {Object.keys(more).length > 0 && <Text text={pretty(more)} folded={folded} limit={FOLD * 2} />}
      <p className="mt-2 text-meta text-ink3">The credential is added when it is sent; it is never shown.</p>
    </>
  );
}

/** The document and variables of a body in GraphQL's form; null for every other. */
function graphqlOf(body: string): { query: string; variables?: unknown; operationName?: unknown } | null {
  if (!body.startsWith("{")) return null;
  try {
    const value = parse(body);
    if (!isFields(value) || typeof value.query !== "string" || !/^\s*(#|\{|query\b|mutation\b|subscription\b|fragment\b)/.test(value.query)) return null;
    const isAll = Object.keys(value).every((name) => ["query", "variables", "operationName", "extensions"].includes(name));
    return isAll ? { query: value.query, variables: value.variables, operationName: value.operationName ?? undefined } : null;
  } catch {
    return null;
  }
}
