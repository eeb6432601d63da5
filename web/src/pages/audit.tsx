// What was done, in a chain that shows whether somebody changed it.
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useState } from "react";
import type { AuditEntry, Schemas } from "~/api/client";
import { members, useApi, useMay, useNames } from "~/api/queries";
import { compact, isFields } from "~/lib/json";
import { Button, buttonClass, Empty, Page, Skeleton, When } from "~/ui/basics";
import { explain, Problem } from "~/ui/state";
import { Seen } from "~/ui/text";
import { toast } from "~/ui/toast";

const NAMES = ["action", "subject", "actor", "channel", "from", "to", "text"] as const;
type Filters = { [N in (typeof NAMES)[number]]?: string };

/** The instant at which a day of the calendar here begins, or the one after it. */
function dayOf(day: string | undefined, more = 0): string | undefined {
  const [year = 0, month = 0, date = 0] = (day ?? "").split("-").map(Number);
  return year > 0 ? new Date(year, month - 1, date + more).toISOString() : undefined;
}

const ACTIONS = ["approval.", "decision", "call.", "rule.", "source.", "credential.", "key.", "member.", "workspace.", "settings.", "webhook.", "sandbox."];

export function AuditPage() {
  const api = useApi();
  const isAdmin = useMay("admin");
  const people = useQuery(members(api)).data ?? [];
  const navigate = useNavigate();
  const filters = useSearch({ strict: false }) as Filters;
  const asked = { ...filters, from: dayOf(filters.from), to: dayOf(filters.to, 1) };
  const [verified, setVerified] = useState<Schemas["AuditVerification"] | null>(null);
  const [busy, setBusy] = useState("");
  const set = (change: object) => void navigate({ to: ".", search: (before: object) => ({ ...before, ...change }), replace: true } as never);
  const pages = useInfiniteQuery({
    queryKey: [api.workspace, "audit", ...NAMES.map((name) => filters[name] ?? "")],
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam }) => api.get("/api/v1/audit", { query: { ...asked, limit: 100, cursor: pageParam } as never }),
    getNextPageParam: (last) => last.nextCursor ?? undefined,
    enabled: isAdmin,
  });
  const entries = pages.data?.pages.flatMap((page) => page.items) ?? [];
  const act = async (name: string, what: () => Promise<void>) => {
    setBusy(name);
    await what().catch((error: unknown) => toast(explain(error).title));
    setBusy("");
  };
  if (!isAdmin)
    return (
      <Page title="Audit">
        <p>Needs the role admin.</p>
      </Page>
    );
  return (
    <Page
      wide
      title="Audit"
      actions={
        <>
          <Button disabled={busy !== ""} onClick={() => void act("verify", async () => setVerified(await api.get("/api/v1/audit/verify")))}>
            {busy === "verify" ? "Verifying…" : "Verify the chain"}
          </Button>
          {["jsonl", "csv"].map((format) => (
            <a key={format} className={buttonClass()} download={`audit.${format}`} href={`/api/v1/audit/export?format=${format}&workspace=${encodeURIComponent(api.workspace ?? "")}`}>
              Export {format.toUpperCase()}
            </a>
          ))}
        </>
      }
    >
      <div className="mb-3 flex flex-wrap gap-2">
        <select className="field" aria-label="Kind of action" value={filters.action ?? ""} onChange={(event) => set({ action: event.target.value || undefined })}>
          <option value="">Every action</option>
          {ACTIONS.map((each) => (
            <option key={each} value={each}>
              {each.replace(".", "")}
            </option>
          ))}
        </select>
        <select className="field" aria-label="By whom" value={filters.actor ?? ""} onChange={(event) => set({ actor: event.target.value || undefined })}>
          <option value="">Everybody</option>
          {people.map((each) => (
            <option key={each.id} value={each.id}>
              {each.name}
            </option>
          ))}
        </select>
        <select className="field" aria-label="Through what" value={filters.channel ?? ""} onChange={(event) => set({ channel: event.target.value || undefined })}>
          <option value="">Every way</option>
          {["dashboard", "cli", "api", "mcp", "client", "server"].map((each) => (
            <option key={each}>{each}</option>
          ))}
        </select>
        <label className="flex items-center gap-2 text-ink2">
          from
          <input type="date" className="field" value={filters.from ?? ""} onChange={(event) => set({ from: event.target.value || undefined })} />
        </label>
        <label className="flex items-center gap-2 text-ink2">
          to
          <input type="date" className="field" value={filters.to ?? ""} onChange={(event) => set({ to: event.target.value || undefined })} />
        </label>
        <input type="search" className="field w-48 max-w-full" aria-label="Text in the entries" placeholder="Text" maxLength={200} defaultValue={filters.text ?? ""} onChange={(event) => set({ text: event.target.value || undefined })} />
        <input type="search" className="field w-72 max-w-full font-mono" aria-label="Only about this identifier" placeholder="rule_…, src_…, appr_…" defaultValue={filters.subject ?? ""} onChange={(event) => set({ subject: event.target.value || undefined })} />
      </div>
      {verified && (
        <p role="status" className={verified.intact ? "mb-3 text-good" : "mb-3 text-bad"}>
          {verified.intact ? `● The chain holds: ${verified.entries.toLocaleString("en")} entries.` : `✕ Entry ${verified.firstBad}: ${verified.problem}`}{" "}
          <code className="break-all text-ink2">{verified.head}</code>
        </p>
      )}
      {pages.isPending ? (
        <Skeleton rows={8} />
      ) : pages.error && entries.length === 0 ? (
        <Problem error={pages.error} retry={() => void pages.refetch()} />
      ) : entries.length === 0 ? (
        <Empty>{NAMES.some((name) => filters[name]) ? "No entry matches." : "Nothing has been done yet."}</Empty>
      ) : (
        <ol className="rounded-md border border-line bg-surface">
          {entries.map((each) => (
            <Entry key={each.id} entry={each} onSubject={() => set({ subject: each.subject })} />
          ))}
        </ol>
      )}
      {pages.hasNextPage && (
        <Button className="mt-3" disabled={pages.isFetchingNextPage} onClick={() => void pages.fetchNextPage()}>
          {pages.isFetchingNextPage ? "Reading…" : "Read older ones"}
        </Button>
      )}
    </Page>
  );
}

function Entry({ entry, onSubject }: { entry: AuditEntry; onSubject: () => void }) {
  const names = useNames();
  const detail = isFields(entry.detail) ? entry.detail : {};
  return (
    <li className="border-b border-line px-3 py-1.5 last:border-0">
      <details>
        <summary className="flex flex-wrap items-baseline gap-x-4">
          <span className="w-12 text-right font-mono text-ink3">{entry.sequence}</span>
          <span className="w-28 text-ink2">
            <When at={entry.at} />
          </span>
          <span className="w-44 font-mono">{entry.action}</span>
          <span className="w-40 truncate">{names(entry.accountId)}</span>
          <span className="text-ink3">{entry.via}</span>
          <span className="min-w-0 flex-1 basis-40 truncate font-mono text-ink2">
            <Seen text={compact(detail)} />
          </span>
        </summary>
        <dl className="mt-2 ml-16 grid grid-cols-[max-content_1fr] gap-x-4 gap-y-1">
          <dt className="text-ink3">About</dt>
          <dd>
            <button type="button" onClick={onSubject} className="font-mono break-all text-accent underline">
              {entry.subject}
            </button>
          </dd>
          {Object.entries(detail).map(([name, value]) => (
            <div key={name} className="contents">
              <dt className="text-ink3">{name}</dt>
              <dd className="font-mono break-words">
                <Seen text={typeof value === "string" ? value : compact(value)} />
              </dd>
            </div>
          ))}
          {[
            ["Client", entry.client],
            ["Key", entry.keyId],
            ["From", entry.address],
            ["Request", entry.requestId],
          ].map(
            ([name, value]) =>
              value && (
                <div key={name} className="contents">
                  <dt className="text-ink3">{name}</dt>
                  <dd className="font-mono break-all">
                    <Seen text={value} />
                  </dd>
                </div>
              ),
          )}
          <dt className="text-ink3">Hash</dt>
          <dd className="font-mono text-meta break-all text-ink2">{entry.hash}</dd>
        </dl>
      </details>
    </li>
  );
}
