// The people of the organization and what their roles let them do.
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useRef, useState } from "react";
import { ApiError, type Member } from "~/api/client";
import { members as allMembers, useApi, useNeeds, useSession } from "~/api/queries";
import { Ago, Button, Field, Panel, When } from "~/ui/basics";
import { Confirm } from "~/ui/dialog";
import { explain, Loaded } from "~/ui/state";
import { toast } from "~/ui/toast";
import { RoleField, RowForm } from "./form";
import { Invites } from "./invites";

const ROLES = ["member", "billing_admin", "admin", "owner"];
const MAY: [string, string, string, string, string][] = [
  ["Run tasks, see own tasks, own credentials, own personal rules", "yes", "yes", "yes", "yes"],
  ["See other members' tasks, code and arguments", "if set", "no", "yes", "yes"],
  ["Decide approvals", "where a rule names them", "no", "yes", "yes"],
  ["Sources, workspace rules, shared credentials, keys of others, audit", "no", "no", "yes", "yes"],
  ["Members, invites, workspaces", "no", "no", "yes", "yes"],
  ["Organization rules, ownership, deletion", "no", "no", "no", "yes"],
];

export function MembersSection() {
  const api = useApi();
  const query = useQuery(allMembers(api));
  const { me } = useSession();
  const ranks = ROLES.slice(0, ROLES.indexOf(me.role) + 1);
  return (
    <>
      <Panel title="Members">
        <Loaded query={query}>
          {(items) => (
            <ul>
              {items.map((each) => (
                <Row key={each.id} member={each} ranks={ranks} isLastOwner={each.role === "owner" && items.filter((m) => m.role === "owner").length === 1} />
              ))}
            </ul>
          )}
        </Loaded>
        <Add ranks={ranks} />
      </Panel>
      <Invites ranks={ranks} />
      <Panel title="What roles may do">
        <div className="overflow-x-auto" tabIndex={0} role="group" aria-label="What roles may do">
          <table className="w-full text-left">
            <thead className="text-meta text-ink3">
              <tr>
                <th className="px-3 py-1 font-normal">May</th>
                {ROLES.map((each) => (
                  <th key={each} className="px-3 font-normal whitespace-nowrap">
                    {each.replaceAll("_", " ")}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {MAY.map(([what, ...cells]) => (
                <tr key={what} className="border-t border-line">
                  <td className="min-w-44 px-3 py-1.5">{what}</td>
                  {cells.map((cell, i) => (
                    <td key={i} className={cell === "yes" ? "px-3" : "px-3 text-ink2"}>
                      {cell}
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </Panel>
    </>
  );
}

function Row({ member, ranks, isLastOwner }: { member: Member; ranks: string[]; isLastOwner: boolean }) {
  const { me } = useSession();
  const api = useApi();
  const client = useQueryClient();
  const needs = useNeeds("admin");
  const [asked, setAsked] = useState<"remove" | "hand over" | null>(null);
  const cancel = useRef<HTMLButtonElement>(null);
  const blocked = needs ?? (isLastOwner ? "The last owner stays" : ranks.includes(member.role) ? undefined : "Above your own role");
  const act = async (what: () => Promise<unknown>, said?: string) => {
    await what()
      .then((told) => toast(said ?? String(told)))
      .catch((error: unknown) => toast(explain(error).title));
    setAsked(null);
    void client.invalidateQueries({ queryKey: [api.workspace, "members"] });
    void client.invalidateQueries({ queryKey: [api.workspace, "me"] });
  };
  const setRole = (id: string, role: string) => api.patch("/api/v1/members/{id}", { path: { id }, body: { role } as never });
  // The other one first: the last owner stays, whatever comes between.
  const handOver = async () => {
    await setRole(member.id, "owner");
    try {
      await setRole(me.accountId, "admin");
      return `${member.name} is the owner now`;
    } catch (error) {
      if (error instanceof ApiError && error.code === "local_owner") return `${member.name} is an owner now; whoever runs the server stays one, too`;
      throw error;
    }
  };
  return (
    <li className="flex flex-wrap items-center gap-x-4 gap-y-1 border-b border-line px-3 py-1.5 md:grid md:grid-cols-[minmax(0,1fr)_auto_140px_100px_84px]">
      <span className="min-w-0 flex-1 basis-48">
        {member.name} {member.id === me.accountId && <span className="text-ink3">(you)</span>}
        <span className="block font-mono text-meta break-all text-ink3">{member.id}</span>
      </span>
      <span className="text-meta text-ink2">
        since <When at={member.joinedAt} />, {member.lastActiveAt ? <>last active <Ago at={member.lastActiveAt} /></> : "not seen yet"}
      </span>
      <select className="field" aria-label={`Role of ${member.name}`} title={blocked} value={member.role} disabled={blocked !== undefined} onChange={(event) => void act(() => setRole(member.id, event.target.value), `Changed the role of ${member.name}`)}>
        {[...new Set([...ranks, member.role])].map((each) => (
          <option key={each} value={each}>
            {each.replaceAll("_", " ")}
          </option>
        ))}
      </select>
      {me.role === "owner" && member.id !== me.accountId && member.role !== "owner" ? (
        <Button small look="quiet" onClick={() => setAsked("hand over")} aria-label={`Hand the ownership over to ${member.name}`}>
          Hand over…
        </Button>
      ) : (
        <span className="hidden md:block" />
      )}
      <Button small look="quiet" blocked={blocked} onClick={() => setAsked("remove")} aria-label={`Remove ${member.name}`}>
        Remove
      </Button>
      <Confirm open={asked === "hand over"} onClose={() => setAsked(null)} cancelRef={cancel} verb={`Make ${member.name} the owner`} title={`Hand the ownership over to ${member.name}?`} onYes={() => void act(handOver)}>
        <p>{member.name} becomes an owner, and you become an administrator, unless you run the server. Only an owner can give that back to you.</p>
      </Confirm>
      <Confirm open={asked === "remove"} onClose={() => setAsked(null)} cancelRef={cancel} verb={`Remove ${member.name}`} title={`Remove ${member.name}?`} onYes={() => void act(() => api.delete("/api/v1/members/{id}", { path: { id: member.id } }), `Removed ${member.name}`)}>
        <p>Their keys stop to work at once, and what they signed in with ends.</p>
      </Confirm>
    </li>
  );
}

function Add({ ranks }: { ranks: string[] }) {
  const api = useApi();
  const client = useQueryClient();
  const needs = useNeeds("admin");
  const [name, setName] = useState("");
  const [role, setRole] = useState("member");
  const [error, setError] = useState<unknown>(null);
  const add = async () => {
    setError(null);
    try {
      await api.post("/api/v1/members", { body: { name, role } as never });
      setName("");
      void client.invalidateQueries({ queryKey: [api.workspace, "members"] });
    } catch (failure) {
      setError(failure);
    }
  };
  return (
    <RowForm onSubmit={() => void add()} error={error}>
      <Field label="Name">
        <input className="field" value={name} onChange={(event) => setName(event.target.value)} />
      </Field>
      <RoleField label="Role" ranks={ranks} value={role} onChange={setRole} />
      <Button type="submit" blocked={needs} disabled={name.trim() === ""}>
        Add a member
      </Button>
    </RowForm>
  );
}
