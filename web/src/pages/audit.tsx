// What was done, in a chain that shows whether somebody changed it.
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useState } from "react";
import type { AuditEntry, Schemas } from "~/api/client";
import { members, useApi, useMay, useNames } from "~/api/queries";
import { useRows } from "~/lib/rows";
import { compact, type Fields, isFields, same } from "~/lib/json";
import { Button, buttonClass, Empty, Page, SearchField, Skeleton, When } from "~/ui/basics";
import { Problem } from "~/ui/state";
import { Seen } from "~/ui/text";

const NAMES = ["action", "subject", "actor", "channel", "from", "to", "text"] as const;
type Filters = { [N in (typeof NAMES)[number]]?: string };

/** The instant at which a day of the calendar here begins, or the one after it. */
function dayOf(day: string | undefined, more = 0): string | undefined {
  const [year = 0, month = 0, date = 0] = (day ?? "").split("-").map(Number);
  return year > 0 ? new Date(year, month - 1, date + more).toISOString() : undefined;
}

/** Beginnings of actions, as docs/audit.md names them. */
const ACTIONS = ["approval.", "client.", "decision", "call.", "rule.", "source.", "credential.", "connect.", "key.", "grant.", "sign_in", "sign_out", "invite.", "member.", "workspace.", "organization.", "settings.", "webhook.", "sandbox.", "audit.", "backup.", "vault."];

export function AuditPage() {
  useRows("entry");
  const api = useApi();
  const isAdmin = useMay("admin");
  const people = useQuery(members(api)).data ?? [];
  const names = useNames();
  const navigate = useNavigate();
  const filters = useSearch({ strict: false }) as Filters;
  const asked = { ...filters, from: dayOf(filters.from), to: dayOf(filters.to, 1) };
  const [verified, setVerified] = useState<Schemas["AuditVerification"] | null>(null);
  const [busy, setBusy] = useState("");
  const [failure, setFailure] = useState<unknown>(null);
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
    setFailure(null);
    await what().catch(setFailure);
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
      {failure !== null && (
        <div className="mb-3">
          <Problem error={failure} />
        </div>
      )}
      <div className="mb-3 flex flex-wrap gap-2">
        <select className="field" aria-label="Kind of action" value={filters.action ?? ""} onChange={(event) => set({ action: event.target.value || undefined })}>
          <option value="">Every action</option>
          {ACTIONS.map((each) => (
            <option key={each} value={each}>
              {each.replace(".", "").replace("_", " ")}
            </option>
          ))}
        </select>
        <select className="field max-w-44" aria-label="By whom" value={filters.actor ?? ""} onChange={(event) => set({ actor: event.target.value || undefined })}>
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
        <SearchField className="w-48 max-w-full" aria-label="Text in the entries" placeholder="Text" maxLength={200} value={filters.text ?? ""} onText={(text) => set({ text: text || undefined })} />
        <SearchField className="w-64 max-w-full font-mono" aria-label="Only about this identifier" placeholder="rule_…, src_…, appr_…" value={filters.subject ?? ""} onText={(text) => set({ subject: text || undefined })} />
      </div>
      {NAMES.some((name) => filters[name]) && <p className="mb-3 text-ink2">An export is the organization's whole chain, whatever the filters are: a part of it could not be verified.</p>}
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
        NAMES.some((name) => filters[name]) ? (
          <Empty action={<Button onClick={() => set(Object.fromEntries(NAMES.map((name) => [name, undefined])))}>Clear the filters</Button>}>
            No entry matches {NAMES.filter((name) => filters[name]).map((name) => `${name === "actor" ? "by" : name} ${name === "actor" ? names(filters.actor) : filters[name]}`).join(", ")}.
          </Empty>
        ) : (
          <Empty>Nothing has been done yet.</Empty>
        )
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

type Change = { name: string; before: unknown; after: unknown }[];

/** What became another, field by field, where an entry has how it was and how it is. */
function changeOf(detail: Fields): Change | null {
  if (!("before" in detail && "after" in detail)) return null;
  const { before, after } = detail;
  if (!isFields(before) || !isFields(after)) return [{ name: "value", before, after }];
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  return names.filter((name) => !same(before[name], after[name])).map((name) => ({ name, before: before[name], after: after[name] }));
}

function Difference({ of }: { of: Change }) {
  const text = (value: unknown) => (value === undefined ? "–" : typeof value === "string" ? value : compact(value));
  if (of.length === 0) return <p className="mt-2 ml-4 text-ink2 md:ml-16">Before and after are the same.</p>;
  return (
    <div className="mt-2 ml-4 overflow-x-auto md:ml-16">
      <table className="text-left" aria-label="What changed">
        <thead className="text-ink3">
          <tr>
            {["Field", "Before", "After"].map((each) => (
              <th key={each} className="pr-6 font-normal">
                {each}
              </th>
            ))}
          </tr>
        </thead>
        <tbody className="align-top font-mono">
          {of.map((each) => (
            <tr key={each.name} className="border-t border-line">
              <td className="py-1 pr-6">{each.name}</td>
              <td className="max-w-96 py-1 pr-6 break-words text-ink2">
                <span aria-hidden>− </span>
                <Seen text={text(each.before)} />
              </td>
              <td className="max-w-96 py-1 break-words">
                <span aria-hidden>+ </span>
                <Seen text={text(each.after)} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Entry({ entry, onSubject }: { entry: AuditEntry; onSubject: () => void }) {
  const names = useNames();
  const detail = isFields(entry.detail) ? entry.detail : {};
  const change = changeOf(detail);
  return (
    <li className="border-b border-line px-3 py-1.5 last:border-0">
      <details>
        <summary data-row className="flex flex-wrap items-baseline gap-x-4">
          <span className="font-mono text-ink3 md:w-12 md:text-right">{entry.sequence}</span>
          <span className="w-28 text-ink2">
            <When at={entry.at} />
          </span>
          <span className="font-mono md:w-44">{entry.action}</span>
          <span className="truncate md:w-40">{names(entry.accountId)}</span>
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
          {Object.entries(detail)
            .filter(([name]) => !change || (name !== "before" && name !== "after"))
            .map(([name, value]) => (
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
        {change && <Difference of={change} />}
      </details>
    </li>
  );
}
