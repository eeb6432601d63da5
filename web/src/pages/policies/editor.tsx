// One rule as fields. Before it is saved: what it is about, and what it would do to recorded calls.
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import type { NewBacktest, NewRule, Rule, SetRule } from "~/api/client";
import { members as allMembers, tool as oneTool, useApi, useMay, useSession } from "~/api/queries";
import { Button, buttonClass, Field, Skeleton } from "~/ui/basics";
import { Problem } from "~/ui/state";
import { ToolPath } from "~/ui/text";
import { toast } from "~/ui/toast";
import { BacktestView } from "./backtest";

const EFFECTS = ["allow", "ask", "deny"] as const;
const RISKS = ["read", "write", "destructive", "unknown"];
const DAYS: [string, number | null][] = [["all recorded calls", null], ["the last day", 1], ["the last 7 days", 7], ["the last 30 days", 30]];

type Draft = {
  effect: string;
  level: string;
  tools: string;
  except: string;
  sources: string;
  risks: string[];
  clients: string;
  conditions: string[];
  until: string;
  note: string;
  waitMinutes: string;
  count: string;
  approvers: string;
  requesterMay: boolean;
  mayEdit: boolean;
};

function drafted(rule: Rule | SetRule | null, isAdmin: boolean): Draft {
  const m = rule?.match;
  return {
    effect: rule?.effect ?? "ask",
    level: rule && "level" in rule ? rule.level : (isAdmin ? "workspace" : "personal"),
    tools: m?.tools?.join(", ") ?? "",
    except: m?.except?.join(", ") ?? "",
    sources: m?.sources?.join(", ") ?? "",
    risks: m?.risks ?? [],
    clients: m?.clients?.join(", ") ?? "",
    conditions: m?.conditions ?? [],
    until: rule?.until ? local(rule.until) : "",
    note: rule?.note ?? "",
    waitMinutes: rule?.ask?.waitMs ? String(rule.ask.waitMs / 60_000) : "",
    count: String(rule?.ask?.count ?? 1),
    approvers: rule?.ask?.approvers?.join(", ") ?? "",
    requesterMay: rule?.ask?.requesterMay ?? true,
    mayEdit: rule?.ask?.mayEdit ?? false,
  };
}

/** A time as the field for it wants it: local, to the minute. */
function local(iso: string): string {
  const date = new Date(iso);
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

const list = (text: string) => text.split(/[,\s]+/).filter(Boolean);
const names = (text: string) => text.split(",").map((each) => each.trim()).filter(Boolean);

/** The rule that a draft stands for. What the form does not show stays as it was. */
function ruleOf(draft: Draft, before: Rule | SetRule | null, level: string | null): NewRule {
  return {
    effect: draft.effect,
    ...(level === null ? {} : { level }),
    match: {
      ...before?.match,
      tools: list(draft.tools),
      except: list(draft.except),
      sources: list(draft.sources),
      risks: draft.risks,
      clients: names(draft.clients),
      conditions: draft.conditions.map((each) => each.trim()).filter(Boolean),
    },
    ...(draft.effect === "ask"
      ? {
          ask: {
            approvers: list(draft.approvers),
            requesterMay: draft.requesterMay,
            mayEdit: draft.mayEdit,
            count: Number(draft.count) || 1,
            ...(draft.waitMinutes ? { waitMs: Math.round(Number(draft.waitMinutes) * 60_000) } : {}),
          },
        }
      : {}),
    ...(draft.until ? { until: new Date(draft.until).toISOString() } : {}),
    note: draft.note,
  } as NewRule;
}

/** People by their names where the person sees who is there, else by their identifiers. */
function Approvers({ value, onChange }: { value: string; onChange: (value: string) => void }) {
  const label = "Who may answer besides administrators";
  const people = (useQuery(allMembers(useApi())).data ?? []).filter((each) => each.role === "member" || each.role === "billing_admin");
  const chosen = list(value);
  if (people.length === 0)
    return (
      <Field label={label} hint="acct_…">
        <input className="field font-mono" value={value} onChange={(event) => onChange(event.target.value)} />
      </Field>
    );
  return (
    <fieldset>
      <legend className="mb-1 text-ink2">{label}</legend>
      <div className="flex max-h-40 flex-col overflow-auto">
        {people.map((each) => (
          <label key={each.id} className="flex min-h-7 items-center gap-1.5">
            <input type="checkbox" checked={chosen.includes(each.id)} onChange={(event) => onChange((event.target.checked ? [...chosen, each.id] : chosen.filter((id) => id !== each.id)).join(", "))} />
            {each.name}
          </label>
        ))}
      </div>
    </fieldset>
  );
}

/** Names to begin a condition with: those of the first tool that the rule is about. */
function Arguments({ of }: { of: string | undefined }) {
  const found = useQuery({ ...oneTool(useApi(), of ?? ""), enabled: of !== undefined, retry: false }).data;
  const properties = (found?.inputSchema as { properties?: Record<string, unknown> } | undefined)?.properties ?? {};
  return (
    <datalist id="argument-names">
      {Object.keys(properties).map((name) => (
        <option key={name} value={`${name} `} />
      ))}
    </datalist>
  );
}

const OPERATORS: [string, string][] = [
  ['status = "open"', "equals; != differs"],
  ["amount > 5000", "also <, <=, >=: numbers, or texts in the order of their letters"],
  ['owner in ["a", "b"]', "is one of a list; not in is none of it"],
  ['labels contains "prod"', "a part of a text, or an item of a list"],
  ['path glob "docs/*"', "a text with * for any characters"],
  ["note exists", "was given, be it null; absent was not"],
  ["items.0.price < 10", "names and places joined by dots lead inward"],
];

function HowConditions() {
  return (
    <details>
      <summary className="w-fit text-accent underline">How conditions are written</summary>
      <dl className="mt-1 grid grid-cols-1 gap-x-4 gap-y-0.5 md:grid-cols-[max-content_1fr]">
        {OPERATORS.map(([example, words]) => (
          <div key={example} className="contents">
            <dt className="font-mono">{example}</dt>
            <dd className="text-ink2">{words}</dd>
          </div>
        ))}
      </dl>
      <p className="mt-1 text-ink2">The value is JSON; a bare word is a text. Where the argument is missing or of another type, a rule that allows does not hold, one that asks or denies does.</p>
    </details>
  );
}

/** A set whose rule it is, and why the person may not change it. */
type InSet = { id: string; blocked: string | undefined };

/** The editor of a rule of a level or, with a set, of a rule of that. */
export function RuleEditor({ rule, inSet }: { rule: Rule | SetRule | null; inSet?: InSet }) {
  const { slug } = useSession();
  const api = useApi();
  const client = useQueryClient();
  const navigate = useNavigate();
  const isAdmin = useMay("admin");
  const isOwner = useMay("owner");
  const [draft, setDraft] = useState(() => drafted(rule, isAdmin));
  const [days, setDays] = useState(0);
  const [tried, setTried] = useState<{ key: string } | null>(null);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const set = (change: Partial<Draft>) => setDraft((now) => ({ ...now, ...change }));
  const next = ruleOf(draft, rule, inSet ? null : draft.level);
  const key = JSON.stringify([next, days]);
  const about = useQuery({
    queryKey: [api.workspace, "policy", "preview", JSON.stringify(next)],
    queryFn: () => api.post("/api/v1/policies/preview", { body: next as never }),
    retry: false,
    placeholderData: (before) => before,
  });
  const since = DAYS[days]?.[1];
  const backtest = useQuery({
    queryKey: [api.workspace, "policy", "backtest", key],
    enabled: tried?.key === key,
    retry: false,
    queryFn: () =>
      api.post("/api/v1/policies/backtest", {
        body: {
          change: rule ? "edit" : "add",
          ...(inSet ? { set: inSet.id } : {}),
          ...(rule ? { id: rule.id } : {}),
          rule: next,
          ...(since ? { since: new Date(Date.now() - since * 86_400_000).toISOString() } : {}),
        } as NewBacktest,
      }),
  });
  const isTried = tried?.key === key && backtest.data !== undefined;
  const save = async () => {
    setBusy(true);
    setError(null);
    try {
      const set = inSet?.id ?? "";
      const saved = inSet
        ? rule
          ? await api.put("/api/v1/policies/sets/{id}/rules/{rule}", { path: { id: set, rule: rule.id }, body: next as never })
          : await api.post("/api/v1/policies/sets/{id}/rules", { path: { id: set }, body: next as never })
        : rule
        ? await api.put("/api/v1/policies/{id}", { path: { id: rule.id }, body: next as never })
        : await api.post("/api/v1/policies", { body: next as never });
      await client.invalidateQueries({ queryKey: [api.workspace, "policy"] });
      toast(`Saved the rule ${saved.note || saved.id}`);
      if (inSet) await navigate({ to: "/w/$slug/policies/sets/$set", params: { slug, set }, search: { rule: saved.id } });
      else await navigate({ to: "/w/$slug/policies/$id", params: { slug, id: saved.id } });
    } catch (failure) {
      setError(failure);
    } finally {
      setBusy(false);
    }
  };
  const blocked = inSet ? inSet.blocked : "Your role may not change rules of this level";
  const isMine = inSet ? inSet.blocked === undefined : draft.level === "personal" || (draft.level === "workspace" ? isAdmin : isOwner);
  return (
    <form
      aria-label={rule ? "Rule" : "New rule"}
      className="flex flex-col gap-4 rounded-md border border-line bg-surface p-4"
      onSubmit={(event) => {
        event.preventDefault();
        setTried({ key });
      }}
    >
      <h2 className="text-item">{rule ? `Rule ${rule.position}` : "New rule"}</h2>
      <div className="flex flex-wrap gap-4">
        <fieldset className="flex items-center gap-3">
          <legend className="float-left mr-3 text-ink2">Then</legend>
          {EFFECTS.map((each) => (
            <label key={each} className="flex items-center gap-1.5">
              <input type="radio" name="effect" checked={draft.effect === each} onChange={() => set({ effect: each })} /> {each}
            </label>
          ))}
        </fieldset>
        {!inSet && <label className="flex items-center gap-2">
          <span className="text-ink2">in</span>
          <select className="field" value={draft.level} disabled={rule !== null} onChange={(event) => set({ level: event.target.value })}>
            <option value="organization">the organization</option>
            <option value="workspace">this workspace</option>
            <option value="personal">my own tasks</option>
          </select>
        </label>}
      </div>
      <Field label="When the tool is" hint="Patterns: * stands for one part, ** for any number. Empty: every tool.">
        <input className="field font-mono" placeholder="github.repos.*" value={draft.tools} onChange={(event) => set({ tools: event.target.value })} />
      </Field>
      <fieldset>
        <legend className="mb-1 text-ink2">and all of these hold for its arguments</legend>
        <div className="flex flex-col gap-1">
          {draft.conditions.map((each, i) => (
            <div key={i} className="flex gap-2">
              <input className="field flex-1 font-mono" aria-label={`Condition ${i + 1}`} placeholder="amount > 5000" list="argument-names" autoComplete="off" spellCheck={false} value={each} onChange={(event) => set({ conditions: draft.conditions.map((c, at) => (at === i ? event.target.value : c)) })} />
              <Button small look="quiet" aria-label={`Remove condition ${i + 1}`} onClick={() => set({ conditions: draft.conditions.filter((_, at) => at !== i) })}>
                ✕
              </Button>
            </div>
          ))}
          <Button small className="self-start" onClick={() => set({ conditions: [...draft.conditions, ""] })}>
            Add a condition
          </Button>
          <Arguments of={about.data?.total === 1 || draft.tools.trim() ? about.data?.tools[0] : undefined} />
          <HowConditions />
        </div>
      </fieldset>
      <details open={Boolean(draft.except || draft.sources || draft.clients || draft.risks.length)}>
        <summary className="text-accent underline">Narrow it further</summary>
        <div className="mt-3 grid grid-cols-1 gap-3 md:grid-cols-2">
          <Field label="Except tools">
            <input className="field font-mono" value={draft.except} onChange={(event) => set({ except: event.target.value })} />
          </Field>
          <Field label="Only sources">
            <input className="field font-mono" value={draft.sources} onChange={(event) => set({ sources: event.target.value })} />
          </Field>
          <Field label="Only clients" hint="As they call themselves, with commas.">
            <input className="field" value={draft.clients} onChange={(event) => set({ clients: event.target.value })} />
          </Field>
          <fieldset>
            <legend className="mb-1 text-ink2">Only risks</legend>
            <div className="flex flex-wrap gap-3">
              {RISKS.map((each) => (
                <label key={each} className="flex items-center gap-1.5">
                  <input type="checkbox" checked={draft.risks.includes(each)} onChange={(event) => set({ risks: event.target.checked ? [...draft.risks, each] : draft.risks.filter((r) => r !== each) })} />
                  {each}
                </label>
              ))}
            </div>
          </fieldset>
        </div>
      </details>
      {draft.effect === "ask" && (
        <div className="grid grid-cols-1 gap-3 md:grid-cols-2">
          <Field label="Expires after minutes" hint="Empty: as the workspace says, 30.">
            <input className="field" inputMode="numeric" value={draft.waitMinutes} onChange={(event) => set({ waitMinutes: event.target.value.replace(/[^\d.]/g, "") })} />
          </Field>
          <Field label="How many people must say yes">
            <input className="field" type="number" min={1} max={10} value={draft.count} onChange={(event) => set({ count: event.target.value })} />
          </Field>
          <Approvers value={draft.approvers} onChange={(approvers) => set({ approvers })} />
          <div className="flex flex-col justify-center gap-1">
            <Field inline label="Whoever runs the task may answer">
              <input type="checkbox" checked={draft.requesterMay} onChange={(event) => set({ requesterMay: event.target.checked })} />
            </Field>
            <Field inline label="A reviewer may change arguments">
              <input type="checkbox" checked={draft.mayEdit} onChange={(event) => set({ mayEdit: event.target.checked })} />
            </Field>
          </div>
        </div>
      )}
      <div className="grid grid-cols-1 gap-3 md:grid-cols-2">
        <Field label="Until" hint="Empty: no end.">
          <input className="field" type="datetime-local" value={draft.until} onChange={(event) => set({ until: event.target.value })} />
        </Field>
        <Field label="Note" hint="Why it is there; reviewers read it.">
          <input className="field" maxLength={500} value={draft.note} onChange={(event) => set({ note: event.target.value })} />
        </Field>
      </div>
      {about.error ? (
        <Problem error={about.error} />
      ) : about.data ? (
        <details>
          <summary>
            It is about <strong>{about.data.total.toLocaleString("en")}</strong> {about.data.total === 1 ? "tool" : "tools"}
            {!rule && !inSet && `, and would stand at place ${about.data.position} of its level`}.
          </summary>
          <ul className="mt-1 max-h-48 overflow-auto" tabIndex={0} aria-label="Tools it is about">
            {about.data.tools.map((each) => (
              <li key={each}>
                <ToolPath path={each} />
              </li>
            ))}
            {about.data.total > about.data.tools.length && <li className="text-ink2">and {about.data.total - about.data.tools.length} more</li>}
          </ul>
        </details>
      ) : (
        <Skeleton rows={1} />
      )}
      <label className="flex items-center gap-2">
        <span className="text-ink2">Try it on</span>
        <select className="field" value={days} onChange={(event) => setDays(Number(event.target.value))}>
          {DAYS.map(([label], i) => (
            <option key={label} value={i}>
              {label}
            </option>
          ))}
        </select>
      </label>
      {tried?.key === key && (backtest.data ? <BacktestView of={backtest.data} /> : backtest.error ? <Problem error={backtest.error} /> : <Skeleton rows={2} />)}
      {error !== null && <Problem error={error} />}
      <div className="flex flex-wrap gap-2">
        <Button type="submit" look={isTried ? "plain" : "main"} disabled={isTried}>
          See what it would do
        </Button>
        <Button look={isTried ? "main" : "plain"} disabled={busy} blocked={isMine ? (isTried ? undefined : "See what it would do first") : blocked} onClick={() => void save()}>
          {busy ? "Saving…" : "Save"}
        </Button>
        {inSet ? (
          <Link to="/w/$slug/policies/sets/$set" params={{ slug, set: inSet.id }} className={buttonClass("quiet")}>
            Close
          </Link>
        ) : (
          <Link to="/w/$slug/policies" params={{ slug }} className={buttonClass("quiet")}>
            Close
          </Link>
        )}
      </div>
    </form>
  );
}
