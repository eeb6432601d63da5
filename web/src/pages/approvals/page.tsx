// The inbox: what waits, one of it in full, what was decided. Nothing moves under the person's hands.
import { useQueries, useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { lazy, Suspense, useEffect, useMemo, useRef, useState } from "react";
import type { Approval } from "~/api/client";
import { assignedApprovals, approval as oneApproval, endedApprovals, pendingApprovals, useApi, useMay, useNames, useNeedsMe, useSession, waitingCount, whyNotTheirs } from "~/api/queries";
import { compact } from "~/lib/json";
import { useKeys } from "~/lib/keys";
import { useMedia } from "~/lib/media";
import { Button, buttonClass, cx, Empty, SearchField } from "~/ui/basics";
import { Loaded } from "~/ui/state";
import { isOfPerson } from "./attention";
import { Export } from "./export";
import { Item } from "./item";
import { Rows } from "./rows";

/** Opened by hand, and loaded then. */
const Bulk = lazy(() => import("./bulk"));
const StopAgent = lazy(() => import("./stop"));

const TABS = [
  ["pending", "Pending"],
  ["mine", "Mine"],
  ["resolved", "Resolved"],
  ["expired", "Expired"],
] as const;
type Tab = (typeof TABS)[number][0];

const bySoonest = (a: Approval, b: Approval) => Date.parse(a.expiresAt) - Date.parse(b.expiresAt) || a.id.localeCompare(b.id);

/** What the tabs of what is over show. */
const ENDED: Record<"resolved" | "expired", readonly string[]> = { resolved: ["approved", "denied"], expired: ["expired", "withdrawn"] };

export function ApprovalsPage() {
  const { slug, me } = useSession();
  const api = useApi();
  const { id } = useParams({ strict: false }) as { id?: string };
  const search = useSearch({ strict: false }) as { tab?: string; filter?: string };
  const navigate = useNavigate();
  const tab: Tab = TABS.find(([name]) => name === search.tab)?.[0] ?? "pending";
  const filter = search.filter ?? "";
  const isQueue = tab === "pending" || tab === "mine";
  // How many pages were asked for, of this tab.
  const [read, setRead] = useState({ tab, pages: 1 });
  const pages = read.tab === tab ? read.pages : 1;
  const pending = useQuery(pendingApprovals(api, isQueue ? pages : 1));
  const ended = useQuery({ ...endedApprovals(api, ENDED[tab === "expired" ? "expired" : "resolved"], pages), enabled: !isQueue });
  // What is assigned is asked for by itself: it may expire later than what was read of all.
  const assigned = useQuery({ ...assignedApprovals(api, pages), enabled: tab === "mine" });
  const query = isQueue ? pending : ended;
  const all = useMemo(() => {
    const items = query.data?.items ?? [];
    if (tab === "mine") {
      const byId = new Map([...(assigned.data?.items ?? []), ...items].map((each) => [each.id, each]));
      return [...byId.values()].filter((each) => isOfPerson(each, me.accountId)).sort(bySoonest);
    }
    return isQueue ? [...items].sort(bySoonest) : items;
  }, [query.data, assigned.data, tab, isQueue, me.accountId]);
  const names = useNames();
  const matching = useMemo(() => all.filter((each) => fits(each, filter, names)), [all, filter, names]);
  const queue = useQueue(isQueue ? matching : null, matching, `${slug}:${tab}:${filter}:${query.isPlaceholderData || (tab === "mine" && !assigned.data) ? "" : pages}`);
  const shown = queue.shown;
  const open = (next: string | undefined, replace = false) =>
    void (next
      ? navigate({ to: "/w/$slug/approvals/$id", params: { slug, id: next }, search, replace })
      : navigate({ to: "/w/$slug/approvals", params: { slug }, search, replace }));

  // On a wide page something is always selected; on a narrow one the list comes first.
  const wide = useMedia("(min-width: 760px)");
  useEffect(() => {
    if (wide && !id && shown[0]) open(shown[0].id, true);
  });
  const at = shown.findIndex((each) => each.id === id);
  const [marked, setMarked] = useState<string[]>([]);
  const [dialog, setDialog] = useState<"bulk" | "stop" | null>(null);
  const list = useRef<HTMLDivElement>(null);
  const go = (step: number) => {
    const next = shown[Math.max(0, Math.min(shown.length - 1, at < 0 ? 0 : at + step))];
    if (!next) return;
    open(next.id, true);
    requestAnimationFrame(() => list.current?.querySelector<HTMLElement>(`[data-id="${next.id}"]`)?.focus());
  };
  const toggle = (which: string) => setMarked((now) => (now.includes(which) ? now.filter((each) => each !== which) : [...now, which]));
  const extend = () => {
    if (!id || at < 0) return;
    const last = shown.findIndex((each) => each.id === marked.at(-1));
    const [from, to] = last < 0 ? [at, at] : [Math.min(last, at), Math.max(last, at)];
    setMarked([...new Set([...marked, ...shown.slice(from, to + 1).map((each) => each.id)])]);
  };
  useKeys("List", [
    { keys: "j / ArrowDown", label: "Next", repeats: true, run: () => go(1) },
    { keys: "k / ArrowUp", label: "Previous", repeats: true, run: () => go(-1) },
    { keys: "o / Enter", label: "Open", run: () => document.getElementById("item")?.focus() },
    { keys: "x", label: "Select", run: () => id && toggle(id) },
    { keys: "X", label: "Select up to here", run: extend },
    { keys: "Escape", label: "Back to the list", run: () => (wide ? list.current?.querySelector<HTMLElement>("[aria-current]")?.focus() : open(undefined)) },
  ]);
  /** After a decision: on to the next, with the focus. */
  const onward = (done: string) => {
    const rest = shown.filter((each) => each.id !== done && each.status === "pending" && !queue.gone.has(each.id));
    const next = shown.slice(at + 1).find((each) => rest.includes(each)) ?? rest[0];
    setMarked((now) => now.filter((each) => each !== done));
    queue.drop(done);
    if (wide) {
      // With nothing left the last one stays open: it says what came of it.
      open(next?.id ?? done, true);
      requestAnimationFrame(() => document.getElementById("item")?.focus());
    } else {
      open(undefined, true);
      requestAnimationFrame(() => document.getElementById("main")?.focus());
    }
  };
  const isAdmin = useMay("admin");
  const needsMe = useNeedsMe();
  const selected = marked.map((each) => shown.find((item) => item.id === each)).filter((each) => each !== undefined);
  const whyNotMine = selected.map((each) => whyNotTheirs(each, me, isAdmin)).find(Boolean);
  return (
    <div className="flex h-full min-h-0">
      <section aria-label="Approvals" className={cx("flex min-h-0 w-full flex-col border-line md:w-[340px] md:shrink-0 md:border-r xl:w-[400px]", id && "hidden md:flex")}>
        <h1 className="sr-only">Approvals</h1>
        <nav aria-label="Which approvals" className="flex gap-1 border-b border-line px-2 pt-2">
          {TABS.map(([name, label]) => (
            <Link
              key={name}
              to="/w/$slug/approvals"
              params={{ slug }}
              search={name === "pending" ? {} : { tab: name }}
              aria-current={tab === name ? "page" : undefined}
              className={cx("flex h-9 items-center border-b-2 px-2", tab === name ? "border-accent font-semibold" : "border-transparent text-ink2")}
            >
              {label}
              {name === "pending" && waitingCount(needsMe) && <span className="ml-1 text-wait">{waitingCount(needsMe)}</span>}
            </Link>
          ))}
        </nav>
        <div className="flex gap-2 border-b border-line p-2">
          <SearchField
            aria-label="Filter approvals"
            placeholder="Tool, person, argument"
            className="w-full"
            value={filter}
            key={tab}
            onText={(text) => void navigate({ to: ".", search: (before: object) => ({ ...before, filter: text || undefined }), replace: true } as never)}
          />
          {!isQueue && all.length > 0 && <Export statuses={ENDED[tab === "expired" ? "expired" : "resolved"]} fits={(each) => fits(each, filter, names)} />}
        </div>
        {queue.waiting > 0 && (
          <button type="button" onClick={queue.takeIn} className="border-b border-line bg-select px-3 py-2 text-left text-wait">
            ◆ {queue.waiting} new
          </button>
        )}
        <div ref={list} className="min-h-0 flex-1 overflow-auto">
          <Loaded query={query} rows={6} height={56}>
            {({ more }) => (
              <>
                {shown.length === 0 ? (
                  <NothingHere tab={tab} filter={filter} slug={slug} />
                ) : (
                  <Rows
                    name={`${TABS.find(([each]) => each === tab)?.[1]} approvals`}
                    approvals={shown}
                    scroller={list}
                    search={search}
                    open={id}
                    marked={marked}
                    gone={queue.gone}
                    onMark={isQueue ? toggle : undefined}
                  />
                )}
                {(more || (tab === "mine" && assigned.data?.more)) && (
                  <Button className="m-2" disabled={query.isFetching && query.isPlaceholderData} onClick={() => setRead({ tab, pages: pages + 1 })}>
                    {query.isPlaceholderData ? "Reading…" : isQueue ? "Read those that expire later" : "Read older ones"}
                  </Button>
                )}
              </>
            )}
          </Loaded>
        </div>
        {selected.length > 0 && (
          <div className="flex flex-wrap gap-2 border-t border-line p-2">
            <Button onClick={() => setDialog("bulk")} blocked={whyNotTogether(selected) ?? whyNotMine}>
              Approve {selected.length} once
            </Button>
            <Button look="quiet" onClick={() => setMarked([])}>
              Clear
            </Button>
          </div>
        )}
      </section>
      <div className={cx("min-h-0 min-w-0 flex-1", !id && "hidden md:block")}>
        {id ? (
          <Detail id={id} key={id} onward={onward} onStop={() => setDialog("stop")} back={() => open(undefined)} />
        ) : (
          <div className="hidden p-6 text-ink2 md:block">{shown.length > 0 ? "Select a call on the left." : null}</div>
        )}
      </div>
      <Suspense fallback={null}>
        {dialog === "bulk" && (
          <Bulk
            approvals={selected}
            onClose={(done) => {
              setDialog(null);
              for (const each of done) queue.drop(each);
              setMarked([]);
            }}
          />
        )}
        {dialog === "stop" && id && <StopAgent id={id} onClose={() => setDialog(null)} />}
      </Suspense>
    </div>
  );
}

function Detail({ id, onward, onStop, back }: { id: string; onward: (id: string) => void; onStop: () => void; back: () => void }) {
  const query = useQuery(oneApproval(useApi(), id));
  return <Loaded query={query} rows={10}>{(approval) => <Item approval={approval} onward={onward} onStop={onStop} back={back} />}</Loaded>;
}

function NothingHere({ tab, filter, slug }: { tab: Tab; filter: string; slug: string }) {
  if (filter)
    return (
      <Empty action={<Link to="/w/$slug/approvals" params={{ slug }} search={tab === "pending" ? {} : { tab }} className={buttonClass()}>Clear the filter</Link>}>
        Nothing here matches “{filter}”.
      </Empty>
    );
  if (tab === "resolved" || tab === "expired") return <Empty>{tab === "resolved" ? "Nothing has been decided yet." : "Nothing has expired."}</Empty>;
  return (
    <Empty action={<Link to="/w/$slug/policies" params={{ slug }} className={buttonClass()}>See the policies</Link>}>
      Nothing waits for you. Calls that need a decision appear here.
    </Empty>
  );
}

function fits(approval: Approval, filter: string, names: (id: string) => string): boolean {
  if (!filter) return true;
  const people = [approval.requestedBy, approval.decidedBy, approval.assigned?.to].map((id) => (id ? names(id) : ""));
  const text = [approval.tool, approval.risk, ...people, approval.client, approval.reason, approval.taskId, approval.callStatus, compact(approval.arguments)].join(" ").toLowerCase();
  return filter.toLowerCase().split(/\s+/).every((word) => text.includes(word));
}

function whyNotTogether(selected: Approval[]): string | undefined {
  if (new Set(selected.map((each) => each.tool)).size > 1) return "Only calls of one tool can be approved together";
  if (selected.some((each) => each.risk !== "read" && each.risk !== "write")) return "Destructive calls, and those of unknown risk, are approved one by one";
  if (selected.some((each) => each.question !== "send")) return "A call that may have been sent already is decided alone";
  return undefined;
}

/**
 * The list as the person sees it: new items wait until they are asked for, and what others resolved
 * stays in its place.
 */
function useQueue(queue: Approval[] | null, plain: Approval[], scope: string) {
  const api = useApi();
  const [held, setHeld] = useState<{ scope: string; order: string[]; last: Map<string, Approval>; dropped: Set<string> }>({
    scope: "",
    order: [],
    last: new Map(),
    dropped: new Set(),
  });
  const now = new Map((queue ?? []).map((each) => [each.id, each]));
  let current = held;
  if (queue && (held.scope !== scope || held.order.length === 0)) {
    // A fresh or empty list is taken as it is.
    const dropped = held.scope === scope ? held.dropped : new Set<string>();
    const order = queue.filter((each) => !dropped.has(each.id)).map((each) => each.id);
    if (held.scope !== scope || order.length > 0) {
      current = { scope, order, last: now, dropped };
      setHeld(current);
    }
  } else if (queue && queue.some((each) => current.order.includes(each.id) && current.last.get(each.id) !== each)) {
    const last = new Map(current.last);
    for (const each of queue) last.set(each.id, each);
    current = { ...current, last };
    setHeld(current);
  }
  const gone = new Set(queue ? current.order.filter((id) => !now.has(id)) : []);
  // What became of those that are not pending any more.
  const ended = useQueries({ queries: [...gone].map((id) => oneApproval(api, id)) });
  const endedById = new Map(ended.flatMap(({ data }) => (data ? [[data.id, data] as const] : [])));
  if (!queue) return { shown: plain, waiting: 0, gone, takeIn: () => undefined, drop: () => undefined };
  const shown = current.order
    .map((id) => now.get(id) ?? endedById.get(id) ?? current.last.get(id))
    .filter((each): each is Approval => each !== undefined);
  const fresh = queue.filter((each) => !current.order.includes(each.id) && !current.dropped.has(each.id));
  return {
    shown,
    gone,
    waiting: fresh.length,
    takeIn: () => setHeld({ ...current, order: queue.filter((each) => !current.dropped.has(each.id)).map((each) => each.id), last: now }),
    drop: (id: string) =>
      setHeld((before) => ({ ...before, order: before.order.filter((each) => each !== id), dropped: new Set([...before.dropped, id]) })),
  };
}
