// The catalog: a tree by source and group, a search, and one tool in full.
import { useQueries, useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useDeferredValue, useMemo, useRef, useState } from "react";
import type { ToolHit } from "~/api/client";
import { credentials as allCredentials, namespaces as allNamespaces, sources as allSources, toolSearch, toolSearchDenied, toolsOf, useApi, useMay, useSession } from "~/api/queries";
import { useKeys } from "~/lib/keys";
import { buttonClass, cx, Decision, Empty, Risk, SearchField, Skeleton } from "~/ui/basics";
import { Problem } from "~/ui/state";
import { Seen, ToolPath } from "~/ui/text";
import { Tool } from "./tool";

type Line =
  | { kind: "group"; path: string; name: string; depth: number; count: number; isOpen: boolean }
  | { kind: "tool"; tool: ToolHit; name: string; depth: number };

export function ToolsPage() {
  const { slug } = useSession();
  const api = useApi();
  const navigate = useNavigate();
  const { path } = useParams({ strict: false }) as { path?: string };
  const search = useSearch({ strict: false }) as { q?: string; denied?: string };
  const isAdmin = useMay("admin");
  // Those that policy denies are found by no program; whoever makes the rules sees what they leave out.
  const denied = isAdmin && search.denied ? ("too" as const) : undefined;
  const text = search.q ?? "";
  const query = useDeferredValue(text.trim());
  const namespaces = useQuery(allNamespaces(api, denied));
  const marks = useMarks();
  const offered = useQuery({ ...toolSearch(api, query), enabled: query !== "" && !denied });
  const all = useQuery({ ...toolSearchDenied(api, query), enabled: query !== "" && denied !== undefined });
  const found = denied ? all : offered;
  const [open, setOpen] = useState<Set<string>>(() => new Set(path ? parents(path) : []));
  const opened = (namespaces.data ?? []).filter((each) => open.has(each.namespace)).map((each) => each.namespace);
  const lists = useQueries({ queries: opened.map((each) => toolsOf(api, each, denied)) });
  const lines = useMemo(() => {
    const tools = new Map(opened.map((each, i) => [each, lists[i]?.data ?? []]));
    return (namespaces.data ?? []).flatMap((each) => treeOf(each.namespace, each.toolCount, tools.get(each.namespace) ?? [], open));
  }, [namespaces.data, lists, opened, open]);
  const toggle = (which: string) =>
    setOpen((now) => {
      const next = new Set(now);
      if (!next.delete(which)) next.add(which);
      return next;
    });
  const shown = query === "" ? lines.flatMap((line) => (line.kind === "tool" ? [line.tool.path] : [])) : (found.data?.results ?? []).map((each) => each.path);
  const step = (by: number) => {
    const next = shown[Math.max(0, Math.min(shown.length - 1, shown.indexOf(path ?? "") + by))];
    if (next) void navigate({ to: "/w/$slug/tools/$path", params: { slug, path: next }, search, replace: true });
  };
  useKeys("List", [
    { keys: "j / ArrowDown", label: "Next tool", repeats: true, run: () => step(1) },
    { keys: "k / ArrowUp", label: "Tool before", repeats: true, run: () => step(-1) },
  ]);
  const total = (namespaces.data ?? []).reduce((sum, each) => sum + each.toolCount, 0);
  return (
    <div className="flex h-full min-h-0">
      <section aria-label="Catalog" className={cx("flex min-h-0 w-full flex-col border-line md:w-[340px] md:shrink-0 md:border-r xl:w-[400px]", path && "hidden md:flex")}>
        <div className="flex items-center gap-2 px-3 pt-3">
          <h1 className="text-page">Tools</h1>
          <Link to="/w/$slug/sources/new" params={{ slug }} className={cx(buttonClass("plain", true), "ml-auto")}>
            Add source
          </Link>
        </div>
        <div className="flex flex-col gap-2 border-b border-line p-3">
          <SearchField
            aria-label="Search tools"
            placeholder={`Search ${total.toLocaleString("en")} tools`}
            className="w-full"
            value={text}
            onText={(typed) => void navigate({ to: ".", search: (before: object) => ({ ...before, q: typed || undefined }), replace: true } as never)}
          />
          {isAdmin && (
            <label className="flex items-center gap-2 text-ink2">
              <input type="checkbox" checked={denied !== undefined} onChange={(event) => void navigate({ to: ".", search: (before: object) => ({ ...before, denied: event.target.checked ? "too" : undefined }), replace: true } as never)} />
              denied ones too
            </label>
          )}
        </div>
        {namespaces.isPending ? (
          <Skeleton rows={8} />
        ) : namespaces.error ? (
          <div className="p-3">
            <Problem error={namespaces.error} retry={() => void namespaces.refetch()} />
          </div>
        ) : query !== "" ? (
          <Found hits={found.data?.results} total={found.data?.total ?? 0} error={found.error} path={path} slug={slug} search={search} query={query} />
        ) : lines.length === 0 ? (
          <Empty action={<Link to="/w/$slug/sources/new" params={{ slug }} className={buttonClass()}>Add a source</Link>}>The catalog is empty. Tools come from sources.</Empty>
        ) : (
          <Tree lines={lines} path={path} slug={slug} search={search} marks={marks} onToggle={toggle} />
        )}
      </section>
      <div className={cx("min-h-0 min-w-0 flex-1 overflow-auto", !path && "hidden md:block")} tabIndex={-1}>
        {path ? <Tool path={path} key={path} /> : <p className="p-6 text-ink2">Select a tool on the left.</p>}
      </div>
    </div>
  );
}

function parents(path: string): string[] {
  const parts = path.split(".");
  return parts.slice(0, -1).map((_, i) => parts.slice(0, i + 1).join("."));
}

function treeOf(namespace: string, count: number, tools: ToolHit[], open: Set<string>): Line[] {
  const isOpen = open.has(namespace);
  const out: Line[] = [{ kind: "group", path: namespace, name: namespace, depth: 0, count, isOpen }];
  if (isOpen) addBelow(namespace, 1, tools, open, out);
  return out;
}

function addBelow(prefix: string, depth: number, tools: ToolHit[], open: Set<string>, out: Line[]): void {
  const groups = new Map<string, ToolHit[]>();
  for (const tool of tools) {
    const rest = tool.path.slice(prefix.length + 1);
    const dot = rest.indexOf(".");
    if (dot < 0) out.push({ kind: "tool", tool, name: rest, depth });
    else {
      const name = rest.slice(0, dot);
      groups.set(name, [...(groups.get(name) ?? []), tool]);
    }
  }
  for (const [name, below] of groups) {
    const path = `${prefix}.${name}`;
    const isOpen = open.has(path) || groups.size === 1;
    out.push({ kind: "group", path, name, depth, count: below.length, isOpen });
    if (isOpen) addBelow(path, depth + 1, below, open, out);
  }
}

const INDENT = ["pl-2", "pl-6", "pl-10", "pl-14", "pl-16"];

type Mark = { text: string; tone: string };

/** What wants somebody to look at a source: it fails, nothing opens it, tools of it are new. */
function useMarks(): Map<string, Mark> {
  const api = useApi();
  const sources = useQuery({ ...allSources(api), staleTime: 60_000 }).data ?? [];
  const credentials = useQuery({ ...allCredentials(api), staleTime: 60_000 }).data;
  return new Map(
    sources.flatMap((each): [string, Mark][] => {
      if (each.status !== "ready") return [[each.name, { text: `✕ ${each.status.replaceAll("_", " ")}`, tone: "text-bad" }]];
      if (each.auth.length > 0 && credentials && !credentials.some((one) => one.source === each.name)) return [[each.name, { text: "▲ no credential", tone: "text-bad" }]];
      if (each.unreviewed > 0) return [[each.name, { text: `${each.unreviewed} new`, tone: "text-wait" }]];
      return [];
    }),
  );
}

type TreeProps = { lines: Line[]; path: string | undefined; slug: string; search: object; marks: Map<string, Mark>; onToggle: (path: string) => void };

function Tree({ lines, path, slug, search, marks, onToggle }: TreeProps) {
  const scroller = useRef<HTMLDivElement>(null);
  const rows = useVirtualizer({ count: lines.length, getScrollElement: () => scroller.current, estimateSize: () => 32, overscan: 12 });
  return (
    <div ref={scroller} className="min-h-0 flex-1 overflow-auto" role="tree" aria-label="Tools by source">
      <div role="presentation" className="relative" style={{ height: rows.getTotalSize() }}>
        {rows.getVirtualItems().map((item) => {
          const line = lines[item.index];
          if (!line) return null;
          const place = { transform: `translateY(${item.start}px)` };
          const look = cx("absolute inset-x-0 top-0 flex h-8 items-center gap-2 pr-3 -outline-offset-2 hover:bg-surface", INDENT[Math.min(line.depth, 4)]);
          const level = { "aria-level": line.depth + 1, "aria-setsize": lines.length, "aria-posinset": item.index + 1 };
          if (line.kind === "group")
            return (
              <div key={line.path} role="treeitem" aria-expanded={line.isOpen} aria-selected={false} {...level} tabIndex={0} style={place} className={look} onClick={() => onToggle(line.path)} onKeyDown={(event) => /^(Enter| |ArrowRight|ArrowLeft)$/.test(event.key) && (event.preventDefault(), onToggle(line.path))}>
                <span aria-hidden className="w-3 text-ink3">
                  {line.isOpen ? "▾" : "▸"}
                </span>
                <span className="min-w-0 truncate font-semibold">
                  <Seen text={line.name} />
                </span>
                {line.depth === 0 && marks.has(line.path) && <span className={cx("ml-auto shrink-0 text-meta whitespace-nowrap", marks.get(line.path)?.tone)}>{marks.get(line.path)?.text}</span>}
                <span className={cx("text-meta text-ink2", !(line.depth === 0 && marks.has(line.path)) && "ml-auto")}>{line.count.toLocaleString("en")}</span>
              </div>
            );
          const isHere = line.tool.path === path;
          return (
            <Link key={line.tool.path} role="treeitem" aria-selected={isHere} {...level} to="/w/$slug/tools/$path" params={{ slug, path: line.tool.path }} search={search as never} preload={false} style={place} className={cx(look, isHere && "bg-select")}>
              <span className="w-3" />
              <span className="min-w-0 truncate">
                <Seen text={line.name} />
              </span>
              <span className="ml-auto flex items-center gap-2 text-meta">
                {line.tool.unreviewed && <span title="New or changed since an administrator last looked: it asks">new</span>}
                <Risk of={line.tool.risk} short />
                <span className="w-14">
                  <Decision of={line.tool.decision} />
                </span>
              </span>
            </Link>
          );
        })}
      </div>
    </div>
  );
}

type FoundProps = { hits: ToolHit[] | undefined; total: number; error: unknown; path: string | undefined; slug: string; search: object; query: string };

function Found({ hits, total, error, path, slug, search, query }: FoundProps) {
  if (error) return <div className="p-3"><Problem error={error} /></div>;
  if (!hits) return <Skeleton rows={6} />;
  if (hits.length === 0)
    return (
      <Empty action={<Link to="/w/$slug/tools" params={{ slug }} search={{ ...search, q: undefined } as never} className={buttonClass()}>Clear the search</Link>}>No tool matches “{query}”.</Empty>
    );
  return (
    <ul className="min-h-0 flex-1 overflow-auto" aria-label="Found tools">
      {hits.map((hit) => (
        <li key={hit.path}>
          <Link to="/w/$slug/tools/$path" params={{ slug, path: hit.path }} search={search as never} preload={false} aria-current={hit.path === path ? "true" : undefined} className={cx("block border-b border-line px-3 py-1.5 -outline-offset-2 hover:bg-surface", hit.path === path && "bg-select")}>
            <span className="flex items-baseline gap-2">
              <span className="min-w-0 flex-1">
                <ToolPath path={hit.path} />
              </span>
              {hit.unreviewed && (
                <span className="text-meta" title="New or changed since an administrator last looked: it asks">
                  new
                </span>
              )}
              <Risk of={hit.risk} short />
              <Decision of={hit.decision} />
            </span>
            <span className="line-clamp-2 text-meta text-ink2">
              <Seen text={hit.description} />
            </span>
          </Link>
        </li>
      ))}
      {total > hits.length && <li className="px-3 py-2 text-ink2">{(total - hits.length).toLocaleString("en")} more; add words to narrow it</li>}
    </ul>
  );
}
