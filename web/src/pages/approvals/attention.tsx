// More time for a question, and who looks after it. Neither decides anything, or changes who may.
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { ApiError, type Approval } from "~/api/client";
import { members as allMembers, approval as oneApproval, useApi, useMay, useNames, useSession, whyNotTheirs } from "~/api/queries";
import { period } from "~/lib/time";
import { Button } from "~/ui/basics";
import { explain } from "~/ui/state";
import { toast } from "~/ui/toast";

/** Puts what the server answers in place, and reads again what it refuses. */
function useTaken(approval: Approval) {
  const api = useApi();
  const client = useQueryClient();
  const [isBusy, setBusy] = useState(false);
  const send = async (what: () => Promise<Approval>) => {
    setBusy(true);
    try {
      client.setQueryData(oneApproval(api, approval.id).queryKey, await what());
    } catch (failure) {
      toast(explain(failure).title);
      if (failure instanceof ApiError && failure.status === 409) await client.refetchQueries({ queryKey: oneApproval(api, approval.id).queryKey });
    } finally {
      setBusy(false);
      void client.invalidateQueries({ queryKey: [api.workspace, "approvals"] });
    }
  };
  return { isBusy, send };
}

/** Why the person may not answer an approval; undefined where they may. */
export function useMayAnswer(approval: Approval): string | undefined {
  const { me } = useSession();
  return whyNotTheirs(approval, me, useMay("admin"));
}

/** Gives it its own time once more. Gone once it was used. */
export function Extend({ approval }: { approval: Approval }) {
  const api = useApi();
  const names = useNames();
  const blocked = useMayAnswer(approval);
  const { isBusy, send } = useTaken(approval);
  if (approval.extended) return <span>extended by {names(approval.extended.by)}</span>;
  if (!approval.extendsByMs) return null;
  return (
    <Button
      small
      look="quiet"
      disabled={isBusy}
      blocked={blocked}
      hint="Once, counted from when it would expire"
      onClick={() => void send(() => api.post("/api/v1/approvals/{id}/extend", { path: { id: approval.id } }))}
    >
      {isBusy ? "Extending…" : `Extend by ${period(approval.extendsByMs)}`}
    </Button>
  );
}

/** Who looks after it: somebody who may answer it, or nobody. */
export function Assignee({ approval }: { approval: Approval }) {
  const { me } = useSession();
  const api = useApi();
  const names = useNames();
  const isAdmin = useMay("admin");
  const { isBusy, send } = useTaken(approval);
  const { data: members } = useQuery(allMembers(api));
  const approvers = approval.approvers ?? [];
  const admins = (members ?? []).filter((each) => each.role === "admin" || each.role === "owner").map((each) => each.id);
  const may = [...new Set([...approvers, ...admins])].filter((id) => id !== me.accountId && (approval.requesterMay || id !== approval.requestedBy));
  const isMine = (isAdmin || approvers.includes(me.accountId)) && (approval.requesterMay || approval.requestedBy !== me.accountId);
  const to = approval.assigned?.to;
  const others = to && to !== me.accountId && !may.includes(to) ? [to, ...may] : may;
  const mayAssign = isAdmin || approvers.includes(me.accountId);
  return (
    <select
      aria-label="Who looks after it"
      className="field max-w-48"
      disabled={isBusy || !mayAssign}
      title={mayAssign ? "It changes nothing about who may answer" : "Needs the role admin, or a rule that names you"}
      value={to ?? "nobody"}
      onChange={(event) => {
        const assignee = event.target.value;
        void send(() => api.post("/api/v1/approvals/{id}/assign", { path: { id: approval.id }, body: { assignee } }));
      }}
    >
      <option value="nobody">Assigned to nobody</option>
      {(isMine || to === me.accountId) && <option value={me.accountId}>Assigned to me</option>}
      {others.map((id) => (
        <option key={id} value={id}>
          Assigned to {names(id)}
        </option>
      ))}
    </select>
  );
}

/** What is this person's to answer: assigned to them, or what only they are named for, or what their own programs ask and nobody was given. */
export function isOfPerson(approval: Approval, person: string): boolean {
  if (approval.assigned?.to === person) return true;
  if (approval.question === "input") return approval.requestedBy === person;
  if (approval.approvers?.length === 1 && approval.approvers[0] === person) return true;
  return !approval.assigned && approval.requestedBy === person;
}
