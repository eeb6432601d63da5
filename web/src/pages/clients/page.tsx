// Connects agents: a key of its own for each, shown once, and the words to give to the client.
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import type { Schemas, Task } from "~/api/client";
import { keys as allKeys, useApi, useNames, useSession } from "~/api/queries";
import { count } from "~/lib/time";
import { Ago, Button, Copy, cx, Page, Panel } from "~/ui/basics";
import { Loaded, Problem } from "~/ui/state";
import { Seen } from "~/ui/text";
import { type Snippet, snippets } from "./snippets";

/** What stands in snippets until a key is made. */
const PLACEHOLDER = "exk_YOUR_KEY";

export function ClientsPage() {
  const { slug, workspaces } = useSession();
  const [open, setOpen] = useState("claude-code");
  const url = `${location.origin}/mcp${workspaces.length > 1 ? `?workspace=${encodeURIComponent(slug)}` : ""}`;
  const all = snippets(url, PLACEHOLDER);
  const chosen = all.find((each) => each.id === open) ?? all[0];
  return (
    <Page title="Clients">
      <p className="mb-4 max-w-[80ch] text-ink2">
        An agent connects over MCP and gets a few tools: it searches the catalog and sends programs. Its key can run tasks and never decides an approval.
      </p>
      <div className="mb-4 flex flex-wrap gap-2" role="group" aria-label="Client">
        {all.map((each) => (
          <Button key={each.id} look={each.id === open ? "main" : "plain"} aria-pressed={each.id === open} onClick={() => setOpen(each.id)}>
            {each.name}
          </Button>
        ))}
      </div>
      {chosen && <Card key={chosen.id} snippet={chosen} url={url} />}
      <Lately />
    </Page>
  );
}

function Card({ snippet, url }: { snippet: Snippet; url: string }) {
  const api = useApi();
  const client = useQueryClient();
  const [made, setMade] = useState<Schemas["KeyWithSecret"] | null>(null);
  const [error, setError] = useState<unknown>(null);
  const shown = made ? (snippets(url, made.secret).find((each) => each.id === snippet.id) ?? snippet) : snippet;
  const needsKey = snippet.id !== "claude-desktop";
  const make = async () => {
    setError(null);
    try {
      setMade(await api.post("/api/v1/keys", { body: { name: snippet.name } as never }));
      void client.invalidateQueries({ queryKey: [api.workspace, "keys"] });
    } catch (failure) {
      setError(failure);
    }
  };
  return (
    <Panel title={`Connect ${snippet.name}`}>
      <div className="flex flex-col gap-3 p-3">
        {needsKey && !made && (
          <div className="flex flex-wrap items-center gap-3">
            <Button look="main" onClick={() => void make()}>
              Make a key for {snippet.name}
            </Button>
            <span className="text-ink2">It is shown once, in the text below.</span>
          </div>
        )}
        {made && <p className="text-wait">◆ This key is shown this once. Copy the text now.</p>}
        {error !== null && <Problem error={error} />}
        <div>
          <div className="flex items-center">
            <h3 className="text-ink2">{shown.where}</h3>
            <span className="ml-auto">
              <Copy text={shown.text} />
            </span>
          </div>
          <pre tabIndex={0} data-testid="snippet" className="overflow-x-auto rounded-md border border-line bg-bg p-3">
            {shown.text}
          </pre>
          {snippet.id === "codex" && made && (
            <div className="mt-2 flex items-center gap-2">
              <code className="break-all">export EXECUTOR_API_KEY={made.secret}</code>
              <Copy text={`export EXECUTOR_API_KEY=${made.secret}`} />
            </div>
          )}
        </div>
        {shown.link && made && (
          <a href={shown.link.href} className="self-start text-accent underline">
            {shown.link.label}
          </a>
        )}
        {shown.note && <p className="text-ink2">{shown.note}</p>}
        {made && <Handshake keyId={made.key.id} since={made.key.createdAt} />}
      </div>
    </Panel>
  );
}

/** Waits for the client to come, then for its first task. */
function Handshake({ keyId, since }: { keyId: string; since: string }) {
  const { slug } = useSession();
  const api = useApi();
  const keys = useQuery({ ...allKeys(api), refetchInterval: 3_000 });
  const tasks = useQuery({
    queryKey: [api.workspace, "head", "handshake", keyId],
    queryFn: async () => (await api.get("/api/v1/tasks", { query: { limit: 20 } as never })).items,
    refetchInterval: 3_000,
  });
  const used = keys.data?.find((each) => each.id === keyId)?.lastUsedAt;
  const first = tasks.data?.filter((each) => each.channel === "mcp" && each.createdAt > since).at(-1);
  return (
    <p role="status">
      {first ? (
        <>
          <span className="text-good">●</span> connected, first task{" "}
          <Link to="/w/$slug/tasks/$id" params={{ slug, id: first.id }} className="text-accent underline">
            <Ago at={first.createdAt} />
          </Link>
        </>
      ) : used ? (
        <>
          <span className="text-good">●</span> connected <Ago at={used} />, waiting for its first task
        </>
      ) : (
        <>
          <span className="text-ink3">○</span> waiting for it to connect
        </>
      )}
    </p>
  );
}

type SeenClient = { name: string; channel: string; by: string; last: string; today: number; pending: number };

/** Who has sent tasks lately. */
function Lately() {
  const api = useApi();
  const names = useNames();
  const [midnight, setMidnight] = useState("");
  useEffect(() => setMidnight(new Date(new Date().setHours(0, 0, 0, 0)).toISOString()), []);
  const tasks = useQuery({
    queryKey: [api.workspace, "head", "clients"],
    queryFn: async () => (await api.get("/api/v1/tasks", { query: { limit: 200 } as never })).items,
  });
  return (
    <Panel title="Seen lately">
      <Loaded query={tasks}>
        {(items) => {
          const seen = seenIn(items, midnight);
          if (seen.length === 0) return <p className="p-3 text-ink2">Nobody yet. Clients appear here with their first task.</p>;
          return (
            <div className="overflow-x-auto" tabIndex={0} role="group" aria-label="Clients">
              <table className="w-full text-left">
                <thead className="text-meta text-ink3">
                  <tr>
                    {["Claims to be", "Over", "For", "Last task", "Today", "Waiting"].map((name) => (
                      <th key={name} className="px-3 py-1 font-normal whitespace-nowrap">
                        {name}
                      </th>
                    ))}
                  </tr>
                </thead>
                <tbody>
                  {seen.map((each) => (
                    <tr key={`${each.name}${each.by}${each.channel}`} className="border-t border-line">
                      <td className="px-3 py-1.5">
                        <Seen text={each.name} />
                      </td>
                      <td className="px-3">{each.channel}</td>
                      <td className="px-3">{names(each.by)}</td>
                      <td className="px-3">
                        <Ago at={each.last} />
                      </td>
                      <td className="px-3">{count(each.today, "task")}</td>
                      <td className={cx("px-3", each.pending > 0 && "text-wait")}>{each.pending > 0 ? `◆ ${each.pending}` : "–"}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
          );
        }}
      </Loaded>
    </Panel>
  );
}

function seenIn(tasks: Task[], midnight: string): SeenClient[] {
  const seen = new Map<string, SeenClient>();
  for (const each of tasks) {
    const name = each.client || each.channel;
    const key = `${name}\n${each.requestedBy}\n${each.channel}`;
    const known = seen.get(key) ?? { name, channel: each.channel, by: each.requestedBy, last: each.createdAt, today: 0, pending: 0 };
    if (midnight && each.createdAt >= midnight) known.today += 1;
    known.pending += each.approvals.filter((approval) => approval.status === "pending").length;
    seen.set(key, known);
  }
  return [...seen.values()].sort((a, b) => b.last.localeCompare(a.last));
}
