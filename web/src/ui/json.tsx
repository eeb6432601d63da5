// A value to look into: folded branches, search, copying of paths and values, tables for lists of
// flat objects, the head of what is large.
import { useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { useApi } from "~/api/queries";
import { compact, ExactNumber, handle, isFields, leftOut, pretty } from "~/lib/json";
import { size } from "~/lib/time";
import { Button, Copy, cx, Skeleton, toClipboard } from "./basics";
import { Problem } from "./state";
import { Seen } from "./text";
import { toast } from "./toast";

/** Beyond this a value is shown by its head, with a download of the whole. */
const LARGE = 256 * 1024;
/** Rows of a branch that are drawn at once. */
const ROWS = 200;

export function JsonView({ value, name = "value" }: { value: unknown; name?: string }) {
  const [look, setLook] = useState<"tree" | "table" | "raw">("tree");
  const [search, setSearch] = useState("");
  const text = useMemo(() => pretty(value), [value]);
  const large = handle(value);
  if (large) return <Large of={large} name={name} />;
  const out = leftOut(value);
  if (out) return <p className="text-ink2">{size(out.bytes)}; open the call to read it.</p>;
  const isTable = isFlatList(value);
  const isTooLarge = text.length > LARGE;
  return (
    <div className="flex flex-col gap-2">
      <div className="flex flex-wrap items-center gap-1">
        <Button small look={look === "tree" ? "plain" : "quiet"} aria-pressed={look === "tree"} onClick={() => setLook("tree")}>
          Tree
        </Button>
        {isTable && (
          <Button small look={look === "table" ? "plain" : "quiet"} aria-pressed={look === "table"} onClick={() => setLook("table")}>
            Table
          </Button>
        )}
        <Button small look={look === "raw" ? "plain" : "quiet"} aria-pressed={look === "raw"} onClick={() => setLook("raw")}>
          Raw
        </Button>
        {look !== "table" && typeof value === "object" && value !== null && (
          <input type="search" aria-label={`Search in ${name}`} placeholder="Search" className="field h-7 w-36" value={search} onChange={(event) => setSearch(event.target.value)} />
        )}
        <span className="ml-auto flex items-center gap-1 text-meta text-ink3">
          {size(new Blob([text]).size)}
          <Copy text={typeof value === "string" ? value : text} label="Copy value" />
          <Save text={text} name={name} />
        </span>
      </div>
      {look === "tree" && (
        <div className="overflow-x-auto font-mono">
          {isTooLarge && <p className="font-sans text-ink2">This is its head: a branch is drawn when it is unfolded. Download has all of it.</p>}
          <Node name="" value={value} path="" depth={0} search={search.toLowerCase()} isLarge={isTooLarge} />
        </div>
      )}
      {look === "table" && isTable && <Table rows={value as Record<string, unknown>[]} />}
      {look === "raw" && (
        <pre className="overflow-x-auto whitespace-pre-wrap break-all">
          <Seen text={isTooLarge ? text.slice(0, LARGE) : text} />
          {isTooLarge && <span className="text-ink2"> … download the rest</span>}
        </pre>
      )}
    </div>
  );
}

function Save({ text, name }: { text: string; name: string }) {
  return (
    <Button
      small
      look="quiet"
      onClick={() => {
        const address = URL.createObjectURL(new Blob([text], { type: "application/json" }));
        const link = document.createElement("a");
        link.href = address;
        link.download = `${name}.json`;
        link.click();
        window.setTimeout(() => URL.revokeObjectURL(address), 10_000);
      }}
    >
      Download
    </Button>
  );
}

function isFlatList(value: unknown): boolean {
  return (
    Array.isArray(value) &&
    value.length > 0 &&
    value.every((row) => isFields(row) && Object.values(row).every((cell) => typeof cell !== "object" || cell === null || cell instanceof ExactNumber))
  );
}

function Table({ rows }: { rows: Record<string, unknown>[] }) {
  const [shown, setShown] = useState(ROWS);
  const columns = [...new Set(rows.slice(0, shown).flatMap((row) => Object.keys(row)))];
  return (
    <div className="overflow-x-auto">
      <table className="text-left">
        <thead>
          <tr>
            {columns.map((column) => (
              <th key={column} className="border-b border-line pr-4 font-normal text-ink3">
                <Seen text={column} />
              </th>
            ))}
          </tr>
        </thead>
        <tbody className="font-mono">
          {rows.slice(0, shown).map((row, i) => (
            <tr key={i}>
              {columns.map((column) => (
                <td key={column} className="max-w-80 border-b border-line pr-4 align-top break-words">
                  {row[column] === undefined ? "" : <Seen text={typeof row[column] === "string" ? row[column] : compact(row[column])} />}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {rows.length > shown && (
        <Button small look="quiet" onClick={() => setShown(shown + ROWS * 5)}>
          {(rows.length - shown).toLocaleString("en")} more rows
        </Button>
      )}
    </div>
  );
}

/** `isLarge`: the whole is, and nothing but its first level is drawn unasked. */
type NodeProps = { name: string; value: unknown; path: string; depth: number; search: string; isLarge: boolean };

function holds(value: unknown, search: string): boolean {
  if (Array.isArray(value)) return value.some((each) => holds(each, search));
  if (isFields(value)) return Object.entries(value).some(([name, each]) => name.toLowerCase().includes(search) || holds(each, search));
  return compact(value).toLowerCase().includes(search);
}

function Node({ name, value, path, depth, search, isLarge }: NodeProps) {
  const [chosen, setChosen] = useState<boolean | null>(null);
  const [rows, setRows] = useState(ROWS);
  const isBranch = Array.isArray(value) || isFields(value);
  const found = search !== "" && holds(value, search);
  const isHit = search !== "" && (name.toLowerCase().includes(search) || (!isBranch && found));
  const label = name !== "" && (
    <button
      type="button"
      title={`Copy the path ${path}`}
      onClick={async () => {
        const said = (await toClipboard(path)) ? "Copied the path" : "Select and copy the path";
        toast(<span className="break-all">{said} <code><Seen text={path} /></code></span>, "path");
      }}
      className={cx("min-h-6 min-w-6 text-left text-ink2 hover:underline", isHit && "bg-select font-semibold")}
    >
      <Seen text={name} />:
    </button>
  );
  if (!isBranch)
    return (
      <div className="flex items-baseline gap-2">
        {label}
        <span className={cx("min-w-0 whitespace-pre-wrap break-words", isHit && "bg-select")}>
          <Leaf value={value} />
        </span>
      </div>
    );
  const entries: [string, unknown][] = Array.isArray(value) ? value.map((each, i) => [String(i), each]) : Object.entries(value);
  const isOpen = chosen ?? (found || (depth < 2 && entries.length <= 40 && !isLarge) || depth === 0);
  const [open, close] = Array.isArray(value) ? ["[", "]"] : ["{", "}"];
  if (entries.length === 0)
    return (
      <div className="flex items-baseline gap-2">
        {label}
        {open}
        {close}
      </div>
    );
  return (
    <div>
      <div className="flex items-baseline gap-2">
        <button type="button" aria-expanded={isOpen} aria-label={`${isOpen ? "Fold" : "Unfold"} ${name || "the value"}`} onClick={() => setChosen(!isOpen)} className="w-4 text-ink3">
          {isOpen ? "▾" : "▸"}
        </button>
        {label}
        <span className="text-ink3">
          {open}
          {!isOpen && ` ${entries.length} ${close}`}
        </span>
      </div>
      {isOpen && (
        <div className="ml-2 border-l border-line pl-4">
          {entries.slice(0, rows).map(([key, each]) => (
            <Node key={key} name={key} value={each} path={pathOf(path, key, Array.isArray(value))} depth={depth + 1} search={search} isLarge={isLarge} />
          ))}
          {entries.length > rows && (
            <Button small look="quiet" onClick={() => setRows(rows + ROWS * 5)}>
              {entries.length - rows} more
            </Button>
          )}
        </div>
      )}
    </div>
  );
}

function pathOf(path: string, key: string, isIndex: boolean): string {
  if (isIndex) return `${path}[${key}]`;
  if (/^[A-Za-z_$][\w$]*$/.test(key)) return path ? `${path}.${key}` : key;
  return `${path}[${JSON.stringify(key)}]`;
}

function Leaf({ value }: { value: unknown }) {
  const [whole, setWhole] = useState(false);
  if (value instanceof ExactNumber) return <>{value.source}</>;
  if (typeof value !== "string") return <span className="text-accent">{String(value)}</span>;
  const isLong = value.length > 2_000 && !whole;
  return (
    <>
      <Seen text={JSON.stringify(isLong ? value.slice(0, 2_000) : value)} />
      {isLong && (
        <Button small look="quiet" onClick={() => setWhole(true)}>
          {(value.length - 2_000).toLocaleString("en")} more characters
        </Button>
      )}
    </>
  );
}

/** The head of a value that is kept apart, read by its handle. */
function Large({ of, name }: { of: { handle: string; bytes: number }; name: string }) {
  const api = useApi();
  const [busy, setBusy] = useState(false);
  const head = useQuery({
    queryKey: [api.workspace, "result", of.handle],
    queryFn: () => api.get("/api/v1/results/{handle}", { path: { handle: of.handle }, query: { length: 65_536 } as never }),
    staleTime: Number.POSITIVE_INFINITY,
  });
  const save = async () => {
    setBusy(true);
    const parts: string[] = [];
    for (let offset: number | undefined = 0; offset !== undefined; ) {
      const part: { text: string; nextOffset?: number | null | undefined } = await api.get("/api/v1/results/{handle}", {
        path: { handle: of.handle },
        query: { offset, length: 1_048_576 } as never,
      });
      parts.push(part.text);
      offset = part.nextOffset ?? undefined;
    }
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob(parts, { type: "application/json" }));
    link.download = `${name}.json`;
    link.click();
    setBusy(false);
  };
  return (
    <div className="flex flex-col gap-2">
      <div className="flex items-center gap-2">
        <span className="text-ink2">{size(of.bytes)}; this is its head.</span>
        <Button small disabled={busy} onClick={() => void save()}>
          {busy ? "Reading…" : "Download all"}
        </Button>
      </div>
      {head.data ? (
        <pre className="max-h-[60vh] overflow-auto whitespace-pre-wrap break-all">
          <Seen text={head.data.text} />
        </pre>
      ) : head.error ? (
        <Problem error={head.error} />
      ) : (
        <Skeleton />
      )}
    </div>
  );
}
