// Adds a source in three steps: where its description is, how it lets callers in, what came of it.
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import type { Source, ToolHit } from "~/api/client";
import { toolsOf, useApi, useNeeds, useSession } from "~/api/queries";
import { count } from "~/lib/time";
import { Button, buttonClass, Decision, Facts, Field, Page, Panel, Risk } from "~/ui/basics";
import { explain, Loaded, Problem } from "~/ui/state";
import { Seen, ToolPath } from "~/ui/text";
import { OAuthConnect } from "./connect";
import { type McpServer, mcpServers } from "./mcpjson";

export function AddSourcePage() {
  const [source, setSource] = useState<Source | null>(null);
  const [isOpen, setOpen] = useState(false);
  const steps = ["Description", "Authentication", "Done"];
  const at = source === null ? 0 : source.auth.length > 0 && !isOpen ? 1 : 2;
  return (
    <Page title="Add a source">
      <ol className="mb-4 flex gap-4" aria-label="Steps">
        {steps.map((step, i) => (
          <li key={step} aria-current={i === at ? "step" : undefined} className={i === at ? "font-semibold" : "text-ink3"}>
            {i + 1}. {step}
          </li>
        ))}
      </ol>
      {source === null ? <Describe onAdded={setSource} /> : at === 1 ? <Authenticate source={source} onDone={() => setOpen(true)} /> : <Done source={source} />}
    </Page>
  );
}

function Describe({ onAdded }: { onAdded: (source: Source) => void }) {
  const api = useApi();
  const client = useQueryClient();
  const needs = useNeeds("admin");
  const [input, setInput] = useState("");
  const [name, setName] = useState("");
  const [baseUrl, setBaseUrl] = useState("");
  const [header, setHeader] = useState("");
  const [isPrivate, setPrivate] = useState(false);
  const [fileName, setFileName] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const isUrl = /^https?:\/\/\S+$/.test(input.trim());
  const servers = useMemo(() => (isUrl ? null : mcpServers(input)), [input, isUrl]);
  const add = async () => {
    setBusy(true);
    setError(null);
    try {
      const pair = /^([^:\s]+)\s*:\s*(.+)$/.exec(header.trim());
      const source = await api.post("/api/v1/sources", {
        body: {
          ...(isUrl ? { url: input.trim() } : { document: input, fileName: fileName || "pasted" }),
          ...(name ? { name } : {}),
          ...(baseUrl ? { baseUrl } : {}),
          ...(pair ? { headers: [{ name: pair[1], value: pair[2] }] } : {}),
          allowPrivate: isPrivate,
        } as never,
      });
      void client.invalidateQueries({ queryKey: [api.workspace, "sources"] });
      void client.invalidateQueries({ queryKey: [api.workspace, "tools"] });
      onAdded(source);
    } catch (failure) {
      setError(failure);
    } finally {
      setBusy(false);
    }
  };
  const take = async (file: File | undefined) => {
    if (!file) return;
    setInput(await file.text());
    setFileName(file.name);
  };
  return (
    <div className="max-w-2xl">
      <form
        className="flex flex-col gap-4"
        onSubmit={(event) => {
          event.preventDefault();
          void add();
        }}
      >
        <Field label="Address of a description, or its text" hint={isUrl ? "An address: the server reads it." : servers ? `An mcp.json with ${count(servers.length, "server")}.` : input.trim() ? `A text${fileName ? ` from ${fileName}` : ""}: ${input.length.toLocaleString("en")} characters.` : "What it describes is found out from it."}>
          <textarea className="area min-h-24 font-mono" spellCheck={false} required placeholder="https://api.example.com/openapi.json" value={input} onChange={(event) => (setInput(event.target.value), setFileName(""))} />
        </Field>
        <label className="flex items-center gap-3">
          <span className="text-ink2">or a file</span>
          <input type="file" accept=".json,.yaml,.yml,.graphql,.txt" onChange={(event) => void take(event.target.files?.[0])} />
        </label>
        <details>
          <summary className="text-accent underline">More</summary>
          <div className="mt-3 flex flex-col gap-4">
            <Field label="Name its tools begin with" hint="Made from its title where empty.">
              <input className="field max-w-60 font-mono" value={name} onChange={(event) => setName(event.target.value)} autoComplete="off" />
            </Field>
            <Field label="Address to send calls to" hint="Where the description's own is missing or not wanted.">
              <input className="field font-mono" value={baseUrl} onChange={(event) => setBaseUrl(event.target.value)} />
            </Field>
            <Field label="A header to send with every call" hint="Such as X-Version: 2. Secrets belong into a credential.">
              <input className="field font-mono" value={header} onChange={(event) => setHeader(event.target.value)} />
            </Field>
            <Field inline label="Its host may be on a private network">
              <input type="checkbox" checked={isPrivate} onChange={(event) => setPrivate(event.target.checked)} />
            </Field>
          </div>
        </details>
        {error !== null && <Problem error={error} />}
        {servers && servers.length > 1 ? null : (
          <div>
            <Button look="main" type="submit" disabled={busy || input.trim() === ""} blocked={needs}>
              {busy ? "Reading the description…" : "Add the source"}
            </Button>
          </div>
        )}
      </form>
      {servers && servers.length > 1 && <Several key={input} servers={servers} allowPrivate={isPrivate} needs={needs} />}
    </div>
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
                    {each.isCommand && <span className="text-wait">a program of the server's machine: </span>}
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
  return (
    <div className="flex flex-col gap-4">
      <Facts of={[["Name", source.name], ["Kind", source.kind], ["Tools", source.toolCount.toLocaleString("en")], ["Calls go to", <code key="u">{source.baseUrl}</code>]]} />
      {source.warnings.length > 0 && (
        <Panel title={`${source.warnings.length} warnings`}>
          <ul className="p-3">
            {source.warnings.slice(0, 50).map((each) => (
              <li key={each}>
                ▲ <Seen text={each} />
              </li>
            ))}
          </ul>
        </Panel>
      )}
      <Loaded query={tools}>{(all) => <Preview tools={all} slug={slug} />}</Loaded>
      <div className="flex flex-wrap gap-2">
        <Link to="/w/$slug/tools" params={{ slug }} className={buttonClass("main")}>
          See its tools
        </Link>
        <Link to="/w/$slug/policies" params={{ slug }} className={buttonClass()}>
          Set policies
        </Link>
        <Link to="/w/$slug/sources/$id" params={{ slug, id: source.id }} className={buttonClass()}>
          Open the source
        </Link>
      </div>
    </div>
  );
}

function Preview({ tools, slug }: { tools: ToolHit[]; slug: string }) {
  const counts = ["read", "write", "destructive", "unknown"].map((risk) => [risk, tools.filter((each) => each.risk === risk).length] as const);
  return (
    <Panel title="What it can do">
      <ul className="flex flex-wrap gap-4 border-b border-line p-3">
        {counts
          .filter(([, n]) => n > 0)
          .map(([risk, n]) => (
            <li key={risk}>
              <Risk of={risk} /> {n.toLocaleString("en")} <span className="text-ink3">{risk === "read" ? "allowed by default" : "ask by default"}</span>
            </li>
          ))}
      </ul>
      <ul className="max-h-80 overflow-auto" tabIndex={0} aria-label="Tools">
        {tools.slice(0, 200).map((each) => (
          <li key={each.path} className="flex items-baseline gap-3 px-3 py-0.5">
            <Link to="/w/$slug/tools/$path" params={{ slug, path: each.path }} className="min-w-0 flex-1 hover:underline">
              <ToolPath path={each.path} />
            </Link>
            <Risk of={each.risk} short />
            <Decision of={each.decision} />
          </li>
        ))}
      </ul>
    </Panel>
  );
}
