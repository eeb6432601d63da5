// What a source asks of the person who runs the task: forms to fill in, pages to visit. Every text in it
// is the source's own; it is drawn as text.
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { ApiError, type Approval, type Schemas } from "~/api/client";
import { approval as oneApproval, useApi, useNames, useSession } from "~/api/queries";
import { useGuard } from "~/lib/guard";
import { SchemaForm } from "~/pages/tools/form";
import { initial, type Schema } from "~/pages/tools/schema";
import { Button, buttonClass } from "~/ui/basics";
import { Problem } from "~/ui/state";
import { Seen } from "~/ui/text";
import { toast } from "~/ui/toast";

type Part = Schemas["QuestionPart"];

export default function Question({ approval, onward }: { approval: Approval; onward: (id: string) => void }) {
  const { me } = useSession();
  const api = useApi();
  const client = useQueryClient();
  const names = useNames();
  const parts = approval.input?.parts ?? [];
  const [content, setContent] = useState<Record<string, unknown>>(() => Object.fromEntries(parts.filter((part) => part.kind === "form").map((part) => [part.key, initial(schemaOf(part), schemaOf(part))])));
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const isMine = approval.requestedBy === me.accountId;
  const blocked = isMine ? undefined : `Only ${names(approval.requestedBy)}, who runs the task, answers this`;
  const isGuarded = useGuard(approval.id, approval.digest);
  const send = async (answers: boolean) => {
    if (busy || blocked || isGuarded()) return;
    setBusy(true);
    setError(null);
    const path = { id: approval.id };
    const { digest } = approval;
    try {
      const answered = answers
        ? await api.post("/api/v1/approvals/{id}/answer", { path, body: { digest, content } as never })
        : await api.post("/api/v1/approvals/{id}/deny", { path, body: { digest } as never });
      client.setQueryData(oneApproval(api, approval.id).queryKey, answered);
      void client.invalidateQueries({ queryKey: [api.workspace, "approvals"] });
      toast(answers ? `Answered ${approval.input?.source ?? "the source"}` : `Declined to answer ${approval.input?.source ?? "the source"}`);
      onward(approval.id);
    } catch (failure) {
      setError(failure);
      if (failure instanceof ApiError && failure.status === 409) await client.refetchQueries({ queryKey: oneApproval(api, approval.id).queryKey });
    } finally {
      setBusy(false);
    }
  };
  return (
    <form
      aria-label="What the source asks"
      className="max-h-[60vh] overflow-auto border-t border-control bg-raised px-3 py-3"
      onSubmit={(event) => {
        event.preventDefault();
        void send(true);
      }}
    >
      <p className="mb-2 text-wait">
        ◆ <Seen text={approval.input?.source ?? ""} /> asks {isMine ? "you" : names(approval.requestedBy)}. What is entered goes to it{approval.input?.live ? ", which waits on an open connection" : ""}.
      </p>
      {parts.map((part) => (
        <fieldset key={part.key} className="mb-3 flex flex-col gap-2" disabled={!isMine}>
          <legend className="whitespace-pre-wrap">
            <Seen text={part.message} />
          </legend>
          {part.warning && (
            <p className="text-bad">
              ▲ <Seen text={part.warning} />
            </p>
          )}
          {part.kind === "page" ? (
            part.url?.startsWith("https://") && (
              <a href={part.url} target="_blank" rel="noopener noreferrer" className={`${buttonClass()} self-start`}>
                Open a page of {part.host}
              </a>
            )
          ) : (
            <SchemaForm schema={schemaOf(part)} root={schemaOf(part)} value={content[part.key]} onChange={(value) => setContent((now) => ({ ...now, [part.key]: value }))} />
          )}
        </fieldset>
      ))}
      {error !== null && (
        <div className="mb-2">
          <Problem error={error} />
        </div>
      )}
      <div className="flex justify-between gap-2">
        <Button className="max-md:h-12" disabled={busy} blocked={blocked} onClick={() => void send(false)}>
          Decline
        </Button>
        <Button look="main" type="submit" className="max-md:h-12" disabled={busy} blocked={blocked}>
          {busy ? "Answering…" : parts.every((part) => part.kind === "page") ? "I have been there" : "Answer"}
        </Button>
      </div>
    </form>
  );
}

function schemaOf(part: Part): Schema {
  return (part.schema ?? { type: "object" }) as Schema;
}
