// Other arguments in place of the program's, where the workspace or the rule lets a reviewer do so.
import { useState } from "react";
import type { Approval } from "~/api/client";
import { useApi } from "~/api/queries";
import { isFields, parse, pretty } from "~/lib/json";
import { Button } from "~/ui/basics";
import { Dialog } from "~/ui/dialog";
import { Problem } from "~/ui/state";
import { Request } from "./arguments";
import { Changes } from "./changes";
import type { Extra } from "./decide";

type Props = { approval: Approval; busy: boolean; onClose: () => void; onSend: (extra: Extra) => void };

export default function EditArguments({ approval, busy, onClose, onSend }: Props) {
  const api = useApi();
  const [text, setText] = useState(() => pretty(approval.arguments));
  const [shown, setShown] = useState<{ text: string; as: Approval } | null>(null);
  const [error, setError] = useState<unknown>(null);
  const preview = async () => {
    setError(null);
    try {
      const value = parse(text);
      if (!isFields(value)) throw new Error("The arguments are one JSON object");
      const as = await api.post("/api/v1/approvals/{id}/preview", { path: { id: approval.id }, body: { arguments: value as never } });
      setShown({ text, as });
    } catch (failure) {
      setError(failure);
    }
  };
  const isCurrent = shown !== null && shown.text === text;
  return (
    <Dialog
      open
      wide
      onClose={onClose}
      title={`Edit the arguments of ${approval.tool}`}
      footer={
        <>
          <Button className="mr-auto" onClick={onClose}>
            Cancel
          </Button>
          <Button onClick={() => void preview()}>Show what would be sent</Button>
          <Button
            look="main"
            disabled={busy}
            blocked={isCurrent ? undefined : "Look at what would be sent first"}
            onClick={() => shown && onSend({ arguments: shown.as.arguments, digest: shown.as.digest })}
          >
            {busy ? "Approving…" : "Approve once as edited"}
          </Button>
        </>
      }
    >
      <label className="flex flex-col gap-1">
        <span className="text-ink2">Arguments as JSON; policy decides about them again, and the program is told</span>
        <textarea className="area min-h-48 font-mono" spellCheck={false} value={text} onChange={(event) => setText(event.target.value)} />
      </label>
      {error !== null && (
        <div className="mt-3">
          <Problem error={error} />
        </div>
      )}
      {isCurrent && (
        <div className="mt-3 flex flex-col gap-3">
          <Changes from={approval.arguments} to={shown.as.arguments} />
          <div>
            <h3 className="text-ink2">The request, as it would be sent</h3>
            <div className="mt-1 overflow-auto rounded-md border border-line bg-surface p-2">
              <Request of={shown.as.request} folded={false} />
            </div>
          </div>
        </div>
      )}
    </Dialog>
  );
}
