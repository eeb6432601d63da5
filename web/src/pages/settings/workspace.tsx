// What is set in a workspace: who sees and decides what, how long things are kept, limits.
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import type { Schemas } from "~/api/client";
import { settings as allSettings, useApi, useNeeds } from "~/api/queries";
import { Button, Field, Panel } from "~/ui/basics";
import { Loaded, Problem } from "~/ui/state";
import { toast } from "~/ui/toast";
import { RowForm } from "./form";

type Settings = Schemas["Settings"];
type Limit = Schemas["Limit"];

const SWITCHES: ["inClientDecisions" | "membersSeeAllTasks" | "approversMayEdit", string, string][] = [
  ["inClientDecisions", "People may answer approvals in a form that their MCP client shows", "The person behind the key must be one who may approve."],
  ["membersSeeAllTasks", "Members see each other's tasks, code and arguments", "Administrators always do."],
  ["approversMayEdit", "A reviewer may change the arguments of any call", "A rule may say so for its own."],
];

export function WorkspaceSection() {
  const query = useQuery(allSettings(useApi()));
  return (
    <>
      <Loaded query={query}>{(settings) => <Form settings={settings} />}</Loaded>
      <NewWorkspace />
    </>
  );
}

function useChange() {
  const api = useApi();
  const client = useQueryClient();
  const [error, setError] = useState<unknown>(null);
  const change = async (body: object, what: string) => {
    setError(null);
    try {
      const changed = await api.patch("/api/v1/workspace/settings", { body: body as never });
      client.setQueryData(allSettings(api).queryKey, changed);
      toast(`Changed ${what}`);
    } catch (failure) {
      setError(failure);
    }
  };
  return { change, error };
}

function Form({ settings }: { settings: Settings }) {
  const needs = useNeeds("admin");
  const { change, error } = useChange();
  const [days, setDays] = useState(String(settings.retentionDays));
  return (
    <>
      {error !== null && (
        <div className="mb-4">
          <Problem error={error} />
        </div>
      )}
      <Panel title="Who may what">
        <div className="flex flex-col gap-3 p-3">
          {SWITCHES.map(([name, label, hint]) => (
            <label key={name} className="flex items-start gap-2" title={needs}>
              <input type="checkbox" className="mt-1" checked={settings[name]} disabled={needs !== undefined} onChange={(event) => void change({ [name]: event.target.checked }, label.toLowerCase())} />
              <span>
                {label}
                <span className="block text-meta text-ink3">{hint}</span>
              </span>
            </label>
          ))}
        </div>
      </Panel>
      <Panel title="How long things are kept">
        <RowForm onSubmit={() => void change({ retentionDays: Number(days) }, "how long tasks are kept")}>
          <Field label="Days after its end at which a task is removed" hint="0 keeps tasks for ever. The audit log is always kept.">
            <input className="field w-32" inputMode="numeric" value={days} disabled={needs !== undefined} onChange={(event) => setDays(event.target.value.replace(/\D/g, ""))} />
          </Field>
          <Button type="submit" blocked={needs} disabled={days === "" || Number(days) === settings.retentionDays}>
            Save
          </Button>
        </RowForm>
      </Panel>
      <Panel title="Limits">
        <ul>
          {settings.limits.map((limit) => (
            <LimitRow key={limit.name} limit={limit} needs={needs} onChange={(value) => change({ limits: { [limit.name]: value } }, limit.name)} />
          ))}
        </ul>
      </Panel>
    </>
  );
}

function LimitRow({ limit, needs, onChange }: { limit: Limit; needs: string | undefined; onChange: (value: number | null) => Promise<void> }) {
  const [text, setText] = useState(String(limit.value));
  const value = Number(text);
  const isFine = text !== "" && value >= limit.lowest && value <= limit.highest;
  return (
    <li className="flex flex-wrap items-center gap-x-4 gap-y-1 border-b border-line px-3 py-1.5 last:border-0">
      <label htmlFor={`limit-${limit.name}`} className="min-w-0 flex-1 basis-72">
        <code>{limit.name}</code>
        <span className="block text-meta text-ink2">
          {limit.description}; {limit.lowest.toLocaleString("en")} to {limit.highest.toLocaleString("en")}, {limit.default.toLocaleString("en")} by default.
        </span>
      </label>
      <input id={`limit-${limit.name}`} className="field w-36 text-right font-mono" inputMode="numeric" value={text} aria-invalid={!isFine} disabled={needs !== undefined} onChange={(event) => setText(event.target.value.replace(/\D/g, ""))} />
      <Button small blocked={needs} disabled={!isFine || value === limit.value} aria-label={`Save ${limit.name}`} onClick={() => void onChange(value)}>
        Save
      </Button>
      <Button small look="quiet" blocked={needs} disabled={limit.value === limit.default} aria-label={`Put ${limit.name} back to its default`} onClick={() => void onChange(null).then(() => setText(String(limit.default)))}>
        Default
      </Button>
    </li>
  );
}

function NewWorkspace() {
  const api = useApi();
  const client = useQueryClient();
  const navigate = useNavigate();
  const needs = useNeeds("admin");
  const [slug, setSlug] = useState("");
  const [name, setName] = useState("");
  const [error, setError] = useState<unknown>(null);
  const make = async () => {
    setError(null);
    try {
      const made = await api.post("/api/v1/workspaces", { body: { slug, ...(name ? { name } : {}) } as never });
      await client.invalidateQueries({ queryKey: ["entry"] });
      await navigate({ to: "/w/$slug", params: { slug: made.slug } });
    } catch (failure) {
      setError(failure);
    }
  };
  return (
    <Panel title="Another workspace">
      <RowForm onSubmit={() => void make()} error={error}>
        <Field label="Short name" hint="For addresses: lower-case letters, digits, hyphens.">
          <input className="field w-48 font-mono" value={slug} onChange={(event) => setSlug(event.target.value.toLowerCase())} />
        </Field>
        <Field label="Name" hint="What people see.">
          <input className="field w-56" value={name} onChange={(event) => setName(event.target.value)} />
        </Field>
        <Button type="submit" blocked={needs} disabled={slug === ""}>
          Make it
        </Button>
      </RowForm>
    </Panel>
  );
}
