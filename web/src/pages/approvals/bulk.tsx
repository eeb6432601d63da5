// Several calls of one tool at once: every argument in sight to the end, once each, never a rule.
import { useQueries, useQueryClient } from "@tanstack/react-query";
import { useRef, useState } from "react";
import type { Approval } from "~/api/client";
import { approval as oneApproval, useApi, useNames } from "~/api/queries";
import { useGuard } from "~/lib/guard";
import { isFields } from "~/lib/json";
import { Button } from "~/ui/basics";
import { Dialog } from "~/ui/dialog";
import { explain } from "~/ui/state";
import { Seen, ToolPath } from "~/ui/text";
import { Form, Request, useSight } from "./arguments";
import { RiskReasons } from "./risk";

type Result = { ok: boolean; text: string };

export default function Bulk({ approvals, onClose }: { approvals: Approval[]; onClose: (done: string[]) => void }) {
  const api = useApi();
  const client = useQueryClient();
  const [items] = useState(approvals);
  const [results, setResults] = useState<Record<string, Result>>({});
  const [busy, setBusy] = useState(false);
  const [seen, setSeen] = useState(false);
  const cancel = useRef<HTMLButtonElement>(null);
  const end = useRef<HTMLDivElement>(null);
  const isGuarded = useGuard();
  // Each with the call that it is compared with, which lists do not carry.
  const whole = useQueries({ queries: items.map((each) => oneApproval(api, each.id)) });
  const isRead = whole.every((each) => !each.isPending);
  useSight(end, isRead && !seen, String(isRead), () => setSeen(true));
  const isDone = Object.keys(results).length === items.length;
  const done = Object.entries(results).filter(([, result]) => result.ok).map(([id]) => id);
  const locked = seen ? undefined : isRead ? "Everything must be shown first: scroll to the end" : "The calls are being read";
  const run = async () => {
    if (busy || locked || isGuarded()) return;
    setBusy(true);
    for (const each of items) {
      // The digest of what was drawn here, whatever has come since.
      const result = await api
        .post("/api/v1/approvals/{id}/approve", { path: { id: each.id }, body: { digest: each.digest } as never })
        .then((answered) => ({ ok: true, text: answered.status === "pending" ? `yes counted, ${answered.missing} more needed` : "approved" }))
        .catch((error: unknown) => ({ ok: false, text: explain(error).title }));
      setResults((now) => ({ ...now, [each.id]: result }));
    }
    setBusy(false);
    void client.invalidateQueries({ queryKey: [api.workspace] });
  };
  return (
    <Dialog
      open
      wide
      onClose={() => onClose(done)}
      initialFocus={cancel}
      title={
        <>
          Approve {items.length} calls of <ToolPath path={items[0]?.tool ?? ""} />, once each?
        </>
      }
      footer={
        <>
          <button ref={cancel} type="button" onClick={() => onClose(done)} className="mr-auto inline-flex h-8 items-center rounded-md border border-control px-3 hover:bg-sunken">
            {isDone ? "Close" : "Cancel"}
          </button>
          {!isDone && !seen && <span className="text-ink2">It unlocks at the end of the list.</span>}
          {!isDone && (
            <Button look="main" disabled={busy} blocked={locked} onClick={() => void run()}>
              {busy ? "Approving…" : `Approve ${items.length} once`}
            </Button>
          )}
        </>
      }
    >
      <table className="w-full table-fixed text-left">
        <thead className="text-ink3">
          <tr>
            <th className="w-full pr-3 font-normal">Call</th>
            <th className="w-28 font-normal">Result</th>
          </tr>
        </thead>
        <tbody>
          {items.map((each, i) => (
            <tr key={each.id} className="border-t border-line align-top">
              <td className="py-2 pr-3">
                <Call of={each} before={whole[i]?.data?.previous?.arguments} />
              </td>
              <td className="py-2 break-words" aria-live="polite">
                {results[each.id] && (
                  <span className={results[each.id]?.ok ? "text-good" : "text-bad"}>
                    {results[each.id]?.ok ? "● " : "✕ "}
                    {results[each.id]?.text}
                  </span>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <div ref={end} className="h-px" />
    </Dialog>
  );
}

/** One call in full: whose it is, why it weighs what it does, every argument, and the request on demand. */
function Call({ of, before }: { of: Approval; before: unknown }) {
  const names = useNames();
  const fields = isFields(of.arguments) ? of.arguments : {};
  return (
    <div className="flex flex-col gap-1">
      <p className="text-ink2">
        {of.client && (
          <>
            <Seen text={of.client} /> for{" "}
          </>
        )}
        {names(of.requestedBy)}
      </p>
      <p className="text-meta">
        <RiskReasons of={of} />
      </p>
      <Form of={fields} before={isFields(before) ? before : null} folded={false} />
      <details>
        <summary className="w-fit text-accent underline">The request as it is sent</summary>
        <div className="mt-1 overflow-x-auto">
          <Request of={of.request} folded={false} />
        </div>
      </details>
    </div>
  );
}
