// Invites: a link for whoever is to join. It is shown once.
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import type { Schemas } from "~/api/client";
import { useApi, useMay, useNames, useSession } from "~/api/queries";
import { Button, Copy, Field, Panel, Status, When } from "~/ui/basics";
import { Dialog } from "~/ui/dialog";
import { explain, Loaded } from "~/ui/state";
import { Seen } from "~/ui/text";
import { toast } from "~/ui/toast";
import { RoleField, RowForm } from "./form";

const DAYS = [1, 7, 30];

export function Invites({ ranks }: { ranks: string[] }) {
  const api = useApi();
  const client = useQueryClient();
  const names = useNames();
  const isAdmin = useMay("admin");
  const [made, setMade] = useState<Schemas["MadeInvite"] | null>(null);
  const query = useQuery({ queryKey: [api.workspace, "invites"], queryFn: async () => (await api.get("/api/v1/invites")).items, enabled: isAdmin });
  const stale = () => void client.invalidateQueries({ queryKey: [api.workspace, "invites"] });
  if (!isAdmin) return null;
  const revoke = async (id: string) => {
    await api.delete("/api/v1/invites/{id}", { path: { id } }).catch((error: unknown) => toast(explain(error).title));
    stale();
  };
  return (
    <Panel title="Invites">
      <Loaded query={query}>
        {(items) =>
          items.length > 0 && (
            <ul>
              {items.map((each) => (
                <li key={each.id} className="flex flex-wrap items-center gap-x-4 gap-y-1 border-b border-line px-3 py-1.5">
                  <span className="min-w-0 flex-1 basis-48">
                    <Seen text={each.email || each.note || "for whoever has the link"} />
                    <span className="block text-meta text-ink3">
                      as {each.role.replaceAll("_", " ")} · by {names(each.createdBy)} · {each.uses} of {each.maxUses} used · ends <When at={each.expiresAt} />
                    </span>
                  </span>
                  <Status of={each.status === "open" ? "active" : each.status === "used" ? "ok" : each.status} />
                  {each.status === "open" && (
                    <Button small look="quiet" aria-label={`Revoke the invite ${each.email || each.id}`} onClick={() => void revoke(each.id)}>
                      Revoke
                    </Button>
                  )}
                </li>
              ))}
            </ul>
          )
        }
      </Loaded>
      <Add
        ranks={ranks}
        onMade={(invite) => {
          setMade(invite);
          stale();
        }}
      />
      <Dialog open={made !== null} onClose={() => setMade(null)} title="The link of the invite" footer={<Button look="main" onClick={() => setMade(null)}>I have it</Button>}>
        <p className="mb-2">It is shown this once. Whoever opens it and is signed in may join.</p>
        <div className="flex items-center gap-2">
          <code data-testid="invite" className="min-w-0 flex-1 rounded-md border border-line bg-bg p-2 break-all">
            {made?.url}
          </code>
          {made && <Copy text={made.url} />}
        </div>
      </Dialog>
    </Panel>
  );
}

function Add({ ranks, onMade }: { ranks: string[]; onMade: (made: Schemas["MadeInvite"]) => void }) {
  const { workspaces, me } = useSession();
  const api = useApi();
  const [email, setEmail] = useState("");
  const [role, setRole] = useState("member");
  const [days, setDays] = useState(7);
  const [uses, setUses] = useState("1");
  const [into, setInto] = useState<string[]>([]);
  const [error, setError] = useState<unknown>(null);
  const restricted = workspaces.filter((each) => each.access === "restricted" && each.organizationId === me.organization.id);
  const add = async () => {
    setError(null);
    try {
      const expiresAt = new Date(Date.now() + days * 86_400_000).toISOString();
      onMade(await api.post("/api/v1/invites", { body: { role, expiresAt, maxUses: Number(uses) || 1, workspaces: into, ...(email ? { email } : {}) } as never }));
      setEmail("");
    } catch (failure) {
      setError(failure);
    }
  };
  return (
    <RowForm onSubmit={() => void add()} error={error}>
      <Field label="For whom (a note)">
        <input className="field" type="email" autoComplete="off" placeholder="ada@example.com" value={email} onChange={(event) => setEmail(event.target.value)} />
      </Field>
      <RoleField label="Joins as" ranks={ranks} value={role} onChange={setRole} />
      <Field label="Works for">
        <select className="field" value={days} onChange={(event) => setDays(Number(event.target.value))}>
          {DAYS.map((each) => (
            <option key={each} value={each}>
              {each === 1 ? "a day" : `${each} days`}
            </option>
          ))}
        </select>
      </Field>
      <Field label="People">
        <input className="field w-20" inputMode="numeric" value={uses} onChange={(event) => setUses(event.target.value.replace(/\D/g, ""))} />
      </Field>
      {restricted.length > 0 && (
        <fieldset className="flex flex-wrap gap-x-4">
          <legend className="text-ink2">Let into</legend>
          {restricted.map((each) => (
            <label key={each.id} className="flex items-center gap-1.5">
              <input type="checkbox" checked={into.includes(each.id)} onChange={(event) => setInto(event.target.checked ? [...into, each.id] : into.filter((id) => id !== each.id))} />
              {each.name}
            </label>
          ))}
        </fieldset>
      )}
      <Button type="submit">Make an invite</Button>
    </RowForm>
  );
}
