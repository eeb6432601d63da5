// A rule made of this decision: the narrowest by default, shown exactly, tried on recorded calls.
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import type { Approval, NewRule } from "~/api/client";
import { useApi, useMay } from "~/api/queries";
import { BacktestView } from "~/pages/policies/backtest";
import { Button, Field, Skeleton } from "~/ui/basics";
import { Dialog } from "~/ui/dialog";
import { Problem } from "~/ui/state";
import { Seen, ToolPath } from "~/ui/text";

const DAY = 86_400_000;
const TIMES: [string, number | null][] = [
  ["24 hours", DAY],
  ["7 days", 7 * DAY],
  ["30 days", 30 * DAY],
  ["no end", null],
];

type Props = {
  approval: Approval;
  blocked: string | undefined;
  twoSteps: boolean;
  busy: boolean;
  onClose: () => void;
  onSend: (verb: "approve" | "deny", rule: NewRule) => void;
};

export default function Remember({ approval, blocked, twoSteps, busy, onClose, onSend }: Props) {
  const api = useApi();
  const isAdmin = useMay("admin");
  const [effect, setEffect] = useState<"allow" | "deny">("allow");
  const [pick, setPick] = useState(0);
  const [dropped, setDropped] = useState<string[]>([]);
  const [anyClient, setAnyClient] = useState(false);
  const [time, setTime] = useState(0);
  const [sure, setSure] = useState(false);
  const offered = useQuery({
    queryKey: [api.workspace, "policy", "remember", approval.id, effect],
    queryFn: async () => (await api.get("/api/v1/approvals/{id}/remember", { path: { id: approval.id }, query: { effect } as never })).items,
    retry: false,
  });
  const suggestion = offered.data?.[Math.min(pick, offered.data.length - 1)];
  const [opened] = useState(Date.now);
  const rule = suggestion ? shaped(suggestion.rule, dropped, anyClient, TIMES[time]?.[1] ?? null, opened) : null;
  const unpinned = rule !== null && (rule.match?.conditions ?? []).length === 0;
  const needsAdmin = unpinned && approval.risk === "destructive" && effect === "allow" && !isAdmin;
  const isChanged = rule !== null && suggestion !== undefined && JSON.stringify(rule) !== JSON.stringify(suggestion.rule);
  const tried = useQuery({
    queryKey: [api.workspace, "policy", "backtest", JSON.stringify(rule)],
    enabled: rule !== null && isChanged,
    queryFn: () => api.post("/api/v1/policies/backtest", { body: { change: "add", rule } as never }),
    retry: false,
  });
  const backtest = isChanged ? tried.data : suggestion?.backtest;
  const why = effect === "deny" ? undefined : (blocked ?? (needsAdmin ? "A destructive call with free arguments is remembered by an administrator only" : undefined));
  return (
    <Dialog
      open
      wide
      onClose={onClose}
      title={
        <>
          Remember <ToolPath path={approval.tool} />
        </>
      }
      footer={
        <>
          <Button className="mr-auto" onClick={onClose}>
            Cancel
          </Button>
          {effect === "allow" && twoSteps && (
            <label className="flex items-center gap-2">
              <input type="checkbox" checked={sure} onChange={(event) => setSure(event.target.checked)} />
              It is {approval.risk}; I have read the rule
            </label>
          )}
          <Button
            look="main"
            disabled={busy || rule === null}
            blocked={why ?? (effect === "allow" && twoSteps && !sure ? "Say that you have read the rule" : undefined)}
            onClick={() => rule && onSend(effect === "allow" ? "approve" : "deny", rule)}
          >
            {busy ? "Saving…" : effect === "allow" ? "Approve and remember" : "Deny and remember"}
          </Button>
        </>
      }
    >
      <div role="radiogroup" aria-label="Effect" className="mb-3 flex gap-4">
        {(["allow", "deny"] as const).map((each) => (
          <label key={each} className="flex items-center gap-2">
            <input type="radio" name="effect" checked={effect === each} onChange={() => (setEffect(each), setDropped([]), setPick(0))} />
            {each === "allow" ? "Allow such calls from now on" : "Deny such calls from now on"}
          </label>
        ))}
      </div>
      {offered.isPending && <Skeleton rows={4} />}
      {offered.error && <Problem error={offered.error} />}
      {offered.data?.length === 0 && <p>You can make no rule that would decide this call: a level above yours is stricter.</p>}
      {suggestion && rule && (
        <div className="flex flex-col gap-4">
          {(offered.data?.length ?? 0) > 1 && (
            <fieldset>
              <legend className="mb-1 text-ink2">How wide</legend>
              {offered.data?.map((each, i) => (
                <label key={i} className="flex min-h-7 items-center gap-2">
                  <input type="radio" name="width" checked={i === pick} onChange={() => (setPick(i), setDropped([]))} />
                  <Seen text={each.about} />
                </label>
              ))}
            </fieldset>
          )}
          <fieldset className="rounded-md border border-line p-3">
            <legend className="px-1 text-ink2">The rule</legend>
            <p>
              <strong>{effect === "allow" ? "Allow" : "Deny"}</strong> <Patterns of={suggestion.rule.match?.tools ?? []} /> when
            </p>
            <ul className="my-2 flex flex-col gap-1">
              {(suggestion.rule.match?.conditions ?? []).map((condition) => (
                <li key={condition}>
                  <label className="flex items-center gap-2">
                    <input
                      type="checkbox"
                      checked={!dropped.includes(condition)}
                      onChange={() => setDropped((now) => (now.includes(condition) ? now.filter((each) => each !== condition) : [...now, condition]))}
                    />
                    <code className="min-w-0 break-all">
                      <Seen text={condition} />
                    </code>
                  </label>
                </li>
              ))}
              {(suggestion.rule.match?.conditions ?? []).length === 0 && <li className="text-wait">any arguments</li>}
            </ul>
            <div className="flex flex-wrap items-end gap-4">
              {(suggestion.rule.match?.clients ?? []).length > 0 && (
                <label className="flex min-h-8 items-center gap-2">
                  <input type="checkbox" checked={!anyClient} onChange={(event) => setAnyClient(!event.target.checked)} />
                  only for {(suggestion.rule.match?.clients ?? []).join(", ")}
                </label>
              )}
              <Field label="Until" inline={false}>
                <select className="field" value={time} onChange={(event) => setTime(Number(event.target.value))}>
                  {TIMES.map(([label], i) => (
                    <option key={label} value={i}>
                      {label}
                    </option>
                  ))}
                </select>
              </Field>
              <p className="text-meta text-ink3">
                {rule.level ?? "workspace"} level, place {suggestion.position}
              </p>
            </div>
          </fieldset>
          {unpinned && effect === "allow" && <p className="text-wait">◆ With no condition every call of this tool passes, whatever its arguments.</p>}
          {backtest ? <BacktestView of={backtest} /> : tried.error ? <Problem error={tried.error} /> : <Skeleton rows={2} />}
        </div>
      )}
    </Dialog>
  );
}

function Patterns({ of }: { of: string[] }) {
  return <code className="break-all">{of.length > 0 ? of.join(", ") : "every tool"}</code>;
}

function shaped(rule: NewRule, dropped: string[], anyClient: boolean, ms: number | null, now: number): NewRule {
  const match = { ...rule.match, conditions: (rule.match?.conditions ?? []).filter((each) => !dropped.includes(each)) };
  if (anyClient) match.clients = [];
  const { until: _until, ...rest } = rule;
  return { ...rest, match, ...(ms === null ? {} : { until: new Date(now + ms).toISOString() }) } as NewRule;
}
