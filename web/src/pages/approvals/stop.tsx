// Stops one client: everything of it that waits is denied, and its tasks are canceled.
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useRef, useState } from "react";
import { approval as oneApproval, pendingApprovals, task as oneTask, useApi } from "~/api/queries";
import { count } from "~/lib/time";
import { Field } from "~/ui/basics";
import { Confirm } from "~/ui/dialog";
import { explain } from "~/ui/state";
import { Seen } from "~/ui/text";
import { toast } from "~/ui/toast";

const OPEN = ["queued", "running", "waiting"];

export function StopAgent({ id, onClose }: { id: string; onClose: () => void }) {
  const api = useApi();
  const client = useQueryClient();
  const [reason, setReason] = useState("");
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
  const tasks = (open.data ?? []).filter((each) => each.client === task.data?.client && each.requestedBy === task.data.requestedBy);
  const ids = new Set(tasks.map((each) => each.id));
  const waiting = (pending.data ?? []).filter((each) => ids.has(each.taskId));
  const run = async () => {
    setBusy(true);
    const problems: string[] = [];
    const note = (error: unknown) => void problems.push(explain(error).title);
    for (const each of waiting)
      await api.post("/api/v1/approvals/{id}/deny", { path: { id: each.id }, body: { digest: each.digest, reason: reason || "The agent was stopped" } as never }).catch(note);
    for (const each of tasks) await api.post("/api/v1/tasks/{id}/cancel", { path: { id: each.id } }).catch(note);
    setBusy(false);
    void client.invalidateQueries({ queryKey: [api.workspace] });
    setFailed(problems);
    if (problems.length === 0) {
      toast(`Stopped ${count(tasks.length, "task")}`);
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
        Everything of this client and person that waits is denied, and its tasks are canceled. It can submit new ones; revoke its key under Settings to keep it out.
      </p>
      <div className="mt-3">
        <Field label="Reason, for its programs and the record">
          <input className="field" value={reason} maxLength={2000} onChange={(event) => setReason(event.target.value)} />
        </Field>
      </div>
    </Confirm>
  );
}
