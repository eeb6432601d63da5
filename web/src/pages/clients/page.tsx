// Connects agents: a key of its own for each, shown once, and the words to give to the client.
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useRef, useState } from "react";
import type { Rule, Schemas } from "~/api/client";
import { clients, keys as allKeys, policy, useApi, useNames, useNeeds, useSession } from "~/api/queries";
import { count } from "~/lib/time";
import { Ago, Button, Copy, Page, Panel } from "~/ui/basics";
import { Confirm } from "~/ui/dialog";
import { explain, Loaded, Problem } from "~/ui/state";
import { Seen } from "~/ui/text";
import { toast } from "~/ui/toast";
import { Grants } from "../settings/grants";
import { isPauseOf, pause } from "./pause";
import { type Snippet, snippets } from "./snippets";

type SeenClient = Schemas["SeenClient"];

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
        An agent connects over MCP and gets a few tools: it searches the catalog and sends programs. It comes with a key, or its person signs in from it; either way it can run tasks and never decides an approval.
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
      <Grants />
    </Page>
  );
}

function Card({ snippet, url }: { snippet: Snippet; url: string }) {
  const api = useApi();
  const client = useQueryClient();
  const [made, setMade] = useState<Schemas["KeyWithSecret"] | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [way, setWay] = useState<"key" | "signIn">("key");
  const isOwn = (each: Snippet) => each.id === snippet.id;
  const bare = way === "signIn" ? snippets(url, null).find(isOwn) : undefined;
  const shown = bare ?? (made ? (snippets(url, made.secret).find(isOwn) ?? snippet) : snippet);
  const needsKey = snippet.signIn !== undefined;
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
        {needsKey && (
          <div className="flex flex-wrap gap-1" role="group" aria-label="How it is let in">
            <Button small look={way === "key" ? "plain" : "quiet"} aria-pressed={way === "key"} onClick={() => setWay("key")}>
              With a key
            </Button>
            <Button small look={way === "signIn" ? "plain" : "quiet"} aria-pressed={way === "signIn"} onClick={() => setWay("signIn")}>
              By signing in from it
            </Button>
          </div>
        )}
        {needsKey && way === "key" && !made && (
          <div className="flex flex-wrap items-center gap-3">
            <Button look="main" onClick={() => void make()}>
              Make a key for {snippet.name}
            </Button>
            <span className="text-ink2">It is shown once, in the text below.</span>
          </div>
        )}
        {made && way === "key" && <p className="font-semibold">This key is shown this once. Copy the text now.</p>}
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
          {snippet.id === "codex" && made && way === "key" && (
            <div className="mt-2 flex items-center gap-2">
              <code className="break-all">export EXECUTOR_API_KEY={made.secret}</code>
              <Copy text={`export EXECUTOR_API_KEY=${made.secret}`} />
            </div>
          )}
        </div>
        {shown.link && (made || bare) && (
          <a href={shown.link.href} className="self-start text-accent underline">
            {shown.link.label}
          </a>
        )}
        {bare && <p className="text-ink2">{bare.signIn} A page of this server names the client and what it may do; whoever is signed in allows it or not.</p>}
        {shown.note && <p className="text-ink2">{shown.note}</p>}
        {bare || !needsKey ? <Handshake key="any" isIt={(each) => !each.key} /> : made && <Handshake key={made.key.id} isIt={(each) => each.key === made.key.id} keyId={made.key.id} />}
      </div>
    </Panel>
  );
}

type HandshakeProps = {
  /** Whether a client that came is the one that is waited for. */
  isIt: (client: SeenClient) => boolean;
  /** The key it comes with, where one was made for it. */
  keyId?: string;
};

/** What tells one visit of a client from the next. */
const visitOf = (each: SeenClient) => [each.client, each.account, each.listed?.at, each.tasks].join("\n");

/** Waits for the client to come, then for its first task. */
function Handshake({ isIt, keyId }: HandshakeProps) {
  const { slug } = useSession();
  const api = useApi();
  const keys = useQuery({ ...allKeys(api), refetchInterval: 3_000, enabled: keyId !== undefined });
  const seen = useQuery({ ...clients(api), refetchInterval: 3_000 });
  const fitting = seen.data?.filter((each) => each.channel === "mcp" && isIt(each));
  // Those that were there before are not waited for; a new key was used by nobody before.
  const before = useRef<Set<string> | null>(keyId === undefined ? null : new Set());
  before.current ??= fitting ? new Set(fitting.map(visitOf)) : null;
  const came = fitting?.filter((each) => !before.current?.has(visitOf(each))) ?? [];
  const listed = came.find((each) => each.listed)?.listed;
  // The tasks of the client that came; others may call themselves the same.
  const sender = came.find((each) => each.tasks > 0);
  const tasks = useQuery({
    queryKey: [api.workspace, "handshake", keyId ?? "", sender?.client ?? "", sender?.account ?? ""],
    queryFn: async () => (await api.get("/api/v1/tasks", { query: { limit: 100, ...(sender?.client && { client: sender.client }) } as never })).items.filter((each) => each.channel === "mcp" && each.requestedBy === sender?.account && (each.key ?? undefined) === keyId),
    enabled: sender !== undefined,
    // Once it is there it stays the first, however many follow.
    refetchInterval: ({ state }) => (state.data && state.data.length > 0 ? false : 3_000),
    staleTime: Number.POSITIVE_INFINITY,
  });
  const used = listed?.at ?? keys.data?.find((each) => each.id === keyId)?.lastUsedAt ?? sender?.lastAt;
  const tools = listed ? `, ${count(listed.tools, "tool")} listed` : "";
  const first = keyId === undefined ? tasks.data?.[0] : tasks.data?.at(-1);
  return (
    <p role="status">
      {first ? (
        <>
          <span className="text-good">●</span> connected{tools}, first task{" "}
          <Link to="/w/$slug/tasks/$id" params={{ slug, id: first.id }} className="text-accent underline">
            <Ago at={first.createdAt} />
          </Link>
        </>
      ) : used ? (
        <>
          <span className="text-good">●</span> connected <Ago at={used} />{tools}, waiting for its first task
        </>
      ) : (
        <>
          <span className="text-ink3">○</span> waiting for it to connect
        </>
      )}
    </p>
  );
}

/** Who has sent tasks lately, and whether somebody paused them. */
function Lately() {
  const api = useApi();
  const seen = useQuery(clients(api));
  const rules = useQuery(policy(api)).data?.rules ?? [];
  const keys = useQuery(allKeys(api)).data ?? [];
  return (
    <Panel title="Seen in the last 7 days">
      <Loaded query={seen}>
        {(items) =>
          items.length === 0 ? (
            <p className="p-3 text-ink2">Nobody yet. Clients appear here when they list the tools, or with their first task.</p>
          ) : (
            <ul>
              {items.map((each) => (
                <Client key={`${each.client}\n${each.channel}\n${each.account}\n${each.key ?? ""}`} of={each} keyName={keys.find((key) => key.id === each.key)?.name} rules={rules} />
              ))}
            </ul>
          )
        }
      </Loaded>
    </Panel>
  );
}

function Client({ of, keyName, rules }: { of: SeenClient; keyName: string | undefined; rules: Rule[] }) {
  const { slug } = useSession();
  const api = useApi();
  const client = useQueryClient();
  const names = useNames();
  const needs = useNeeds("admin");
  const [asked, setAsked] = useState<"pause" | "revoke" | null>(null);
  const [busy, setBusy] = useState(false);
  const cancel = useRef<HTMLButtonElement>(null);
  const paused = rules.find((rule) => isPauseOf(rule, of));
  const name = of.client || "an unnamed client";
  const act = async (what: () => Promise<unknown>) => {
    setBusy(true);
    await what().catch((error: unknown) => toast(explain(error).title));
    setBusy(false);
    setAsked(null);
    await Promise.all([client.invalidateQueries({ queryKey: [api.workspace, "policy"] }), client.invalidateQueries({ queryKey: [api.workspace, "keys"] })]);
  };
  const revoke = () =>
    act(async () => {
      await api.delete("/api/v1/keys/{id}", { path: { id: of.key ?? "" } });
      toast(`Revoked the key of ${name}`);
    });
  const stop = () =>
    act(async () => {
      await pause(api, of);
      toast(`Paused ${name}`);
    });
  return (
    <li className="flex flex-wrap items-center gap-x-4 gap-y-1 border-b border-line px-3 py-2 last:border-0">
      <span className="min-w-0 flex-1 basis-56">
        <span className="flex flex-wrap items-baseline gap-x-2">
          <strong className="min-w-0 break-words">{of.client ? <Seen text={of.client} /> : "An unnamed client"}</strong>
          <span className="text-meta text-ink3">over {of.channel === "mcp" ? "MCP" : of.channel === "api" ? "the API" : of.channel === "cli" ? "the command line" : "the dashboard"}</span>
        </span>
        <span className="block text-meta text-ink2">
          for {names(of.account)}
          {of.key && (
            <>
              , key {keyName ? `“${keyName}”` : <code className="break-all">{of.key}</code>}
            </>
          )}
        </span>
      </span>
      <span className="text-ink2">
        {of.tasks > 0 ? (
          <>
            <Link to="/w/$slug/tasks" params={{ slug }} search={{ client: of.client || undefined, time: "7d" } as never} className="text-accent underline">
              {count(of.tasks, "task")}
            </Link>
            , last <Ago at={of.lastAt} />
          </>
        ) : (
          <>
            no task yet, came <Ago at={of.lastAt} />
          </>
        )}
      </span>
      {of.listed && <span className="text-ink2">{count(of.listed.tools, "tool")} listed</span>}
      <span className="text-ink2">{count(of.callsInDay, "call")} in 24 h</span>
      {of.open > 0 && <span className="text-run">◐ {of.open} open</span>}
      {of.pending > 0 && <span className="text-wait">◆ {of.pending} waiting</span>}
      {paused ? (
        <>
          <span className="text-bad">⊘ paused</span>
          <Button small blocked={needs} disabled={busy} aria-label={`Let ${name} go on`} onClick={() => void act(async () => (await api.delete("/api/v1/policies/{id}", { path: { id: paused.id } }), toast(`${name} may go on`)))}>
            Let it go on
          </Button>
        </>
      ) : (
        of.channel !== "dashboard" && (
          <Button small blocked={needs} disabled={busy} aria-label={`Pause ${name}`} onClick={() => setAsked("pause")}>
            Pause…
          </Button>
        )
      )}
      {of.key && keyName && (
        <Button small look="quiet" disabled={busy} aria-label={`Revoke the key of ${name}`} onClick={() => setAsked("revoke")}>
          Revoke…
        </Button>
      )}
      <Confirm open={asked === "revoke"} onClose={() => setAsked(null)} onYes={() => void revoke()} busy={busy} cancelRef={cancel} verb="Revoke the key" title={<>Revoke the key of <Seen text={name} />?</>}>
        <p>
          Whatever comes with the key “{keyName}” is refused from the next request on, and its open tasks make no more calls. It cannot be taken back; a new key is made above.
        </p>
      </Confirm>
      <Confirm open={asked === "pause"} onClose={() => setAsked(null)} onYes={() => void stop()} busy={busy} cancelRef={cancel} verb="Pause it" title={<>Pause <Seen text={name} />?</>}>
        <p>
          A rule at the head of the workspace denies every call of {of.key ? "whatever comes with its key" : "this client for this person"}, until it is let go on. What waits already stays and can be
          denied in the inbox. The rule stands under Policies like any other.
        </p>
      </Confirm>
    </li>
  );
}
