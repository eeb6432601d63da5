// All tasks: read by pages of 200, drawn as far as they are in sight. Rows change in place; new ones
// wait behind a pill unless the list is at its top.
import { useInfiniteQuery, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useMemo, useRef, useState } from "react";
import type { Task } from "~/api/client";
import { clientNames, toolSearch, useApi, useNames, useSession } from "~/api/queries";
import { useKeys } from "~/lib/keys";
import { useWide } from "~/lib/media";
import { useSettled } from "~/lib/settled";
import { clock, count, span } from "~/lib/time";
import { useLiveEvents } from "~/live/context";
import { Ago, Button, buttonClass, cx, Empty, SearchField, Skeleton, Status, useNow } from "~/ui/basics";
import { Confirm } from "~/ui/dialog";
import { explain, Problem } from "~/ui/state";
import { Seen } from "~/ui/text";
import { toast } from "~/ui/toast";
import { duration, titleOf, waitingSince } from "./title";

const STATUSES = ["queued", "running", "waiting", "completed", "failed", "timed_out", "denied", "canceled"];
const PAGE = 200;
/** Pixels of a row: one line, or two on a narrow page. */
const ROW = 40;
const ROW_NARROW = 56;
/** Changes are read at most this often, however many events arrive. */
const READ_MS = 700;
/** How long after the last letter the server is asked. */
const TYPING_MS = 250;

type Filters = { status?: string; mine?: string; client?: string; tool?: string; time?: string; q?: string; at?: string };

const HOUR = 3_600_000;
/** How far back is looked, by what stands in the address. */
const TIMES: Record<string, [string, number]> = {
  "1h": ["Last hour", HOUR],
  "24h": ["Last 24 hours", 24 * HOUR],
  "7d": ["Last 7 days", 7 * 24 * HOUR],
  "30d": ["Last 30 days", 30 * 24 * HOUR],
};

export function TasksPage() {
  const { slug, me } = useSession();
  const api = useApi();
  const client = useQueryClient();
  const navigate = useNavigate();
  const seen = useQuery(clientNames(api)).data ?? [];
  const filters = useSearch({ strict: false }) as Filters;
  const set = (change: Partial<Filters>) =>
    void navigate({ to: ".", search: (before: Filters) => prune({ ...before, ...change }), replace: true } as never);
  const words = useSettled(filters.q ?? "", TYPING_MS);
  const tool = useSettled(filters.tool ?? "", TYPING_MS);
  const back = TIMES[filters.time ?? ""]?.[1];
  const server = { status: filters.status, mine: filters.mine === "1" ? true : undefined, client: filters.client, tool: tool || undefined, q: words || undefined };
  const since = () => (back ? new Date(Date.now() - back).toISOString() : undefined);
  const wanted = [server.status ?? "", server.mine ?? false, server.client ?? "", tool, filters.time ?? "", words];
  const key = [api.workspace, "tasks", ...wanted];
  const pages = useInfiniteQuery({
    queryKey: key,
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam, signal }) => api.get("/api/v1/tasks", { query: { ...server, since: since(), limit: PAGE, cursor: pageParam } as never, signal }),
    getNextPageParam: (last) => last.nextCursor ?? undefined,
    staleTime: Number.POSITIVE_INFINITY,
    refetchOnWindowFocus: false,
  });
  const head = useQuery({
    queryKey: [api.workspace, "tasks-head", ...wanted],
    queryFn: () => api.get("/api/v1/tasks", { query: { ...server, since: since(), limit: 50 } as never }),
    enabled: pages.data !== undefined,
    staleTime: 2_000,
  });
  const changed = useChanged();
  const scroller = useRef<HTMLDivElement>(null);
  const [isTop, setTop] = useState(true);
  const loaded = useMemo(() => pages.data?.pages.flatMap((page) => page.items) ?? [], [pages.data]);
  const { tasks, newer } = useMemo(() => merged(loaded, head.data?.items ?? [], changed), [loaded, head.data, changed]);
  const [taken, setTaken] = useState<Set<string>>(new Set());
  const isIn = (id: string) => taken.has(id);
  const above = newer.filter((each) => isIn(each.id) || isTop);
  const hidden = newer.length - above.length;
  useEffect(() => {
    if (isTop && newer.some((each) => !taken.has(each.id))) setTaken(new Set(newer.map((each) => each.id)));
  }, [isTop, newer, taken]);
  // What events told of is looked at here, and which tool it called is not known here: the first page says it.
  const fits = (task: Task) => !tool && has(task, filters.q) && (!filters.client || task.client === filters.client) && (filters.mine !== "1" || task.requestedBy === me.accountId);
  const known = new Set((head.data?.items ?? []).map((each) => each.id));
  const shown = [...above.filter((task) => known.has(task.id) || fits(task)), ...tasks].filter((task) => !filters.status || filters.status === task.status);
  const row = useWide() ? ROW : ROW_NARROW;
  const rows = useVirtualizer({ count: shown.length, getScrollElement: () => scroller.current, estimateSize: () => row, overscan: 8 });
  useEffect(() => rows.measure(), [row, rows]);
  const items = rows.getVirtualItems();
  const last = items.at(-1)?.index ?? 0;
  useEffect(() => {
    if (last > shown.length - 30 && pages.hasNextPage && !pages.isFetching) void pages.fetchNextPage();
  }, [last, shown.length, pages]);
  useEffect(() => {
    const place = sessionStorage.getItem(`tasks:${key.join()}`);
    if (place && scroller.current) scroller.current.scrollTop = Number(place);
  }, [pages.isPending]);

  const [marked, setMarked] = useState<string[]>([]);
  const [asked, setAsked] = useState<"cancel" | "rerun" | null>(null);
  const cancel = useRef<HTMLButtonElement>(null);
  const at = shown.findIndex((each) => each.id === filters.at);
  const go = (step: number) => {
    const index = Math.max(0, Math.min(shown.length - 1, at < 0 ? 0 : at + step));
    const next = shown[index];
    if (!next) return;
    set({ at: next.id });
    rows.scrollToIndex(index);
    requestAnimationFrame(() => document.getElementById(`row-${next.id}`)?.focus());
  };
  const toggle = (id: string) => setMarked((now) => (now.includes(id) ? now.filter((each) => each !== id) : [...now, id]));
  const extend = () => {
    if (at < 0) return;
    const last = shown.findIndex((each) => each.id === marked.at(-1));
    const [from, to] = last < 0 ? [at, at] : [Math.min(last, at), Math.max(last, at)];
    setMarked([...new Set([...marked, ...shown.slice(from, to + 1).map((each) => each.id)])]);
  };
  useKeys("List", [
    { keys: "j / ArrowDown", label: "Next", repeats: true, run: () => go(1) },
    { keys: "k / ArrowUp", label: "Previous", repeats: true, run: () => go(-1) },
    { keys: "o / Enter", label: "Open", run: () => filters.at && void navigate({ to: "/w/$slug/tasks/$id", params: { slug, id: filters.at } }) },
    { keys: "x", label: "Select", run: () => filters.at && toggle(filters.at) },
    { keys: "X", label: "Select up to here", run: () => extend() },
    { keys: "n", label: "New task", run: () => void navigate({ to: "/w/$slug/run", params: { slug } }) },
  ]);
  const doAll = async (verb: "cancel" | "rerun") => {
    const path = verb === "cancel" ? "/api/v1/tasks/{id}/cancel" : "/api/v1/tasks/{id}/rerun";
    const results = await Promise.allSettled(marked.map((id) => api.post(path, { path: { id } })));
    const failed = results.filter((each) => each.status === "rejected");
    toast(failed.length > 0 ? `${failed.length} of ${marked.length} failed: ${explain(failed[0]?.reason).title}` : `${verb === "cancel" ? "Canceled" : "Started"} ${count(marked.length, "task")}`);
    setMarked([]);
    setAsked(null);
    void client.invalidateQueries({ queryKey: [api.workspace, "tasks-head"] });
  };
  const isFiltered = Boolean(filters.status || filters.mine || filters.client || filters.tool || filters.time || filters.q);
  const names = filters.client && !seen.includes(filters.client) ? [filters.client, ...seen] : seen;
  return (
    <div className="flex h-full min-h-0 flex-col">
      <div className="flex flex-wrap items-center gap-2 px-4 pt-4 pb-2">
        <h1 className="mr-2 text-page">Tasks</h1>
        <select className="field" aria-label="Status" value={filters.status ?? ""} onChange={(event) => set({ status: event.target.value })}>
          <option value="">Any status</option>
          {STATUSES.map((each) => (
            <option key={each} value={each}>
              {each.replaceAll("_", " ")}
            </option>
          ))}
        </select>
        <select className="field max-w-40" aria-label="Client" value={filters.client ?? ""} onChange={(event) => set({ client: event.target.value })}>
          <option value="">Any client</option>
          {names.map((each) => (
            <option key={each}>{each}</option>
          ))}
        </select>
        <select className="field" aria-label="Time" value={TIMES[filters.time ?? ""] ? filters.time : ""} onChange={(event) => set({ time: event.target.value })}>
          <option value="">Any time</option>
          {Object.entries(TIMES).map(([name, [label]]) => (
            <option key={name} value={name}>
              {label}
            </option>
          ))}
        </select>
        <SearchField aria-label="Tool" placeholder="Tool" list="task-tools" className="w-44 max-w-full font-mono" value={filters.tool ?? ""} onText={(text) => set({ tool: text.trim() })} />
        <Paths of={filters.tool ?? ""} />
        <label className="flex items-center gap-1.5 px-1">
          <input type="checkbox" checked={filters.mine === "1"} onChange={(event) => set({ mine: event.target.checked ? "1" : "" })} /> mine
        </label>
        <SearchField aria-label="Search tasks" placeholder="Code, tool, error, id" className="w-56 max-w-full" value={filters.q ?? ""} onText={(text) => set({ q: text })} />
        <span className="text-meta text-ink3">
          {loaded.length > 0 && `${shown.length.toLocaleString("en")}${pages.hasNextPage ? "+" : ""} ${isFiltered ? "found" : "tasks"}`}
        </span>
        <Link to="/w/$slug/run" params={{ slug }} className={cx(buttonClass("main"), "ml-auto")}>
          New task
        </Link>
      </div>
      {marked.length > 0 && (
        <div className="flex flex-wrap items-center gap-2 border-y border-line bg-select px-4 py-1">
          {count(marked.length, "task")} selected
          <Button small onClick={() => setAsked("cancel")}>Cancel</Button>
          <Button small onClick={() => setAsked("rerun")}>Run again</Button>
          <Button small look="quiet" onClick={() => setMarked([])}>Clear</Button>
        </div>
      )}
      {hidden > 0 && (
        <button type="button" className="border-y border-line bg-select px-4 py-1 text-left" onClick={() => { setTaken(new Set(newer.map((each) => each.id))); scroller.current?.scrollTo({ top: 0 }); }}>
          {hidden} newer
        </button>
      )}
      {pages.isPending ? (
        <Skeleton rows={10} height={ROW} />
      ) : pages.error && loaded.length === 0 ? (
        <div className="p-4">
          <Problem error={pages.error} retry={() => void pages.refetch()} />
        </div>
      ) : shown.length === 0 ? (
        isFiltered ? (
          <Empty action={<Button onClick={() => set({ status: "", mine: "", client: "", tool: "", time: "", q: "" })}>Clear the filters</Button>}>
            No task matches {[filters.status, filters.mine && "mine", filters.client, filters.tool, TIMES[filters.time ?? ""]?.[0].toLowerCase(), filters.q && `“${filters.q}”`].filter(Boolean).join(", ")}.
          </Empty>
        ) : (
          <Empty action={<Link to="/w/$slug/run" params={{ slug }} className={buttonClass()}>Run a program</Link>}>Nothing has run yet. Programs that agents send appear here.</Empty>
        )
      ) : (
        <div
          ref={scroller}
          role="table"
          aria-label="Tasks"
          aria-rowcount={shown.length + 1}
          className="min-h-0 flex-1 overflow-auto border-t border-line"
          onScroll={(event) => {
            setTop(event.currentTarget.scrollTop < 8);
            sessionStorage.setItem(`tasks:${key.join()}`, String(event.currentTarget.scrollTop));
          }}
        >
          <div role="row" aria-rowindex={1} className={cx(GRID, "h-10 sticky top-0 z-10 border-b border-line bg-bg text-meta text-ink3")}>
            <span role="columnheader"><span className="sr-only">Select</span></span>
            <span role="columnheader" className={WIDE}>Status</span>
            <span role="columnheader">Task</span>
            <span role="columnheader" className={WIDE}>Client</span>
            <span role="columnheader" className={cx(WIDE, "text-right")}>Calls</span>
            <span role="columnheader" className={cx(WIDE, "text-right")}>Wait</span>
            <span role="columnheader" className={cx(WIDE, "text-right")}>Duration</span>
            <span role="columnheader" className="text-right">Started</span>
          </div>
          <Tall height={rows.getTotalSize()}>
            {items.map((item) => {
              const task = shown[item.index];
              return task ? <Row key={task.id} task={task} slug={slug} top={item.start} index={item.index} isAt={task.id === filters.at} isMarked={marked.includes(task.id)} onMark={() => toggle(task.id)} /> : null;
            })}
          </Tall>
          {pages.isFetchingNextPage && <Skeleton rows={2} />}
        </div>
      )}
      <Confirm
        open={asked !== null}
        onClose={() => setAsked(null)}
        onYes={() => asked && void doAll(asked)}
        cancelRef={cancel}
        look={asked === "cancel" ? "danger" : "main"}
        verb={asked === "cancel" ? `Cancel ${count(marked.length, "task")}` : `Run ${count(marked.length, "task")} again`}
        title={asked === "cancel" ? `Cancel ${count(marked.length, "task")}?` : `Run ${count(marked.length, "task")} again?`}
      >
        <p>{asked === "cancel" ? "Calls that were sent already stay as they are. Tasks that have ended are left alone." : "Each starts as a new task with the same program, under the policy of today."}</p>
      </Confirm>
    </div>
  );
}

const GRID = "grid items-center gap-3 px-4 grid-cols-[20px_minmax(0,1fr)_auto] md:grid-cols-[20px_110px_minmax(0,1fr)_160px_48px_72px_90px_80px]";
const WIDE = "hidden md:block";

export function Tall({ height, children }: { height: number; children: React.ReactNode }) {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (box.current) box.current.style.height = `${height}px`;
  });
  return (
    <div ref={box} role="rowgroup" className="relative">
      {children}
    </div>
  );
}

type RowProps = { task: Task; slug: string; top: number; index: number; isAt: boolean; isMarked: boolean; onMark: () => void };

function Row({ task, slug, top, index, isAt, isMarked, onMark }: RowProps) {
  const names = useNames();
  const now = useNow();
  const took = duration(task, now);
  const since = waitingSince(task);
  return (
    <div
      role="row"
      aria-rowindex={index + 2}
      style={{ transform: `translateY(${top}px)` }}
      className={cx(GRID, "h-14 md:h-10 absolute inset-x-0 top-0 border-b border-line hover:bg-surface", isAt && "bg-select")}
    >
      <span role="cell" className="flex items-center">
        <input type="checkbox" aria-label={`Select ${titleOf(task)}`} checked={isMarked} onChange={onMark} />
      </span>
      <span role="cell" className={WIDE}>
        <Status of={task.status} />
      </span>
      <span role="cell" className="flex min-w-0 flex-col md:flex-row md:items-baseline md:gap-2">
        <Link id={`row-${task.id}`} to="/w/$slug/tasks/$id" params={{ slug, id: task.id }} className="min-w-0 truncate hover:underline md:max-w-[65%] md:shrink-0">
          <Seen text={titleOf(task)} />
        </Link>
        <span className="flex min-w-0 items-baseline gap-2 text-meta md:shrink">
          <span className="md:hidden">
            <Status of={task.status} />
          </span>
          {task.error && (
            <span className="min-w-0 truncate text-bad">
              <Seen text={task.error.message.split("\n")[0] ?? ""} />
            </span>
          )}
        </span>
      </span>
      <span role="cell" className={cx(WIDE, "truncate text-ink2")}>
        {task.channel === "dashboard" ? `${names(task.requestedBy)} (web)` : <Seen text={task.client || task.channel} />}
      </span>
      <span role="cell" className={cx(WIDE, "text-right font-mono")}>
        {task.calls ? task.calls.toLocaleString("en") : ""}
      </span>
      <span role="cell" className={cx(WIDE, "text-right font-mono text-wait")}>
        {since ? clock(now - since) : ""}
      </span>
      <span role="cell" className={cx(WIDE, "text-right font-mono")}>
        {took === null ? "" : span(took)}
      </span>
      <span role="cell" className="text-right text-meta text-ink2">
        <Ago at={task.createdAt} />
      </span>
    </div>
  );
}

function prune(filters: Filters): Filters {
  return Object.fromEntries(Object.entries(filters).filter(([, value]) => value)) as Filters;
}

/** Paths that begin as what was typed, to choose from. */
function Paths({ of }: { of: string }) {
  const found = useQuery({ ...toolSearch(useApi(), useSettled(of.trim(), TYPING_MS), 20), enabled: of.trim().length > 1 }).data;
  return (
    <datalist id="task-tools">
      {(found?.results ?? []).map((each) => (
        <option key={each.path} value={each.path} />
      ))}
    </datalist>
  );
}

/** Whether a task that an event told of has the words that the server looks for in the others. */
function has(task: Task, words: string | undefined): boolean {
  if (!words) return true;
  const text = `${task.id} ${task.client} ${task.code} ${JSON.stringify(task.error ?? "")} ${JSON.stringify(task.result ?? "")} ${JSON.stringify(task.metadata)}`.toLowerCase();
  return words.toLowerCase().split(/\s+/).every((word) => text.includes(word));
}

/** What was read page by page, brought up to date, and what is newer than its first. */
function merged(loaded: Task[], head: Task[], changed: Map<string, Task>): { tasks: Task[]; newer: Task[] } {
  const known = new Set(loaded.map((each) => each.id));
  const fresh = new Map([...head.map((each) => [each.id, each] as const), ...changed]);
  const first = loaded[0]?.createdAt ?? "";
  return {
    tasks: loaded.map((each) => fresh.get(each.id) ?? each),
    newer: [...fresh.values()].filter((each) => !known.has(each.id) && each.createdAt >= first).sort((a, b) => b.createdAt.localeCompare(a.createdAt)),
  };
}

/** Tasks that events spoke of, read again one by one but seldom. */
function useChanged(): Map<string, Task> {
  const api = useApi();
  const client = useQueryClient();
  const [changed, setChanged] = useState(new Map<string, Task>());
  const open = useRef(new Set<string>());
  const timer = useRef(0);
  useLiveEvents((event) => {
    if (!event.taskId || (event.type !== "task" && event.type !== "approval")) return;
    open.current.add(event.taskId);
    timer.current ||= window.setTimeout(async () => {
      timer.current = 0;
      const ids = [...open.current];
      open.current.clear();
      // Beyond a handful the first page says it in one answer.
      if (ids.length > 8) {
        await client.invalidateQueries({ queryKey: [api.workspace, "tasks-head"] });
        return;
      }
      const read = await Promise.allSettled(ids.map((id) => api.get("/api/v1/tasks/{id}", { path: { id } })));
      const tasks = read.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
      if (tasks.length > 0) setChanged((now) => new Map([...now, ...tasks.map((each) => [each.id, each] as const)]));
    }, READ_MS);
  });
  useEffect(() => () => window.clearTimeout(timer.current), []);
  return changed;
}
