// The decision: never before everything was in sight, never by a stray key, never assumed before the
// server says so. It carries the digest of what was shown.
import { useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { lazy, Suspense, useRef, useState } from "react";
import { ApiError, type Approval, type NewRule } from "~/api/client";
import { approval as oneApproval, useApi, useMay, useNames, useSession } from "~/api/queries";
import { useGuard } from "~/lib/guard";
import { useKeys } from "~/lib/keys";
import { parse } from "~/lib/json";
import { Button, Field, Hot } from "~/ui/basics";
import { Confirm } from "~/ui/dialog";
import { Problem } from "~/ui/state";
import { ToolPath } from "~/ui/text";
import { toast } from "~/ui/toast";
import { Assignee, useMayAnswer } from "./attention";
import { Target, WARNINGS } from "./target";

/** Opened by hand, and loaded then. */
const EditArguments = lazy(() => import("./edit"));
const Remember = lazy(() => import("./remember"));

const REASONS = ["Wrong target", "Not needed", "Ask me first, then try again", "Do it another way"];

type Verb = "approve" | "deny" | "happened";
export type Extra = { arguments?: unknown; remember?: NewRule; stop?: boolean };
type Props = { approval: Approval; isRevealed: boolean; onReveal: () => void; onward: (id: string) => void };

export function Decide({ approval, isRevealed, onReveal, onward }: Props) {
  const { me, slug } = useSession();
  const api = useApi();
  const client = useQueryClient();
  const names = useNames();
  const isAdmin = useMay("admin");
  const [note, setNote] = useState("");
  const [given, setGiven] = useState("null");
  const [busy, setBusy] = useState<Verb | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [hint, setHint] = useState("");
  const [opened, setOpened] = useState<{ what: "confirm" | "edit" | "remember"; digest: string } | null>(null);
  const cancel = useRef<HTMLButtonElement>(null);
  const isGuarded = useGuard(approval.id, approval.digest);
  // A dialog is about what stood there when it was opened. An edit says itself what it would send.
  const isStale = opened !== null && opened.digest !== approval.digest && opened.what !== "edit";
  const open = isStale ? null : (opened?.what ?? null);
  const setOpen = (what: "confirm" | "edit" | "remember" | null) => setOpened(what && { what, digest: approval.digest });

  const again = approval.question === "send_again";
  const twoSteps = approval.risk === "destructive" || approval.risk === "unknown";
  const mayDecide = isAdmin || (approval.approvers ?? []).includes(me.accountId);
  const forbidden = useMayAnswer(approval);
  const locked = isRevealed ? undefined : "Everything must be shown first: scroll to the end of the arguments, or press E";
  const blocked = forbidden ?? locked;
  // A no is open to everybody who may answer, whatever was seen.
  const mayNot = mayDecide ? undefined : forbidden;
  // To end somebody else's task is for administrators, also where a rule names others to answer.
  const mayNotStop = mayNot ?? (isAdmin || approval.requestedBy === me.accountId ? undefined : "Needs the role admin: it ends the task of somebody else");

  /** Answers what was shown, which the digest names. An edit brings its own, and was looked at by itself. */
  const send = async (verb: Verb, digest: string, extra: Extra = {}): Promise<void> => {
    if (busy || isGuarded()) return;
    const why = verb === "deny" ? (extra.stop ? mayNotStop : mayNot) : extra.arguments !== undefined ? forbidden : digest === approval.digest ? blocked : "It is not what was shown any more";
    if (why) {
      setHint(why);
      return;
    }
    setBusy(verb);
    setError(null);
    const reason = note.trim() || undefined;
    const path = { id: approval.id };
    try {
      const answered =
        verb === "happened"
          ? await api.post("/api/v1/approvals/{id}/happened", { path, body: { digest, reason, value: parse(given) } as never })
          : await api.post(verb === "approve" ? "/api/v1/approvals/{id}/approve" : "/api/v1/approvals/{id}/deny", {
              path,
              body: {
                digest,
                reason,
                ...(extra.arguments !== undefined ? { arguments: extra.arguments } : {}),
                ...(extra.remember ? { remember: extra.remember } : {}),
                ...(extra.stop ? { stop: true } : {}),
              } as never,
            });
      client.setQueryData(oneApproval(api, approval.id).queryKey, answered);
      void client.invalidateQueries({ queryKey: [api.workspace, "approvals"] });
      setOpen(null);
      if (answered.status === "pending") toast(<>Your yes to {approval.tool} counts; {answered.missing} more needed.</>);
      else {
        toast(
          <>
            {verb === "deny" ? "Denied" : verb === "happened" ? "Recorded" : "Approved"} {approval.tool}{" "}
            <Link to="/w/$slug/tasks/$id" params={{ slug, id: approval.taskId }} className="text-accent underline">
              open its task
            </Link>
          </>,
        );
        onward(approval.id);
      }
    } catch (failure) {
      setError(failure);
      setOpen(null);
      if (failure instanceof ApiError && (failure.status === 409 || failure.status === 404)) {
        // Somebody else was faster, or what was shown is not what would be sent any more.
        await client.refetchQueries({ queryKey: oneApproval(api, approval.id).queryKey });
        void client.invalidateQueries({ queryKey: [api.workspace, "approvals"] });
      }
    } finally {
      setBusy(null);
    }
  };
  const approve = () => {
    if (isGuarded() || busy) return;
    if (blocked) setHint(blocked);
    else if (twoSteps) setOpen("confirm");
    else void send("approve", approval.digest);
  };
  const deny = () => void send("deny", approval.digest);
  const denyAndStop = () => void send("deny", approval.digest, { stop: true });

  useKeys("Decision", [
    {
      keys: "a",
      label: "Approve once",
      run: () => (twoSteps && !blocked ? setHint(`${approval.risk === "unknown" ? "What this call does is not known" : "This call is destructive"}: Shift+A asks once more`) : approve()),
    },
    { keys: "A", label: "Approve once, with confirmation", run: () => (blocked ? setHint(blocked) : isGuarded() ? undefined : setOpen("confirm")) },
    { keys: "d", label: "Deny", run: deny },
    { keys: "s", label: "Deny and stop the task", run: denyAndStop },
    { keys: "r", label: "Remember", run: () => !again && setOpen("remember") },
    { keys: "c", label: "Write a note; Tab goes on to who looks after it", run: () => document.getElementById("note")?.focus() },
  ]);

  return (
    <div className="border-t border-control bg-raised px-3 py-2" aria-label="Decision" role="group">
      {error !== null && (
        <div className="mb-2">
          <Problem error={error} />
          {error instanceof ApiError && error.status === 409 && approval.status === "pending" && (
            <p className="mt-1 text-wait">◆ The call is not what was shown before. Read it again, then decide.</p>
          )}
        </div>
      )}
      {isStale && <p role="alert" className="text-wait">◆ The call was changed while the question was open. Read it again, then decide.</p>}
      <p role="status" className="text-wait empty:hidden">
        {hint && !isRevealed ? hint : hint && (twoSteps || forbidden) ? hint : ""}
      </p>
      {!isRevealed && (
        <p className="mb-1 text-ink2">
          Approve unlocks at the end of the arguments.{" "}
          <button type="button" onClick={onReveal} className="text-accent underline">
            Show all
          </button>{" "}
          <Hot>E</Hot>
        </p>
      )}
      <div className="flex flex-wrap items-end gap-2">
        <label className="min-w-0 flex-1 basis-48">
          <span className="sr-only">Note to the agent</span>
          <input
            id="note"
            className="field w-full"
            list="reasons"
            maxLength={2000}
            autoComplete="off"
            placeholder="Note to the agent (optional)"
            value={note}
            onChange={(event) => setNote(event.target.value)}
            onKeyDown={(event) => event.key === "Escape" && event.currentTarget.blur()}
          />
          <datalist id="reasons">
            {REASONS.map((each) => (
              <option key={each} value={each} />
            ))}
          </datalist>
        </label>
        <Assignee approval={approval} />
        {!again && (
          <div className="flex gap-1">
            <Button look="quiet" onClick={() => setOpen("remember")}>
              Remember… <Hot>R</Hot>
            </Button>
            {approval.mayEdit && (
              <Button look="quiet" onClick={() => setOpen("edit")}>
                Edit…
              </Button>
            )}
          </div>
        )}
      </div>
      {again && (
        <div className="mt-2">
          <Field label="If it happened: what it gave, as JSON">
            <input className="field font-mono" value={given} onChange={(event) => setGiven(event.target.value)} />
          </Field>
        </div>
      )}
      <div className="mt-2 flex items-stretch justify-between gap-2">
        <div className="flex gap-2">
          <Button className="max-md:h-12" onClick={deny} disabled={busy !== null} blocked={mayNot}>
            {busy === "deny" ? "Denying…" : again ? "Let it fail" : "Deny"} <Hot>D</Hot>
          </Button>
          <Button className="max-md:h-12" onClick={denyAndStop} disabled={busy !== null} blocked={mayNotStop} hint="Denies this call and cancels its task">
            <span>
              {again ? "Fail" : "Deny"} and stop<span className="hidden lg:inline"> task</span>
            </span>{" "}
            <Hot>S</Hot>
          </Button>
        </div>
        <div className="flex gap-2">
          {again && (
            <Button className="max-md:h-12" onClick={() => void send("happened", approval.digest)} disabled={busy !== null} blocked={blocked}>
              It happened
            </Button>
          )}
          <Button look="main" className="max-md:h-12" onClick={approve} disabled={busy !== null} blocked={blocked} data-testid="approve">
            {busy === "approve" ? "Approving…" : again ? "Send again" : "Approve once"}
            {twoSteps && "…"} <Hot>{twoSteps ? "Shift A" : "A"}</Hot>
          </Button>
        </div>
      </div>
      <Confirm
        open={open === "confirm"}
        onClose={() => setOpen(null)}
        onYes={() => opened && void send("approve", opened.digest)}
        busy={busy !== null}
        blocked={blocked}
        cancelRef={cancel}
        look={twoSteps ? "danger" : "main"}
        verb={again ? "Send it again" : "Approve once"}
        title={
          <>
            {again ? "Send again" : "Approve"} <ToolPath path={approval.tool} />?
          </>
        }
      >
        <p>
          {WARNINGS[approval.risk]}{" "}
          <Target of={approval.request} />
        </p>
        <p className="mt-2 text-ink2">
          Asked for by {names(approval.requestedBy)}
          {!isAdmin && ", answered under the rule that names you"}.
        </p>
      </Confirm>
      <Suspense fallback={null}>
        {open === "edit" && <EditArguments approval={approval} busy={busy !== null} onClose={() => setOpen(null)} blocked={forbidden} onSend={(arguments_, digest) => void send("approve", digest, { arguments: arguments_ })} />}
        {open === "remember" && (
          <Remember approval={approval} blocked={blocked} twoSteps={twoSteps} busy={busy !== null} onClose={() => setOpen(null)} onSend={(verb, rule) => opened && void send(verb, opened.digest, { remember: rule })} />
        )}
      </Suspense>
    </div>
  );
}
