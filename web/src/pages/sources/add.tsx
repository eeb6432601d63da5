// Adds a source step by step: where its description is, what it can do, how it lets callers in. What it
// can do is in `look.tsx`.
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import type { Schemas, Source } from "~/api/client";
import { toolsOf, useApi, useNeeds, useSession } from "~/api/queries";
import { count } from "~/lib/time";
import { Button, buttonClass, Facts, Field, Page, Panel } from "~/ui/basics";
import { explain, Loaded, Problem } from "~/ui/state";
import { Seen } from "~/ui/text";
import { OAuthConnect } from "./connect";
import { Look } from "./look";
import { type McpServer, mcpServers } from "./mcpjson";

type NewSource = Schemas["NewSource"];
type Preset = Schemas["Preset"];
type Preview = Schemas["SourcePreview"];

/** What was entered, until the source is there. */
export type Draft = { input: string; fileName: string; name: string; kind: string; baseUrl: string; header: string; isPrivate: boolean };

const NOTHING: Draft = { input: "", fileName: "", name: "", kind: "", baseUrl: "", header: "", isPrivate: false };
const STEPS = ["Description", "What it can do", "Authentication", "Done"];

const isAddress = (text: string): boolean => /^https?:\/\/\S+$/.test(text.trim());

/** The request for a draft: the same for a look and for adding it. */
export function bodyOf(draft: Draft): NewSource {
  const pair = /^([^:\s]+)\s*:\s*(.+)$/.exec(draft.header.trim());
  return {
    ...(isAddress(draft.input) ? { url: draft.input.trim() } : { document: draft.input, fileName: draft.fileName || "pasted" }),
    ...(draft.name ? { name: draft.name } : {}),
    ...(draft.kind ? { kind: draft.kind } : {}),
    ...(draft.baseUrl ? { baseUrl: draft.baseUrl } : {}),
    ...(pair ? { headers: [{ name: pair[1], value: pair[2] }] } : {}),
    allowPrivate: draft.isPrivate,
  } as NewSource;
}

export function AddSourcePage() {
  const [draft, setDraft] = useState(NOTHING);
  const [preview, setPreview] = useState<Preview | null>(null);
  const [source, setSource] = useState<Source | null>(null);
  const [isOpen, setOpen] = useState(false);
  const at = source === null ? (preview === null ? 0 : 1) : source.auth.length > 0 && !isOpen ? 2 : 3;
  return (
    <Page title="Add a source">
      <ol className="mb-4 flex flex-wrap gap-x-4 gap-y-1" aria-label="Steps">
        {STEPS.map((step, i) => (
          <li key={step} aria-current={i === at ? "step" : undefined} className={i === at ? "font-semibold" : "text-ink3"}>
            {i < at ? "●" : `${i + 1}.`} {step}
          </li>
        ))}
      </ol>
      {at === 0 && <Describe draft={draft} onDraft={setDraft} onPreview={setPreview} />}
      {at === 1 && preview && <Look draft={draft} preview={preview} onPreview={setPreview} onDraft={setDraft} onAdded={setSource} />}
      {at === 2 && source && <Authenticate source={source} onDone={() => setOpen(true)} />}
      {at === 3 && source && <Done source={source} />}
    </Page>
  );
}

type DescribeProps = { draft: Draft; onDraft: (draft: Draft) => void; onPreview: (preview: Preview) => void };

function Describe({ draft, onDraft, onPreview }: DescribeProps) {
  const api = useApi();
  const needs = useNeeds("admin");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const [isMore, setMore] = useState(false);
  const { input, fileName } = draft;
  const set = (change: Partial<Draft>) => onDraft({ ...draft, ...change });
  const isUrl = isAddress(input);
  const servers = useMemo(() => (isUrl ? null : mcpServers(input)), [input, isUrl]);
  const hole = /\{[^}]*\}/.exec(draft.baseUrl)?.[0];
  const look = async () => {
    setBusy(true);
    setError(null);
    try {
      onPreview(await api.post("/api/v1/sources/preview", { body: bodyOf(draft) }));
    } catch (failure) {
      setError(failure);
    } finally {
      setBusy(false);
    }
  };
  const take = async (file: File | undefined) => {
    if (file) set({ input: await file.text(), fileName: file.name });
  };
  return (
    <div className="grid max-w-5xl grid-cols-1 gap-x-8 gap-y-4 lg:grid-cols-[minmax(0,2fr)_minmax(0,1fr)]">
      <div>
        <form
          className="flex flex-col gap-4"
          onSubmit={(event) => {
            event.preventDefault();
            void look();
          }}
        >
          <Field label="Address of a description or of an MCP server, or a description's text" hint={isUrl ? "An address: the server reads it." : servers ? `An mcp.json with ${count(servers.length, "server")}.` : input.trim() ? `A text${fileName ? ` from ${fileName}` : ""}: ${input.length.toLocaleString("en")} characters.` : "OpenAPI, GraphQL, MCP or an mcp.json: which of them is found out."}>
            <textarea className="area min-h-24 font-mono" spellCheck={false} required placeholder="https://api.example.com/openapi.json" value={input} onChange={(event) => set({ input: event.target.value, fileName: "" })} />
          </Field>
          <label className="flex flex-wrap items-center gap-3">
            <span className="text-ink2">or a file</span>
            <input type="file" className="min-w-0 max-w-full" accept=".json,.yaml,.yml,.graphql,.txt" onChange={(event) => void take(event.target.files?.[0])} />
          </label>
          <details open={isMore} onToggle={(event) => setMore(event.currentTarget.open)}>
            <summary className="w-fit text-accent underline">More</summary>
            <div className="mt-3 flex flex-col gap-4">
              <Field label="Name its tools begin with" hint="Made from its title where empty.">
                <input className="field max-w-60 font-mono" value={draft.name} onChange={(event) => set({ name: event.target.value })} autoComplete="off" />
              </Field>
              <Field label="Address to send calls to" hint={hole ? `Put your own in the place of ${hole}.` : "Where the description's own is missing or not wanted."}>
                <input className="field font-mono" value={draft.baseUrl} onChange={(event) => set({ baseUrl: event.target.value })} />
              </Field>
              <Field label="A header to send with every call" hint="Such as X-Version: 2. Secrets belong into a credential.">
                <input className="field font-mono" value={draft.header} onChange={(event) => set({ header: event.target.value })} />
              </Field>
              <Field inline label="Its host may be on a private network">
                <input type="checkbox" checked={draft.isPrivate} onChange={(event) => set({ isPrivate: event.target.checked })} />
              </Field>
            </div>
          </details>
          {error !== null && <Problem error={error} />}
          {servers && servers.length > 1 ? null : (
            <div>
              <Button look="main" type="submit" disabled={busy || input.trim() === ""} blocked={needs ?? (hole ? `Put your own in the place of ${hole}` : undefined)}>
                {busy ? "Reading the description…" : "Look at it"}
              </Button>
            </div>
          )}
        </form>
        {servers && servers.length > 1 && <Several key={input} servers={servers} allowPrivate={draft.isPrivate} needs={needs} />}
      </div>
      <Presets
        onPick={(preset) => {
          onDraft({ ...NOTHING, input: preset.url, name: preset.name, kind: preset.kind, baseUrl: preset.baseUrl ?? "" });
          setMore(preset.baseUrl?.includes("{") ?? false);
        }}
      />
    </div>
  );
}

/** Services that are known by name. Nothing of them is contacted until one is looked at. */
function Presets({ onPick }: { onPick: (preset: Preset) => void }) {
  const api = useApi();
  const [text, setText] = useState("");
  const query = useQuery({ queryKey: [api.workspace, "presets"], queryFn: async () => (await api.get("/api/v1/presets")).items, staleTime: Number.POSITIVE_INFINITY });
  return (
    <section aria-label="Known services" className="flex min-h-0 flex-col gap-2">
      <h2 className="text-ink2">Or a known service</h2>
      <input type="search" className="field w-full" aria-label="Search known services" placeholder="GitHub, Stripe, Slack" value={text} onChange={(event) => setText(event.target.value)} />
      <Loaded query={query} rows={6}>
        {(items) => {
          const found = items.filter((each) => `${each.title} ${each.name} ${each.summary}`.toLowerCase().includes(text.trim().toLowerCase()));
          return found.length === 0 ? (
            <p className="text-ink2">None is called so. Any API with a description works.</p>
          ) : (
            <ul className="max-h-96 overflow-auto rounded-md border border-line bg-surface" tabIndex={0} aria-label="Found services">
              {found.map((each) => (
                <li key={each.name} className="border-b border-line last:border-0">
                  <button type="button" className="w-full px-3 py-1.5 text-left -outline-offset-2 hover:bg-sunken" onClick={() => onPick(each)}>
                    <span className="flex items-baseline gap-2">
                      <span className="font-semibold">{each.title}</span>
                      <span className="text-meta text-ink3">{each.kind}</span>
                    </span>
                    <span className="block text-meta text-ink2">{each.summary}</span>
                  </button>
                </li>
              ))}
            </ul>
          );
        }}
      </Loaded>
    </section>
  );
}

type Came = { status: "adding" | "added" | "failed"; said: string; id?: string };

/** Several servers of one block, each a source of its own. */
function Several({ servers, allowPrivate, needs }: { servers: McpServer[]; allowPrivate: boolean; needs: string | undefined }) {
  const { slug } = useSession();
  const api = useApi();
  const client = useQueryClient();
  const [chosen, setChosen] = useState(() => new Set(servers.map((each) => each.name)));
  const [came, setCame] = useState<Record<string, Came>>({});
  const [busy, setBusy] = useState(false);
  const add = async () => {
    setBusy(true);
    for (const each of servers.filter((server) => chosen.has(server.name) && came[server.name]?.status !== "added")) {
      setCame((now) => ({ ...now, [each.name]: { status: "adding", said: "reading it…" } }));
      const outcome: Came = await api
        .post("/api/v1/sources", { body: { document: each.document, fileName: "mcp.json", allowPrivate } as never })
        .then((source) => ({ status: "added" as const, said: `${source.name}, ${count(source.toolCount, "tool")}${source.reason ? `: ${source.reason}` : ""}`, id: source.id }))
        .catch((error: unknown) => ({ status: "failed" as const, said: [explain(error).title, explain(error).next].filter(Boolean).join(". ") }));
      setCame((now) => ({ ...now, [each.name]: outcome }));
    }
    setBusy(false);
    void client.invalidateQueries({ queryKey: [api.workspace, "sources"] });
    void client.invalidateQueries({ queryKey: [api.workspace, "tools"] });
  };
  const open = servers.filter((each) => chosen.has(each.name) && came[each.name]?.status !== "added").length;
  return (
    <section aria-label="Servers of the block" className="mt-4 rounded-md border border-line bg-surface">
      <ul>
        {servers.map((each) => {
          const outcome = came[each.name];
          return (
            <li key={each.name} className="flex flex-wrap items-baseline gap-x-3 gap-y-0.5 border-b border-line px-3 py-2">
              <label className="flex min-w-0 flex-1 basis-60 items-baseline gap-2">
                <input
                  type="checkbox"
                  checked={chosen.has(each.name)}
                  disabled={busy || outcome?.status === "added"}
                  onChange={(event) => setChosen((now) => new Set(event.target.checked ? [...now, each.name] : [...now].filter((name) => name !== each.name)))}
                />
                <span className="min-w-0">
                  <strong className="break-words">
                    <Seen text={each.name} />
                  </strong>
                  <span className="block font-mono text-meta break-all text-ink2">
                    {each.isCommand && <span className="font-semibold text-ink">a program of the server's machine: </span>}
                    <Seen text={each.what} />
                  </span>
                </span>
              </label>
              {outcome && (
                <span role="status" className={outcome.status === "failed" ? "text-bad" : outcome.status === "added" ? "text-good" : "text-ink2"}>
                  {outcome.status === "failed" ? "✕ " : outcome.status === "added" ? "● " : ""}
                  {outcome.id ? (
                    <Link to="/w/$slug/sources/$id" params={{ slug, id: outcome.id }} className="underline">
                      <Seen text={outcome.said} />
                    </Link>
                  ) : (
                    <Seen text={outcome.said} />
                  )}
                </span>
              )}
            </li>
          );
        })}
      </ul>
      <div className="p-3">
        <Button look="main" disabled={busy || open === 0} blocked={needs} onClick={() => void add()}>
          {busy ? "Adding…" : `Add ${count(open, "source")}`}
        </Button>
      </div>
    </section>
  );
}

/** A way in that no source names: tokens that somebody grants. */
const OAUTH = "OAuth";

function Authenticate({ source, onDone }: { source: Source; onDone: () => void }) {
  const api = useApi();
  const client = useQueryClient();
  const [value, setValue] = useState("");
  const [auth, setAuth] = useState(source.auth[0] ?? "bearer");
  const [scope, setScope] = useState("workspace");
  const isOAuth = auth === OAUTH;
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const [said, setSaid] = useState<{ accepted: boolean | null; message: string } | null>(null);
  const save = async () => {
    setBusy(true);
    setError(null);
    try {
      const credential = await api.post("/api/v1/credentials", { body: { source: source.id, value, auth, scope } as never });
      setValue("");
      void client.invalidateQueries({ queryKey: [api.workspace, "credentials"] });
      const test = await api.post("/api/v1/credentials/{id}/test", { path: { id: credential.id } });
      setSaid({ accepted: test.accepted ?? null, message: test.message });
    } catch (failure) {
      setError(failure);
    } finally {
      setBusy(false);
    }
  };
  const ways = (
    <>
      <p>
        <strong>{source.name}</strong>: {source.kind}, {source.toolCount.toLocaleString("en")} tools. It lets in callers by {source.auth.join(" or ")}.
      </p>
      <div className="flex flex-wrap gap-4">
        <Field label="How">
          <select className="field" value={auth} onChange={(event) => setAuth(event.target.value)}>
            {[...new Set([...source.auth, "bearer", "basic", OAUTH])].map((each) => (
              <option key={each}>{each}</option>
            ))}
          </select>
        </Field>
        <Field label="Whose">
          <select className="field" value={scope} onChange={(event) => setScope(event.target.value)}>
            <option value="workspace">everybody in the workspace</option>
            <option value="personal">mine alone</option>
            <option value="organization">the organization</option>
          </select>
        </Field>
      </div>
    </>
  );
  if (isOAuth)
    return (
      <div className="flex max-w-xl flex-col gap-4">
        {ways}
        <OAuthConnect key={scope} source={source.id} scope={scope} onDone={onDone} />
        <Button look="quiet" className="self-start" onClick={onDone}>
          Later
        </Button>
      </div>
    );
  return (
    <form
      className="flex max-w-xl flex-col gap-4"
      onSubmit={(event) => {
        event.preventDefault();
        void save();
      }}
    >
      {ways}
      <Field label={auth === "basic" ? "user:password" : "Token or key"} hint="It is sealed at once and never shown again; no program sees it.">
        <input className="field font-mono" type="password" autoComplete="off" required value={value} onChange={(event) => setValue(event.target.value)} />
      </Field>
      {error !== null && <Problem error={error} />}
      {said && (
        <p role="status" className={said.accepted === false ? "text-bad" : said.accepted ? "text-good" : "text-ink2"}>
          {said.accepted === false ? "✕ " : said.accepted ? "● " : ""}
          {said.message}
        </p>
      )}
      <div className="flex gap-2">
        {said && said.accepted !== false ? (
          <Button look="main" onClick={onDone}>
            Go on
          </Button>
        ) : (
          <Button look="main" type="submit" disabled={busy || value === ""}>
            {busy ? "Trying it…" : "Save and try it"}
          </Button>
        )}
        <Button look="quiet" onClick={onDone}>
          {said ? "Go on anyway" : "Later"}
        </Button>
      </div>
    </form>
  );
}

function Done({ source }: { source: Source }) {
  const { slug } = useSession();
  const tools = useQuery(toolsOf(useApi(), source.name));
  // One that changes nothing is the first to try.
  const first = tools.data?.find((each) => each.risk === "read" && each.decision !== "deny") ?? tools.data?.[0];
  return (
    <div className="flex flex-col gap-4">
      <Facts of={[["Name", source.name], ["Kind", source.kind], ["Tools", source.toolCount.toLocaleString("en")], ["Calls go to", <code key="u" className="break-all">{source.baseUrl}</code>], ["Status", source.reason && <Seen key="r" text={source.reason} />]]} />
      <div className="flex flex-wrap gap-2">
        {first && (
          <Link to="/w/$slug/tools/$path" params={{ slug, path: first.path }} search={{ tab: "try" }} className={buttonClass("main")}>
            Try {first.path}
          </Link>
        )}
        <Link to="/w/$slug/tools" params={{ slug }} className={buttonClass()}>
          See its tools
        </Link>
        <Link to="/w/$slug/policies" params={{ slug }} className={buttonClass()}>
          Set policies
        </Link>
        <Link to="/w/$slug/sources/$id" params={{ slug, id: source.id }} className={buttonClass()}>
          Open the source
        </Link>
      </div>
      {source.warnings.length > 0 && (
        <Panel title={count(source.warnings.length, "warning")}>
          <ul className="p-3">
            {source.warnings.slice(0, 50).map((each) => (
              <li key={each}>
                ▲ <Seen text={each} />
              </li>
            ))}
          </ul>
        </Panel>
      )}
    </div>
  );
}
