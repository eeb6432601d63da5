// What a change of the rules would do to calls that were recorded.
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { Backtest, NewRule } from "~/api/client";
import { useApi, useSession } from "~/api/queries";
import { count } from "~/lib/time";
import { Decision } from "~/ui/basics";
import { compact } from "~/lib/json";
import { Loaded } from "~/ui/state";
import { Seen, ToolPath } from "~/ui/text";

/** Characters of a call's arguments that are shown. */
const SHOWN = 300;

/** A change of the rules: `rule` of an added or edited one, `position` of one that is moved. */
export type Change = { change: "add" | "edit" | "move" | "remove"; id?: string; rule?: NewRule; position?: number };

/** Tries a change on recorded calls. */
export function useBacktest(): (change: Change) => Promise<Backtest> {
  const api = useApi();
  return (change) => api.post("/api/v1/policies/backtest", { body: change as never });
}

/** What a change would do, read when it is shown. */
export function ChangeBacktest({ of }: { of: Change }) {
  const api = useApi();
  const backtest = useBacktest();
  const query = useQuery({ queryKey: [api.workspace, "policy", "backtest", JSON.stringify(of)], queryFn: () => backtest(of), retry: false });
  return (
    <Loaded query={query} rows={2}>
      {(found) => <BacktestView of={found} />}
    </Loaded>
  );
}

export function BacktestView({ of }: { of: Backtest }) {
  const { slug } = useSession();
  return (
    <section aria-label="Backtest" className="rounded-md border border-line bg-surface p-3">
      <p>
        {of.lookedAt === 0
          ? "No call is recorded yet to try it on."
          : of.otherwise === 0
            ? `Tried on ${count(of.lookedAt, "recorded call")}: none would be decided otherwise.`
            : `Tried on ${count(of.lookedAt, "recorded call")}: ${count(of.otherwise, "call")} would be decided otherwise.`}
      </p>
      {(of.matched ?? 0) > 0 && (
        <p>
          {of.rulesChanged === 1 ? "The rule is" : "The rules are"} about {count(of.matched ?? 0, "of them", "of them")}
          {(of.approvedByPeople ?? 0) + (of.deniedByPeople ?? 0) > 0
            ? `; people approved ${(of.approvedByPeople ?? 0).toLocaleString("en")} and denied ${(of.deniedByPeople ?? 0).toLocaleString("en")} of those when they were asked.`
            : "; no person has answered any of those."}
        </p>
      )}
      {of.changes.length > 0 && (
        <ul className="mt-1 flex flex-wrap gap-x-4">
          {of.changes.map((change) => (
            <li key={`${change.from}${change.to}`}>
              {change.count} <Decision of={change.from} /> → <Decision of={change.to} />
            </li>
          ))}
        </ul>
      )}
      {of.examples.length > 0 && (
        <details className="mt-2">
          <summary className="text-accent underline">List {of.examples.length} of them</summary>
          <ul className="mt-1 max-h-60 overflow-auto">
            {of.examples.map((each) => (
              <li key={each.callId} className="flex flex-wrap gap-x-3 border-t border-line py-0.5">
                <Link to="/w/$slug/tasks/$id" params={{ slug, id: each.taskId }} search={{ call: String(each.sequence) }} className="text-accent underline">
                  call {each.sequence}
                </Link>
                <ToolPath path={each.tool} />
                <span>
                  <Decision of={each.from} /> → <Decision of={each.to} />
                </span>
                {each.answer && <span>a person {each.answer} it</span>}
                <code className="w-full break-all text-meta text-ink2">
                  <Seen text={compact(each.arguments ?? {}).slice(0, SHOWN)} />
                </code>
              </li>
            ))}
          </ul>
        </details>
      )}
      {of.notLookedAt.map((each) => (
        <p key={each} className="mt-1 text-meta text-ink3">
          Not among them: {each}
        </p>
      ))}
    </section>
  );
}
