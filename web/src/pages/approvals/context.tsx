// Where in the program the call stands, what came before it, and what would come after.
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import type { Approval, Task } from "~/api/client";
import { calls as allCalls, check, useApi, useSession } from "~/api/queries";
import { cx, Decision, Status } from "~/ui/basics";
import { Seen, ToolPath } from "~/ui/text";

/** Lines of the program shown on either side of the call. */
const AROUND = 5;

/** What each answer leads to, by what is asked. */
function wordsOf(approval: Approval): { names: [string, string]; yes: ReactNode; no: ReactNode; silence: ReactNode } {
  if (approval.question === "input")
    return { names: ["After an answer", "After a no"], yes: "What was entered goes to the source, which goes on with the call.", no: "The source is told that you declined.", silence: "The source gets no answer." };
  if (approval.question === "send_again")
    return {
      names: ["Sent again", "Let fail"],
      yes: "The call is sent once more, as shown. If it happened, the code gets what you enter instead, and nothing is sent.",
      no: <>Nothing is sent. The code gets <code>outcome_unknown</code>.</>,
      silence: <>Nothing is sent. The code gets <code>outcome_unknown</code>.</>,
    };
  return {
    names: ["After a yes", "After a no"],
    yes: "The call is sent once, as shown.",
    no: <>Nothing is sent. The code gets <code className="break-words">approval_denied: a reviewer denied the call to {approval.tool}</code>, and your note.</>,
    silence: <>Nothing is sent. The code gets <code>approval_expired</code>.</>,
  };
}

/** Without the task, for whoever may answer and not see it: only what each answer leads to. */
export function CodeContext({ approval, task }: { approval: Approval; task: Task | null }) {
  const api = useApi();
  const calls = useQuery({ ...allCalls(api, approval.taskId), enabled: task !== null });
  const forecast = useQuery({ ...check(api, task?.code ?? ""), enabled: task !== null && approval.status === "pending" });
  const line = calls.data?.find((call) => call.sequence === approval.sequence)?.line ?? null;
  const lines = (task?.code ?? "").split("\n");
  const earlier = (calls.data ?? []).filter((call) => call.sequence < approval.sequence);
  const later = (forecast.data?.forecast ?? []).filter((each) => line !== null && each.line > line);
  const words = wordsOf(approval);
  const repeats = line !== null && /\b(for|while|map|forEach)\b/.test(lines.slice(0, line).join("\n"));
  return (
    <div className="flex flex-col gap-4">
      {task && <Program task={task} line={line} />}
      {earlier.length > 0 && (
        <section aria-label="Earlier calls">
          <h3 className="mb-1 text-ink2">Earlier calls of this task</h3>
          <ul className="flex flex-col gap-0.5">
            {earlier.slice(-8).map((call) => (
              <li key={call.id} className="flex gap-3">
                <span className="min-w-0 flex-1 truncate">
                  {call.sequence}. <span className="font-mono"><Seen text={call.tool} /></span>
                </span>
                <Status of={call.status} />
              </li>
            ))}
          </ul>
        </section>
      )}
      {approval.status === "pending" && (
        <section aria-label="What comes next">
          <h3 className="mb-1 text-ink2">What comes next</h3>
          <dl className="grid grid-cols-1 gap-x-4 gap-y-1 md:grid-cols-[minmax(110px,max-content)_1fr]">
            <dt className="text-ink3">{words.names[0]}</dt>
            <dd>
              {words.yes}
              {repeats && " It may stand in a loop and ask again."}{" "}
              {later.length > 0 ? (
                <>
                  Then, as an estimate:
                  <ul className="mt-0.5">
                    {later.slice(0, 6).map((each, i) => (
                      <li key={i}>
                        line {each.line} <ToolPath path={each.tool} /> <Decision of={each.decision} />
                      </li>
                    ))}
                  </ul>
                </>
              ) : (
                "No later call is visible in the text."
              )}
            </dd>
            <dt className="text-ink3">{words.names[1]}</dt>
            <dd>{words.no}</dd>
            <dt className="text-ink3">If nobody answers</dt>
            <dd>{words.silence}</dd>
          </dl>
        </section>
      )}
    </div>
  );
}

/** The line of the call with some around it. */
function Program({ task, line }: { task: Task; line: number | null }) {
  const { slug } = useSession();
  const lines = task.code.split("\n");
  const from = line ? Math.max(1, line - AROUND) : 1;
  const to = line ? Math.min(lines.length, line + AROUND) : Math.min(lines.length, AROUND * 2 + 1);
  return (
    <section className="rounded-md border border-line bg-surface" aria-label="Code">
      <div className="flex flex-wrap items-center gap-2 border-b border-line px-3 py-1.5">
        <h3>Code</h3>
        <span className="text-ink2">{line ? `line ${line} of ${lines.length}` : `${lines.length} lines`}</span>
        <Link to="/w/$slug/tasks/$id" params={{ slug, id: task.id }} search={{ tab: "code" }} className="ml-auto text-accent underline">
          open task
        </Link>
      </div>
      <div tabIndex={0} role="group" aria-label="The program around the call" className="overflow-x-auto py-1 font-mono">
        {lines.slice(from - 1, to).map((text, i) => {
          const number = from + i;
          const isHere = number === line;
          return (
            <div key={number} className={cx("flex w-max min-w-full", isHere && "bg-select")}>
              <span className="w-12 shrink-0 pr-3 text-right text-ink3 select-none">
                {isHere && <span className="text-wait">▶ </span>}
                {number}
              </span>
              <span className="pr-3 whitespace-pre">
                <Seen text={text || " "} />
              </span>
            </div>
          );
        })}
      </div>
    </section>
  );
}
