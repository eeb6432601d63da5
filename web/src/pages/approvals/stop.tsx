// Stops one client: everything of it that waits is denied, its tasks are canceled, and it is paused.
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useRef, useState } from "react";
import { approval as oneApproval, pendingApprovals, task as oneTask, useApi, useMay } from "~/api/queries";
import { count } from "~/lib/time";
import { pause } from "~/pages/clients/pause";
import { Field } from "~/ui/basics";
import { Confirm } from "~/ui/dialog";
import { explain } from "~/ui/state";
import { Seen } from "~/ui/text";
import { toast } from "~/ui/toast";

const OPEN = ["queued", "running", "waiting"];

export default function StopAgent({ id, onClose }: { id: string; onClose: () => void }) {
  const api = useApi();
  const client = useQueryClient();
  const isAdmin = useMay("admin");
  const [reason, setReason] = useState("");
  const [isPaused, setPaused] = useState(isAdmin);
  const [busy, setBusy] = useState(false);
  const [failed, setFailed] = useState<string[]>([]);
  const cancel = useRef<HTMLButtonElement>(null);
  const approval = useQuery(oneApproval(api, id));
  const taskId = approval.data?.taskId ?? "";
  const task = useQuery({ ...oneTask(api, taskId), enabled: taskId !== "" });
  const pending = useQuery(pendingApprovals(api));
  const open = useQuery({
    queryKey: [api.workspace, "open-tasks"],
    queryFn: async () => {
      const found = await Promise.all(OPEN.map((status) => api.get("/api/v1/tasks", { query: { status, limit: 200 } })));
      return found.flatMap((page) => page.items);
    },
  });
  const of = task.data;
  // A key says for certain who comes with it; a name is what a client calls itself.
  const tasks = (open.data ?? []).filter((each) => (of?.key ? each.key === of.key : each.client === of?.client && each.requestedBy === of.requestedBy));
  const ids = new Set(tasks.map((each) => each.id));
  const waiting = (pending.data?.items ?? []).filter((each) => ids.has(each.taskId));
  const run = async () => {
    setBusy(true);
    const problems: string[] = [];
    const note = (error: unknown) => void problems.push(explain(error).title);
    // First, so that nothing new of it is sent meanwhile.
    if (of && isPaused) await pause(api, { client: of.client, channel: of.channel, account: of.requestedBy, key: of.key }).catch(note);
    for (const each of waiting)
      await api.post("/api/v1/approvals/{id}/deny", { path: { id: each.id }, body: { digest: each.digest, reason: reason || "The agent was stopped" } as never }).catch(note);
    for (const each of tasks) await api.post("/api/v1/tasks/{id}/cancel", { path: { id: each.id } }).catch(note);
    setBusy(false);
    void client.invalidateQueries({ queryKey: [api.workspace] });
    setFailed(problems);
    if (problems.length === 0) {
      toast(`Stopped ${count(tasks.length, "task")}${isPaused ? " and paused the client" : ""}`);
      onClose();
    }
  };
  return (
    <Confirm
      open
      onClose={onClose}
      onYes={() => void run()}
      busy={busy || !open.data}
      cancelRef={cancel}
      verb={`Deny ${waiting.length} and cancel ${count(tasks.length, "task")}`}
      title={
        <>
          Stop <Seen text={task.data?.client || "this client"} />?
        </>
      }
      error={failed.length > 0 && <p className="mt-2 text-bad">✕ {failed.join("; ")}</p>}
    >
      <p>
        Everything that waits of {of?.key ? "whatever comes with its key" : "this client and person"} is denied, and its tasks are canceled.
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
