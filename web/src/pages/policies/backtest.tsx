// What a change of the rules would do to calls that were recorded.
import { Link } from "@tanstack/react-router";
import type { Backtest } from "~/api/client";
import { useSession } from "~/api/queries";
import { count } from "~/lib/time";
import { Decision } from "~/ui/basics";
import { compact } from "~/lib/json";
import { Seen, ToolPath } from "~/ui/text";

/** Characters of a call's arguments that are shown. */
const SHOWN = 300;

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
          The rule is about {count(of.matched ?? 0, "of them", "of them")}
          {(of.approvedByPeople ?? 0) + (of.deniedByPeople ?? 0) > 0
            ? `; people approved ${(of.approvedByPeople ?? 0).toLocaleString("en")} and denied ${(of.deniedByPeople ?? 0).toLocaleString("en")} of those when they were asked.`
            : "; nobody was asked about those."}
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
