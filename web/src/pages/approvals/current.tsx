// What is there now, read on demand by a call of the person's own: through policy, and recorded.
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import type { Approval, Task } from "~/api/client";
import { useApi, useSession } from "~/api/queries";
import { type Fields, isFields } from "~/lib/json";
import { Button } from "~/ui/basics";
import { JsonView } from "~/ui/json";
import { Problem } from "~/ui/state";
import { Seen, ToolPath } from "~/ui/text";
import { Changes } from "./changes";

/** How long the answer is waited for. */
const WAIT_MS = 15_000;

export function Current({ approval }: { approval: Approval }) {
  const { slug } = useSession();
  const api = useApi();
  const mayChange = approval.status === "pending" && approval.risk !== "read";
  const look = useQuery({
    queryKey: [api.workspace, "approval-look", approval.id],
    queryFn: async () => (await api.get("/api/v1/approvals/{id}/look", { path: { id: approval.id } })).call ?? null,
    enabled: mayChange,
    staleTime: Number.POSITIVE_INFINITY,
  });
  const [read, setRead] = useState<Task | null>(null);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const call = look.data;
  if (!call || !mayChange) return null;
  const fetch = async () => {
    setBusy(true);
    setError(null);
    try {
      setRead(await api.post("/api/v1/tools/call", { body: { path: call.path, arguments: call.arguments, waitMs: WAIT_MS } as never }));
    } catch (failure) {
      setError(failure);
    } finally {
      setBusy(false);
    }
  };
  const after = changed(approval.arguments, call.identifying);
  const before = isFields(read?.result) ? of(read.result, Object.keys(after)) : null;
  return (
    <section aria-label="What is there now" className="rounded-md border border-line bg-surface">
      <div className="flex flex-wrap items-center gap-2 border-b border-line px-3 py-1.5">
        <h3>What is there now</h3>
        <Button small className="ml-auto" disabled={busy} onClick={() => void fetch()}>
          {busy ? "Reading…" : read ? "Read again" : "Fetch current"}
        </Button>
      </div>
      <div className="flex flex-col gap-3 p-3">
        {error !== null && <Problem error={error} />}
        {!read && error === null && (
          <p className="text-ink2">
            Reads it with <ToolPath path={call.path} />, as a call of yours.
          </p>
        )}
        {read && read.status !== "completed" && (
          <p className="text-ink2">
            The call is {read.status}
            {read.error && (
              <>
                : <Seen text={read.error.message} />
              </>
            )}
            .{" "}
            <Link to="/w/$slug/tasks/$id" params={{ slug, id: read.id }} className="text-accent underline">
              Open it
            </Link>
          </p>
        )}
        {before && Object.keys(after).length > 0 && (
          <div className="overflow-x-auto">
            <Changes from={before} to={after} />
          </div>
        )}
        {read?.status === "completed" && (
          <details open={!before || Object.keys(after).length === 0}>
            <summary className="text-accent underline">All of it</summary>
            <div className="mt-2">
              <JsonView value={read.result ?? null} name="current" />
            </div>
          </details>
        )}
      </div>
    </section>
  );
}

/** What the call would change: everything that does not say which thing it is about. */
function changed(args: unknown, identifying: string[]): Fields {
  if (!isFields(args)) return {};
  const rest = Object.entries(args).filter(([name]) => !identifying.includes(name));
  // A body that is one argument is looked into.
  const [only] = rest;
  if (rest.length === 1 && only && isFields(only[1])) return only[1];
  return Object.fromEntries(rest);
}

function of(value: Fields, names: string[]): Fields {
  return Object.fromEntries(names.filter((name) => name in value).map((name) => [name, value[name]]));
}
