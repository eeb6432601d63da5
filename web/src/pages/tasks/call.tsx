// One call: what went in, what came out, what policy said and why.
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import type { Call, Task } from "~/api/client";
import { call as oneCall, explanation, useApi, useSession } from "~/api/queries";
import { LookedAtList } from "~/pages/policies/trace";
import { isFields } from "~/lib/json";
import { span } from "~/lib/time";
import { Button, buttonClass, Decision, Facts, Risk, Status } from "~/ui/basics";
import { JsonView } from "~/ui/json";
import { Loaded, Problem } from "~/ui/state";
import { Seen, ToolPath } from "~/ui/text";

export function CallPanel({ task, call, calls }: { task: Task; call: Call; calls: Call[] }) {
  const { slug } = useSession();
  const api = useApi();
  // The list may leave out what is large; the call itself has it, once its status is final.
  const whole = useQuery({ ...oneCall(api, task.id, call.sequence), queryKey: [api.workspace, "calls", task.id, call.sequence, call.status] });
  const isBuiltIn = call.decision === "none";
  const why = useQuery({ ...explanation(api, task.id, call.sequence), enabled: !isBuiltIn });
  const approval = task.approvals.find((each) => each.sequence === call.sequence);
  const took = call.finishedAt ? Date.parse(call.finishedAt) - Date.parse(call.sentAt ?? call.startedAt) : null;
  return (
    <div className="flex flex-col gap-4 p-3">
      <div className="flex flex-wrap items-center gap-3">
        <h2 className="text-item">
          <ToolPath path={call.tool} />
        </h2>
        <Status of={call.status} />
        {!isBuiltIn && <Risk of={call.risk} />}
      </div>
      {task.forkedFrom && call.sequence < task.forkedFrom.fromCall && (
        <p className="text-ink2">
          Taken over from{" "}
          <Link to="/w/$slug/tasks/$id" params={{ slug, id: task.forkedFrom.taskId }} search={{ tab: "call", call: String(call.sequence) }} className="text-accent underline">
            the other task
          </Link>
          ; nothing was sent for this one.
        </p>
      )}
      <Facts
        of={[
          ["Policy", isBuiltIn ? "built in; reaches nothing outside" : <><Decision of={call.decision} /> at version {call.policyVersion}</>],
          ["Rule", call.rule && <Link to="/w/$slug/policies/$id" params={{ slug, id: call.rule }} className="font-mono text-accent underline">{call.rule}</Link>],
          ["Line", call.line && <Link to="/w/$slug/tasks/$id" params={{ slug, id: task.id }} search={{ tab: "code", call: String(call.sequence) }} className="text-accent underline">{call.line}</Link>],
          ["Tool", call.toolChanged && "▲ described otherwise now, or gone"],
          ["Took", took !== null && span(took)],
          ["HTTP status", statusOf(call)],
          ["Credential", call.credential && <Link to="/w/$slug/credentials" params={{ slug }} className="text-accent underline"><Seen text={[call.credential.scope ?? "removed since", call.credential.label].filter(Boolean).join(", ")} /></Link>],
          ["Sent", !isBuiltIn && !call.sentAt && call.finishedAt && "nothing left"],
          ["Approval", approval && <Link to="/w/$slug/approvals/$id" params={{ slug, id: approval.id }} className="text-accent underline">{approval.status}</Link>],
        ]}
      />
      {!isBuiltIn && (
        <div className="flex flex-wrap gap-2">
          <Link to="/w/$slug/tools/$path" params={{ slug, path: call.tool }} search={{ tab: "try", task: task.id, call: String(call.sequence) }} className={buttonClass("plain", true)}>
            Try this call
          </Link>
          <Link to="/w/$slug/policies/test" params={{ slug }} search={{ tool: call.tool, task: task.id, call: String(call.sequence) }} className={buttonClass("plain", true)}>
            Test policy with this call
          </Link>
        </div>
      )}
      <Fork task={task} call={call} calls={calls} />
      <Loaded query={whole}>
        {(full) => (
          <>
            <section aria-label="Input">
              <h3 className="mb-1 text-ink2">Input</h3>
              <JsonView value={full.arguments} name={`call-${call.sequence}-input`} />
            </section>
            {full.error !== undefined && full.error !== null && (
              <section aria-label="Error" className="rounded-md border border-bad p-3">
                <h3 className="mb-1 text-bad">✕ Error</h3>
                {isFields(full.error) && typeof full.error.message === "string" && (
                  <p className="mb-2 break-words">
                    <Seen text={full.error.message} />
                  </p>
                )}
                <JsonView value={full.error} name={`call-${call.sequence}-error`} />
              </section>
            )}
            {full.result !== undefined && (
              <section aria-label="Output">
                <h3 className="mb-1 text-ink2">Output</h3>
                <JsonView value={full.result} name={`call-${call.sequence}-output`} />
              </section>
            )}
            {full.result === undefined && !full.error && <p className="text-ink2">There is no output yet.</p>}
          </>
        )}
      </Loaded>
      {!isBuiltIn && why.data && (
        <details>
          <summary className="text-accent underline">Why it was decided so</summary>
          <p className="my-1">
            <Seen text={why.data.explanation} />
          </p>
          <LookedAtList of={why.data.lookedAt} />
        </details>
      )}
    </div>
  );
}

/** What the other server answered with, as far as an error carries it. */
function statusOf(call: Call): string | null {
  return isFields(call.error) && typeof call.error.status === "number" ? String(call.error.status) : null;
}

/** Goes on from this call: what those before gave is given again, and none of them is sent. */
function Fork({ task, call, calls }: { task: Task; call: Call; calls: Call[] }) {
  const { slug } = useSession();
  const api = useApi();
  const navigate = useNavigate();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const before = call.sequence - 1;
  const changed = calls.filter((each) => each.sequence < call.sequence && each.toolChanged);
  const fork = async () => {
    setBusy(true);
    setError(null);
    try {
      const made = await api.post("/api/v1/tasks/{id}/fork", { path: { id: task.id }, body: { fromCall: call.sequence } });
      await navigate({ to: "/w/$slug/tasks/$id", params: { slug, id: made.id } });
    } catch (failure) {
      setError(failure);
    } finally {
      setBusy(false);
    }
  };
  return (
    <section aria-label="Fork" className="flex flex-col gap-2">
      <div className="flex flex-wrap items-center gap-2">
        <Button small disabled={busy} onClick={() => void fork()}>
          Fork from call {call.sequence}
        </Button>
        <Link to="/w/$slug/run" params={{ slug }} search={{ from: task.id, call: String(call.sequence) }} className={buttonClass("quiet", true)}>
          Edit, then fork
        </Link>
        <span className="text-meta text-ink3">
          {before === 0 ? "Every call is made anew." : `${before === 1 ? "The call before gives" : `The ${before} calls before give`} what ${before === 1 ? "it" : "they"} gave; nothing of ${before === 1 ? "it" : "them"} is sent.`}
        </span>
      </div>
      {changed.length > 0 && (
        <p className="text-ink2">
          <span className="text-bad">▲</span> {changed.length === 1 ? `The tool of call ${changed[0]?.sequence} is` : `The tools of ${changed.length} calls before are`} described otherwise than when {changed.length === 1 ? "it was" : "they were"} called: what is given again may be of another form than today's.
        </p>
      )}
      {error !== null && <Problem error={error} />}
    </section>
  );
}
