// A rule made of this decision: the narrowest by default, shown exactly, tried on recorded calls.
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import type { Approval, NewRule } from "~/api/client";
import { keys as allKeys, useApi, useMay, useSession } from "~/api/queries";
import { BacktestView } from "~/pages/policies/backtest";
import { Button, cx, Field, Skeleton } from "~/ui/basics";
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

/** Whom the rule may bind, and who makes one there. */
const LEVELS = [
  ["personal", "my own tasks"],
  ["workspace", "this workspace"],
  ["organization", "every workspace"],
] as const;

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
  const { me } = useSession();
  const isAdmin = useMay("admin");
  const isOwner = useMay("owner");
  const [effect, setEffect] = useState<"allow" | "deny">("allow");
  const [pick, setPick] = useState(0);
  // What was chosen for a condition instead of what the call has: null for any, else another condition.
  const [chosen, setChosen] = useState<Record<string, string | null>>({});
  const [level, setLevel] = useState<string | null>(null);
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
  const keyNames = useQuery({ ...allKeys(api), staleTime: 60_000, retry: false });
  const rule = suggestion ? shaped(suggestion.rule, { chosen, anyClient, level }, TIMES[time]?.[1] ?? null, opened) : null;
  const unpinned = rule !== null && (rule.match?.conditions ?? []).length === 0;
  const isPinned = suggestion !== undefined && (suggestion.rule.match?.conditions ?? []).length > 0 && Object.keys(chosen).length === 0;
  const needsAdmin = !isPinned && twoSteps && effect === "allow" && !isAdmin;
  const levels = LEVELS.filter(([name]) => (name === "personal" ? approval.requestedBy === me.accountId : name === "workspace" ? isAdmin : isOwner));
  const isChanged = rule !== null && suggestion !== undefined && JSON.stringify(rule) !== JSON.stringify(suggestion.rule);
  const tried = useQuery({
    queryKey: [api.workspace, "policy", "backtest", JSON.stringify(rule)],
    enabled: rule !== null && isChanged,
    queryFn: () => api.post("/api/v1/policies/backtest", { body: { change: "add", rule } as never }),
    retry: false,
  });
  const backtest = isChanged ? tried.data : suggestion?.backtest;
  const names = [...(suggestion?.rule.match?.clients ?? []), ...(suggestion?.rule.match?.keys ?? []).map((id) => `the key ${keyNames.data?.find((each) => each.id === id)?.name ?? id}`)];
  const why = effect === "deny" ? undefined : (blocked ?? (needsAdmin ? `A ${approval.risk} call is remembered with every argument as it is, unless by an administrator` : undefined));
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
            <input type="radio" name="effect" checked={effect === each} onChange={() => (setEffect(each), setChosen({}), setPick(0))} />
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
                  <input type="radio" name="width" checked={i === pick} onChange={() => (setPick(i), setChosen({}))} />
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
                <Choice
                  key={condition}
                  of={condition}
                  chosen={chosen[condition]}
                  onChoose={(next) =>
                    setChosen((now) => {
                      const { [condition]: _before, ...rest } = now;
                      return next === condition ? rest : { ...rest, [condition]: next };
                    })
                  }
                />
              ))}
              {(suggestion.rule.match?.conditions ?? []).length === 0 && <li className="text-wait">any arguments</li>}
            </ul>
            <div className="flex flex-wrap items-end gap-4">
              {names.length > 0 && (
                <label className="flex min-h-8 items-center gap-2">
                  <input type="checkbox" checked={!anyClient} onChange={(event) => setAnyClient(!event.target.checked)} />
                  <span>
                    only for <Seen text={names.join(", ")} />
                  </span>
                </label>
              )}
              {levels.length > 1 && (
                <Field label="For" inline={false}>
                  <select className="field" value={rule.level ?? "workspace"} onChange={(event) => setLevel(event.target.value)}>
                    {levels.map(([name, label]) => (
                      <option key={name} value={name}>
                        {label}
                      </option>
                    ))}
                  </select>
                </Field>
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
                {rule.level ?? "workspace"} level{level === null || level === suggestion.rule.level ? `, place ${suggestion.position}` : ""}
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

/** What one argument must be: as in this call, within a bound, or anything. */
function Choice({ of, chosen, onChoose }: { of: string; chosen: string | null | undefined; onChoose: (condition: string | null) => void }) {
  const number = numberIn(of);
  const now = chosen === undefined ? of : chosen;
  const bound = number && now !== null ? BOUNDS.find(([operator]) => now.startsWith(`${number.path} ${operator} `)) : undefined;
  const kind = now === null ? "any" : (bound?.[0] ?? "is");
  const limit = bound && number ? (now ?? "").slice(`${number.path} ${bound[0]} `.length) : (number?.value ?? "");
  const label = number?.path ?? of.split(" ")[0] ?? of;
  const choose = (next: string) => onChoose(next === "any" ? null : next === "is" || !number ? of : `${number.path} ${next} ${limit}`);
  return (
    <li className="flex flex-wrap items-center gap-2">
      <select className="field" aria-label={`What ${label} must be`} value={kind} onChange={(event) => choose(event.target.value)}>
        <option value="is">as in this call</option>
        {number && BOUNDS.map(([operator, words]) => (
          <option key={operator} value={operator}>
            {words}
          </option>
        ))}
        <option value="any">anything</option>
      </select>
      {number && bound ? (
        <>
          <code className="break-all">
            <Seen text={`${number.path} ${bound[0]}`} />
          </code>
          <input
            className="field w-32 font-mono"
            inputMode="decimal"
            aria-label={`Bound of ${label}`}
            defaultValue={limit}
            onChange={(event) => NUMBER.test(event.target.value.trim()) && onChoose(`${number.path} ${bound[0]} ${event.target.value.trim()}`)}
          />
        </>
      ) : (
        <code className={cx("min-w-0 break-all", now === null && "line-through decoration-ink3")}>
          <Seen text={of} />
        </code>
      )}
    </li>
  );
}

const BOUNDS = [
  ["<=", "at most"],
  [">=", "at least"],
] as const;
const NUMBER = /^-?\d+(\.\d+)?([eE][+-]?\d+)?$/;

/** The path and the number of a condition that says that an argument is a number. */
function numberIn(condition: string): { path: string; value: string } | null {
  const found = /^(\S+) = (\S+)$/.exec(condition);
  return found?.[1] && found[2] && NUMBER.test(found[2]) ? { path: found[1], value: found[2] } : null;
}

function Patterns({ of }: { of: string[] }) {
  return <code className="break-all">{of.length > 0 ? of.join(", ") : "every tool"}</code>;
}

type Shape = { chosen: Record<string, string | null>; anyClient: boolean; level: string | null };

function shaped(rule: NewRule, { chosen, anyClient, level }: Shape, ms: number | null, now: number): NewRule {
  const conditions = (rule.match?.conditions ?? []).map((each) => (each in chosen ? (chosen[each] ?? null) : each)).filter((each) => each !== null);
  const match = { ...rule.match, conditions };
  if (anyClient) {
    match.clients = [];
    match.keys = [];
  }
  // On one's own level the person is named by the level.
  if (level === "personal") match.persons = [];
  const { until: _until, ...rest } = rule;
  return { ...rest, ...(level ? { level } : {}), match, ...(ms === null ? {} : { until: new Date(now + ms).toISOString() }) } as NewRule;
}
