// Several calls of one tool at once: every argument in sight, once each, never a rule.
import { useQueryClient } from "@tanstack/react-query";
import { useRef, useState } from "react";
import type { Approval } from "~/api/client";
import { useApi, useNames } from "~/api/queries";
import { pretty } from "~/lib/json";
import { Button } from "~/ui/basics";
import { Dialog } from "~/ui/dialog";
import { explain } from "~/ui/state";
import { Seen, ToolPath } from "~/ui/text";

type Result = { ok: boolean; text: string };

export default function Bulk({ approvals, onClose }: { approvals: Approval[]; onClose: (done: string[]) => void }) {
  const api = useApi();
  const client = useQueryClient();
  const names = useNames();
  const [items] = useState(approvals);
  const [results, setResults] = useState<Record<string, Result>>({});
  const [busy, setBusy] = useState(false);
  const cancel = useRef<HTMLButtonElement>(null);
  const isDone = Object.keys(results).length === items.length;
  const done = Object.entries(results).filter(([, result]) => result.ok).map(([id]) => id);
  const run = async () => {
    setBusy(true);
    for (const each of items) {
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
          {!isDone && (
            <Button look="main" disabled={busy} onClick={() => void run()}>
              {busy ? "Approving…" : `Approve ${items.length} once`}
            </Button>
          )}
        </>
      }
    >
      <table className="w-full text-left">
        <thead className="text-ink3">
          <tr>
            <th className="pr-3 font-normal">For</th>
            <th className="pr-3 font-normal">Arguments</th>
            <th className="font-normal">Result</th>
          </tr>
        </thead>
        <tbody>
          {items.map((each) => (
            <tr key={each.id} className="border-t border-line align-top">
              <td className="py-1 pr-3">{names(each.requestedBy)}</td>
              <td className="py-1 pr-3">
                <pre className="whitespace-pre-wrap break-all">
                  <Seen text={pretty(each.arguments)} />
                </pre>
              </td>
              <td className="py-1" aria-live="polite">
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
    </Dialog>
  );
}
