// Stops one client: everything of it that waits is denied, its tasks are canceled, and it is paused. The
// server does it in one step.
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useRef, useState } from "react";
import { approval as oneApproval, clients as seenClients, task as oneTask, useApi, useMay, useSession } from "~/api/queries";
import { useGuard } from "~/lib/guard";
import { count } from "~/lib/time";
import { Field } from "~/ui/basics";
import { Confirm } from "~/ui/dialog";
import { Problem } from "~/ui/state";
import { Seen } from "~/ui/text";
import { toast } from "~/ui/toast";

export default function StopAgent({ id, onClose }: { id: string; onClose: () => void }) {
  const { me } = useSession();
  const api = useApi();
  const client = useQueryClient();
  const isAdmin = useMay("admin");
  const [reason, setReason] = useState("");
  const [isPaused, setPaused] = useState(isAdmin);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const cancel = useRef<HTMLButtonElement>(null);
  const isGuarded = useGuard();
  const approval = useQuery(oneApproval(api, id));
  const taskId = approval.data?.taskId ?? "";
  const task = useQuery({ ...oneTask(api, taskId), enabled: taskId !== "" });
  const seen = useQuery(seenClients(api));
  const of = task.data;
  // A key says for certain who comes with it; a name is what a client calls itself.
  const its = (seen.data ?? []).filter(
    (each) => of && (of.key ? each.key === of.key : each.client === of.client && each.account === of.requestedBy && each.channel === of.channel),
  );
  const open = its.reduce((all, each) => all + each.open, 0);
  const pending = its.reduce((all, each) => all + each.pending, 0);
  const isOwn = of?.requestedBy === me.accountId;
  const blocked = isAdmin || isOwn ? undefined : "Needs the role admin: it runs tasks of somebody else";
  const run = async () => {
    if (!of || busy || isGuarded()) return;
    setBusy(true);
    setError(null);
    const who = of.key ? { key: of.key } : { client: of.client ?? "", channel: of.channel, account: of.requestedBy };
    try {
      const stopped = await api.post("/api/v1/clients/stop", { body: { ...who, reason: reason.trim() || undefined, pause: isPaused } as never });
      toast(`Denied ${count(stopped.denied, "call")} and stopped ${count(stopped.canceled, "task")}${stopped.rule ? "; the client is paused" : ""}`);
      onClose();
    } catch (failure) {
      setError(failure);
    } finally {
      setBusy(false);
      void client.invalidateQueries({ queryKey: [api.workspace] });
    }
  };
  return (
    <Confirm
      open
      onClose={onClose}
      onYes={() => void run()}
      busy={busy || !of || !seen.data}
      blocked={blocked}
      cancelRef={cancel}
      verb={`Deny ${pending} and cancel ${count(open, "task")}`}
      title={
        <>
          Stop <Seen text={of?.client || "this client"} />?
        </>
      }
      error={
        error !== null && (
          <div className="mt-2">
            <Problem error={error} />
          </div>
        )
      }
    >
      <p>
        Everything that waits of {of?.key ? "whatever comes with its key" : "this client and person"} is denied, and its tasks are canceled, those also that come
        meanwhile.
      </p>
      <label className="mt-3 flex items-start gap-2">
        <input type="checkbox" className="mt-1" checked={isPaused} disabled={!isAdmin} onChange={(event) => setPaused(event.target.checked)} />
        <span>
          Pause it too
          <span className="block text-meta text-ink3">{isAdmin ? "A rule denies every call of it until somebody lets it go on, under Clients." : "Needs the role admin. It can submit new tasks."}</span>
        </span>
      </label>
      <div className="mt-3">
        <Field label="Reason, for its programs and the record">
          <input className="field" value={reason} maxLength={2000} onChange={(event) => setReason(event.target.value)} />
        </Field>
      </div>
    </Confirm>
  );
}
