// Other arguments in place of the program's, where the workspace or the rule lets a reviewer do so. What
// they would send is read to its end first, and asked about once more where it is dangerous.
import { useRef, useState } from "react";
import type { Approval } from "~/api/client";
import { useApi } from "~/api/queries";
import { useGuard } from "~/lib/guard";
import { isFields, parse, pretty } from "~/lib/json";
import { Button } from "~/ui/basics";
import { Confirm, Dialog } from "~/ui/dialog";
import { Problem } from "~/ui/state";
import { Seen, ToolPath } from "~/ui/text";
import { Request, useSight } from "./arguments";
import { Changes } from "./changes";
import { RiskReasons } from "./risk";
import { Target, WARNINGS } from "./target";

type Props = {
  approval: Approval;
  /** Why the person may not answer. */
  blocked: string | undefined;
  busy: boolean;
  onClose: () => void;
  onSend: (edited: unknown, digest: string) => void;
};

export default function EditArguments({ approval, blocked, busy, onClose, onSend }: Props) {
  const api = useApi();
  const [text, setText] = useState(() => pretty(approval.arguments));
  const [shown, setShown] = useState<{ text: string; of: string; as: Approval } | null>(null);
  const [seen, setSeen] = useState<Approval | null>(null);
  const [isSure, setSure] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const end = useRef<HTMLDivElement>(null);
  const cancel = useRef<HTMLButtonElement>(null);
  const preview = async () => {
    setError(null);
    try {
      const value = parse(text);
      if (!isFields(value)) throw new Error("The arguments are one JSON object");
      const as = await api.post("/api/v1/approvals/{id}/preview", { path: { id: approval.id }, body: { arguments: value as never } });
      setShown({ text, of: approval.digest, as });
    } catch (failure) {
      setError(failure);
    }
  };
  // What somebody else changed meanwhile is looked at again.
  const as = shown !== null && shown.text === text && shown.of === approval.digest ? shown.as : null;
  useSight(end, as !== null && seen !== as, as?.digest ?? "", () => setSeen(as));
  const isGuarded = useGuard(as?.digest ?? "");
  const warning = as ? WARNINGS[as.risk] : undefined;
  const why = blocked ?? (as === null ? "Look at what would be sent first" : seen === as ? undefined : "Read what would be sent to its end first");
  const send = () => {
    if (as && !why && !isGuarded()) onSend(as.arguments, as.digest);
  };
  return (
    <Dialog
      open
      wide
      onClose={onClose}
      title={
        <>
          Edit the arguments of <ToolPath path={approval.tool} />
        </>
      }
      footer={
        <>
          <Button className="mr-auto" onClick={onClose}>
            Cancel
          </Button>
          <Button onClick={() => void preview()}>Show what would be sent</Button>
          <Button look="main" disabled={busy} blocked={why} onClick={() => (warning ? !isGuarded() && setSure(true) : send())}>
            {busy ? "Approving…" : `Approve once as edited${warning ? "…" : ""}`}
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
      {shown !== null && as === null && <p className="mt-3 text-wait">◆ It is not what was shown any more. Look at what would be sent again.</p>}
      {as && (
        <div className="mt-3 flex flex-col gap-3">
          <p>
            <RiskReasons of={as} />. <span className="text-ink2">Policy asks about it: <Seen text={as.why} />{as.needed > 1 && `; ${as.needed} people must say yes`}.</span>
          </p>
          <Changes from={approval.arguments} to={as.arguments} />
          <div>
            <h3 className="text-ink2">The request, as it would be sent</h3>
            <div className="mt-1 overflow-x-auto rounded-md border border-line bg-surface p-2">
              <Request of={as.request} folded={false} />
            </div>
          </div>
          <div ref={end} className="h-px" />
        </div>
      )}
      {as && warning && (
        <Confirm
          open={isSure}
          onClose={() => setSure(false)}
          onYes={send}
          busy={busy}
          blocked={why}
          cancelRef={cancel}
          verb="Approve once as edited"
          title={
            <>
              Approve <ToolPath path={as.tool} /> as edited?
            </>
          }
        >
          <p>
            {warning} <Target of={as.request} />
          </p>
        </Confirm>
      )}
    </Dialog>
  );
}
