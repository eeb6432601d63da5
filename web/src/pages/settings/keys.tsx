// API keys. A secret is shown once, and is gone from the page when it is closed.
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useRef, useState } from "react";
import type { Key, Schemas } from "~/api/client";
import { keys as allKeys, useApi, useNames } from "~/api/queries";
import { Ago, Button, Copy, Empty, Field, Panel, Status, When } from "~/ui/basics";
import { Confirm, Dialog } from "~/ui/dialog";
import { explain, Loaded } from "~/ui/state";
import { toast } from "~/ui/toast";
import { RowForm } from "./form";
import { Grants } from "./grants";

type Made = Schemas["KeyWithSecret"];
const SCOPES: [string, string][] = [
  ["run", "run tasks"],
  ["read", "read"],
  ["sources", "change sources"],
  ["policies", "change policies"],
  ["credentials", "set credentials"],
  ["keys", "make keys"],
  ["members", "change members"],
  ["settings", "change settings"],
  ["audit", "read the audit log"],
];
const DAYS: [string, number | null][] = [["never", null], ["in 7 days", 7], ["in 30 days", 30], ["in 90 days", 90], ["in a year", 365]];

export function KeysSection() {
  const api = useApi();
  const client = useQueryClient();
  const query = useQuery(allKeys(api));
  const [made, setMade] = useState<Made | null>(null);
  const show = (key: Made) => {
    setMade(key);
    void client.invalidateQueries({ queryKey: [api.workspace, "keys"] });
  };
  return (
    <>
      <Panel title="API keys">
        <p className="border-b border-line p-3 text-ink2">A key runs tasks for one person in one workspace. It never decides an approval.</p>
        <Loaded query={query}>
          {(items) =>
            items.length === 0 ? (
              <Empty>There is no key yet.</Empty>
            ) : (
              <ul>
                {items.map((each) => (
                  <Row key={each.id} of={each} onMade={show} />
                ))}
              </ul>
            )
          }
        </Loaded>
        <Add onMade={show} />
      </Panel>
      <Grants />
      <Dialog open={made !== null} onClose={() => setMade(null)} title={`The secret of ${made?.key.name ?? ""}`} footer={<Button look="main" onClick={() => setMade(null)}>I have it</Button>}>
        <p className="mb-2">It is shown this once. Keep it where the program finds it, such as EXECUTOR_API_KEY.</p>
        <div className="flex items-center gap-2">
          <code data-testid="secret" className="min-w-0 flex-1 rounded-md border border-line bg-bg p-2 break-all">
            {made?.secret}
          </code>
          {made && <Copy text={made.secret} />}
        </div>
      </Dialog>
    </>
  );
}

function Row({ of, onMade }: { of: Key; onMade: (made: Made) => void }) {
  const api = useApi();
  const client = useQueryClient();
  const names = useNames();
  const [open, setOpen] = useState<"rotate" | "revoke" | null>(null);
  const [overlap, setOverlap] = useState(86_400_000);
  const cancel = useRef<HTMLButtonElement>(null);
  const path = { id: of.id };
  const act = async (what: () => Promise<unknown>) => {
    await what().catch((error: unknown) => toast(explain(error).title));
    setOpen(null);
    void client.invalidateQueries({ queryKey: [api.workspace, "keys"] });
  };
  return (
    <li className="flex flex-wrap items-center gap-x-4 gap-y-1 border-b border-line px-3 py-1.5">
      <span className="min-w-0 flex-1 basis-56">
        <strong>{of.name}</strong> <span className="text-ink2">for {names(of.member)}</span>
        <span className="block text-meta text-ink3">
          {of.prefix && (
            <>
              <code title="What its secret begins with">{of.prefix}…</code> ·{" "}
            </>
          )}
          <code>{of.id}</code> · made by {names(of.createdBy)} <When at={of.createdAt} />
          {of.scopes.length > 0 && ` · for ${of.scopes.join(", ")}`}
          {of.limits?.requestsPerMinute && ` · ${of.limits.requestsPerMinute} requests a minute`}
          {of.limits?.tasksPerDay && ` · ${of.limits.tasksPerDay} tasks a day`}
          {of.previousUntil && (
            <>
              {" "}
              · the secret before works until <When at={of.previousUntil} />
            </>
          )}
        </span>
      </span>
      <Status of={of.status} />
      <span className="text-meta text-ink2">
        {of.expiresAt ? <>ends <When at={of.expiresAt} /></> : "no end"} · {of.lastUsedAt ? <>used <Ago at={of.lastUsedAt} /></> : "never used"}
      </span>
      <span className="flex gap-1">
        <Button small onClick={() => setOpen("rotate")} aria-label={`Rotate ${of.name}`}>
          Rotate
        </Button>
        <Button small look="quiet" onClick={() => setOpen("revoke")} aria-label={`Revoke ${of.name}`}>
          Revoke
        </Button>
      </span>
      <Confirm
        open={open !== null}
        onClose={() => setOpen(null)}
        cancelRef={cancel}
        look={open === "revoke" ? "danger" : "main"}
        verb={open === "revoke" ? "Revoke the key" : "Make a new secret"}
        title={open === "revoke" ? `Revoke ${of.name}?` : `New secret for ${of.name}?`}
        onYes={() =>
          void act(async () => {
            if (open === "revoke") await api.delete("/api/v1/keys/{id}", { path });
            else onMade(await api.post("/api/v1/keys/{id}/rotate", { path, body: { overlapMs: overlap } as never }));
          })
        }
      >
        {open === "revoke" ? (
          <p>What holds it is refused from the next request on.</p>
        ) : (
          <Field label="The secret of now works on for">
            <select className="field" value={overlap} onChange={(event) => setOverlap(Number(event.target.value))}>
              <option value={86_400_000}>a day</option>
              <option value={3_600_000}>an hour</option>
              <option value={7 * 86_400_000}>a week</option>
              <option value={0}>not at all</option>
            </select>
          </Field>
        )}
      </Confirm>
    </li>
  );
}

function Add({ onMade }: { onMade: (made: Made) => void }) {
  const api = useApi();
  const [name, setName] = useState("");
  const [days, setDays] = useState(0);
  const [scopes, setScopes] = useState<string[]>(["run", "read"]);
  const [perMinute, setPerMinute] = useState("");
  const [perDay, setPerDay] = useState("");
  const [error, setError] = useState<unknown>(null);
  const add = async () => {
    setError(null);
    const ms = DAYS[days]?.[1];
    try {
      const limits = { ...(perMinute ? { requestsPerMinute: Number(perMinute) } : {}), ...(perDay ? { tasksPerDay: Number(perDay) } : {}) };
      onMade(await api.post("/api/v1/keys", { body: { name, scopes, ...(Object.keys(limits).length > 0 ? { limits } : {}), ...(ms ? { expiresAt: new Date(Date.now() + ms * 86_400_000).toISOString() } : {}) } as never }));
      setName("");
    } catch (failure) {
      setError(failure);
    }
  };
  return (
    <RowForm onSubmit={() => void add()} error={error}>
      <Field label="Name of the new key">
        <input className="field" placeholder="the program that holds it" value={name} onChange={(event) => setName(event.target.value)} />
      </Field>
      <Field label="It ends">
        <select className="field" value={days} onChange={(event) => setDays(Number(event.target.value))}>
          {DAYS.map(([label], i) => (
            <option key={label} value={i}>
              {label}
            </option>
          ))}
        </select>
      </Field>
      <details className="basis-full">
        <summary className="text-accent underline">What it may be used for, and how much</summary>
        <div className="mt-2 flex flex-col gap-3">
          <div role="group" aria-label="Scopes" className="flex flex-wrap gap-x-4 gap-y-1">
            {SCOPES.map(([scope, words]) => (
              <label key={scope} className="flex items-center gap-1.5" title={words}>
                <input type="checkbox" checked={scopes.includes(scope)} onChange={(event) => setScopes(event.target.checked ? [...scopes, scope] : scopes.filter((each) => each !== scope))} />
                {words}
              </label>
            ))}
          </div>
          <div className="flex flex-wrap gap-3">
            <Field label="Requests each minute at most">
              <input className="field w-32" inputMode="numeric" placeholder="no limit of its own" value={perMinute} onChange={(event) => setPerMinute(event.target.value.replace(/\D/g, ""))} />
            </Field>
            <Field label="Tasks each day at most">
              <input className="field w-32" inputMode="numeric" placeholder="no limit of its own" value={perDay} onChange={(event) => setPerDay(event.target.value.replace(/\D/g, ""))} />
            </Field>
          </div>
        </div>
      </details>
      <Button type="submit" disabled={name.trim() === "" || scopes.length === 0}>
        Make a key
      </Button>
    </RowForm>
  );
}
