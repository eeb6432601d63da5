// What a refresh would change, before it counts: each tool with how it differs and what policy says to
// it then, the rules that are about them, and why it would not be taken over by itself.
import { Link } from "@tanstack/react-router";
import { useRef, useState } from "react";
import type { Schemas } from "~/api/client";
import { useSession } from "~/api/queries";
import { count } from "~/lib/time";
import { Button, Decision, Panel, Risk } from "~/ui/basics";
import { Confirm } from "~/ui/dialog";
import { Seen, ToolPath } from "~/ui/text";

export type Report = Schemas["RefreshReport"];
type Change = Schemas["ToolChange"];
type Touched = Schemas["RuleTouched"];

/** Tools of one kind that are drawn; the rest is counted. */
const ROWS = 300;
const KINDS = [
  ["added", "+ Added"],
  ["removed", "− Removed"],
  ["changed", "~ Changed"],
] as const;
const FIELDS: Record<string, string> = { description: "what it says of itself", input: "arguments", output: "answer", risk: "risk", endpoint: "where it is sent", definition: "definition" };

type Props = {
  name: string;
  report: Report;
  busy: boolean;
  isRefreshing: boolean;
  onLeave: () => void;
  /** Takes it over; `accept` where it looks like half a document or a flood. */
  onTake: (accept: boolean) => void;
};

export function RefreshPanel({ name, report, busy, isRefreshing, onLeave, onTake }: Props) {
  const [asked, setAsked] = useState(false);
  const cancel = useRef<HTMLButtonElement>(null);
  const { doubt } = report;
  return (
    <Panel
      title="What a refresh would change"
      actions={
        <>
          <Button small look="quiet" onClick={onLeave}>
            Not now
          </Button>
          <Button small look={doubt ? "plain" : "main"} disabled={busy} onClick={() => (doubt ? setAsked(true) : onTake(false))}>
            {isRefreshing ? "Refreshing…" : doubt ? "Take it over all the same…" : "Take it over"}
          </Button>
        </>
      }
    >
      {doubt && (
        <p role="status" className="border-b border-line p-3">
          <span className="text-bad">▲ In doubt:</span> <Seen text={doubt} />. The clock keeps the tools as they are; a person may take it over.
        </p>
      )}
      <Difference of={report} />
      {report.rules.length > 0 && <Rules of={report.rules} />}
      <Confirm
        open={asked}
        onClose={() => setAsked(false)}
        cancelRef={cancel}
        verb="Take it over"
        busy={busy}
        title={`Take over a doubtful description of ${name}?`}
        onYes={() => {
          setAsked(false);
          onTake(true);
        }}
      >
        <p>
          <Seen text={doubt ?? ""} />.
        </p>
        <p className="mt-2">
          {count(report.added.length, "tool")} added, {report.removed.length.toLocaleString("en")} removed, {report.changed.length.toLocaleString("en")} changed. Programs that call a removed tool fail with tool_not_found.
        </p>
      </Confirm>
    </Panel>
  );
}

function Difference({ of }: { of: Report }) {
  if (of.changes.length === 0) return <p className="p-3">Nothing: the description is the same.</p>;
  return (
    <div className="flex flex-col gap-4 p-3">
      {KINDS.map(([kind, name]) => {
        const changes = of.changes.filter((each) => each.change === kind);
        if (changes.length === 0) return null;
        return (
          <section key={kind}>
            <h3 className="text-ink2">
              {name} {changes.length.toLocaleString("en")}
            </h3>
            <ul className="max-h-96 overflow-auto" tabIndex={0} aria-label={name}>
              {changes.slice(0, ROWS).map((each) => (
                <Changed key={each.path} of={each} />
              ))}
              {changes.length > ROWS && <li className="py-1 text-ink2">and {(changes.length - ROWS).toLocaleString("en")} more</li>}
            </ul>
          </section>
        );
      })}
    </div>
  );
}

function Changed({ of }: { of: Change }) {
  const { decisionBefore: before, decisionAfter: after } = of;
  const only = after ?? before;
  return (
    <li className="border-t border-line py-1">
      <div className="flex flex-wrap items-baseline gap-x-3 gap-y-0.5">
        <span className="min-w-0">
          <ToolPath path={of.path} />
        </span>
        <Risk of={of.risk} />
        <span className="flex flex-wrap gap-x-2">
          {before && after && before !== after ? (
            <>
              <Decision of={before} />
              <span className="text-ink3">then</span>
              <Decision of={after} />
            </>
          ) : (
            only && <Decision of={only} />
          )}
        </span>
        {of.unreviewed && <span className="text-meta text-ink2">asks until somebody has looked at it</span>}
      </div>
      {of.differences.map((each) => (
        <div key={each.field} className="mt-1 mb-2 pl-3">
          <p className="text-meta text-ink3">{FIELDS[each.field] ?? each.field}</p>
          {(
            [
              ["−", "was", each.before],
              ["+", "is", each.after],
            ] as const
          ).map(([sign, word, text]) => (
            <pre key={sign} className="flex gap-2 text-meta">
              <span aria-hidden className="text-ink3">
                {sign}
              </span>
              <span className="sr-only">{word}: </span>
              <code className="min-w-0 break-words whitespace-pre-wrap">{text ? <Seen text={text} /> : <span className="text-ink3">nothing</span>}</code>
            </pre>
          ))}
        </div>
      ))}
    </li>
  );
}

function Rules({ of }: { of: Touched[] }) {
  const { slug } = useSession();
  return (
    <section className="border-t border-line p-3">
      <h3 className="text-ink2">Rules that are about them</h3>
      <ul aria-label="Rules that are about them">
        {of.map((each) => (
          <li key={each.rule} className="flex flex-wrap items-baseline gap-x-3 py-0.5" title={each.paths.join("\n")}>
            <Decision of={each.effect} />
            <Link to="/w/$slug/policies/$id" params={{ slug, id: each.rule }} className="font-mono break-all text-accent underline">
              {each.rule}
            </Link>
            <span className="text-ink2">
              {each.level}, about {count(each.total, "tool")} of these
            </span>
            {each.orphaned && <span className="text-bad">▲ about no tool any more</span>}
          </li>
        ))}
      </ul>
    </section>
  );
}
