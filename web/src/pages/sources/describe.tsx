// The first step of adding a source: where its description is, or one of the services that are known.
import { useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { ApiError, type Schemas } from "~/api/client";
import { useApi, useNeeds } from "~/api/queries";
import { isFields } from "~/lib/json";
import { count } from "~/lib/time";
import { Button, Field, Outside } from "~/ui/basics";
import { Loaded, Problem } from "~/ui/state";
import { Seen } from "~/ui/text";
import { bodyOf, type Draft, draftOf, isAddress, OAUTH, type Preset } from "./draft";
import { mcpServers } from "./mcpjson";
import { Several } from "./several";

type Preview = Schemas["SourcePreview"];
type Tried = { url: string; status?: number; contentType?: string; beginsWith?: string; problem?: string };

/** What was asked for a description, as far as an error carries it. */
function triedOf(error: unknown): Tried[] {
  const details = error instanceof ApiError ? error.problem.details : null;
  return isFields(details) && Array.isArray(details.tried) ? (details.tried as Tried[]) : [];
}

/** Every address that was asked, and what came back. */
function Asked({ of }: { of: Tried[] }) {
  if (of.length === 0) return null;
  return (
    <section aria-label="What was tried">
      <h3 className="text-ink2">What was tried</h3>
      <ul className="max-h-60 overflow-auto rounded-md border border-line" tabIndex={0} aria-label="What was tried">
        {of.map((each) => (
          <li key={each.url} className="border-b border-line px-3 py-1 last:border-0">
            <span className="font-mono break-all">{each.url}</span>{" "}
            <span className="text-ink2">
              {each.status ?? "no answer"}
              {each.contentType && <> {each.contentType}</>}
              {each.problem && (
                <>
                  : <Seen text={each.problem} />
                </>
              )}
            </span>
            {each.beginsWith && (
              <code className="block text-meta break-all text-ink2">
                <Seen text={each.beginsWith} />
              </code>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}
type DescribeProps = { draft: Draft; onDraft: (draft: Draft) => void; onPreview: (preview: Preview) => void };

export function Describe({ draft, onDraft, onPreview }: DescribeProps) {
  const api = useApi();
  const needs = useNeeds("admin");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const [isMore, setMore] = useState(false);
  const { input, fileName, preset } = draft;
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
    if (file) set({ input: await file.text(), fileName: file.name, preset: null });
  };
  const secret = (
    <Field label={preset?.auth === "basic" ? "user:password to read it with" : "Token or key to read it with"} hint="Only where it tells nothing without. It becomes the source's credential, sealed at once.">
      <input className="field font-mono" type="password" autoComplete="off" value={draft.secret} onChange={(event) => set({ secret: event.target.value })} />
    </Field>
  );
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
            <textarea className="area min-h-24 font-mono" spellCheck={false} required placeholder="https://api.example.com/openapi.json" value={input} onChange={(event) => set({ input: event.target.value, fileName: "", preset: null })} />
          </Field>
          <label className="flex flex-wrap items-center gap-3">
            <span className="text-ink2">or a file</span>
            <input type="file" className="min-w-0 max-w-full" accept=".json,.yaml,.yml,.graphql,.txt" onChange={(event) => void take(event.target.files?.[0])} />
          </label>
          {preset && (
            <p>
              <strong>{preset.title}</strong> {preset.auth === OAUTH ? "lets in callers to whom it grants tokens" : `takes a ${preset.auth === "basic" ? "user and password" : "token or key"}`}: <Outside to={preset.credentialUrl}>{preset.auth === OAUTH ? "how it is set up there" : "where to get one"}</Outside>
            </p>
          )}
          {preset && preset.kind === "graphql" && secret}
          <details open={isMore} onToggle={(event) => setMore(event.currentTarget.open)}>
            <summary className="w-fit text-accent underline">More</summary>
            <div className="mt-3 flex flex-col gap-4">
              <Field label="Name its tools begin with" hint="Made from its title where empty.">
                <input className="field max-w-60 font-mono" value={draft.name} onChange={(event) => set({ name: event.target.value })} autoComplete="off" />
              </Field>
              <Field label="What it is" hint="Where it tells nothing without a credential, or is taken for something else.">
                <select className="field max-w-60" value={draft.kind} onChange={(event) => set({ kind: event.target.value })}>
                  <option value="">found out</option>
                  <option value="openapi">OpenAPI</option>
                  <option value="graphql">GraphQL</option>
                  <option value="mcp">MCP</option>
                </select>
              </Field>
              <Field label="Address to send calls to" hint={hole ? `Put your own in the place of ${hole}.` : "Where the description's own is missing or not wanted."}>
                <input className="field font-mono" value={draft.baseUrl} onChange={(event) => set({ baseUrl: event.target.value })} />
              </Field>
              <Field label="A header to send with every call" hint="Such as X-Version: 2. Secrets belong into a credential.">
                <input className="field font-mono" value={draft.header} onChange={(event) => set({ header: event.target.value })} />
              </Field>
              {!(preset && preset.kind === "graphql") && secret}
              <Field inline label="Its host may be on a private network">
                <input type="checkbox" checked={draft.isPrivate} onChange={(event) => set({ isPrivate: event.target.checked })} />
              </Field>
            </div>
          </details>
          {error !== null && <Problem error={error} />}
          <Asked of={triedOf(error)} />
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
        onPick={(picked) => {
          onDraft(draftOf(picked));
          setMore(picked.baseUrl?.includes("{") ?? false);
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
