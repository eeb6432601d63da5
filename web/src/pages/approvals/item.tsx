// One approval in full: who, why, what exactly, what comes next, and the decision.
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { lazy, Suspense, useEffect, useRef, useState } from "react";
import type { Approval, Rule, Task } from "~/api/client";
import { calls as allCalls, explanation, keys as allKeys, policy, task as oneTask, tool as oneTool, useApi, useNames, useSession } from "~/api/queries";
import { useKeys } from "~/lib/keys";
import { clock, span } from "~/lib/time";
import { Ago, Button, cx, Facts, Risk, Skeleton, Status, useNow, When } from "~/ui/basics";
import { RunAs } from "~/ui/credential";
import { Seen, ToolPath } from "~/ui/text";
import { LookedAtList } from "~/pages/policies/trace";
import { aboutOf } from "~/pages/policies/words";
import { Loaded } from "~/ui/state";
import { Arguments, useReveal, VIEWS, type View } from "./arguments";
import { Extend } from "./attention";
import { CodeContext } from "./context";
import { Current } from "./current";
import { Decide } from "./decide";
import { RiskReasons } from "./risk";

/** Seldom asked, and it brings forms along. */
const Question = lazy(() => import("./question"));

type Props = { approval: Approval; onward: (id: string) => void; onStop: () => void; back: () => void };

/** What the rule says, without what stands beside it: which rule, and by which assignment of its set. */
const whyOf = (approval: Approval, rule: Rule): string =>
  approval.why.replace(`rule ${rule.id} of the ${rule.level} `, "").replace(`rule ${rule.id} of the set`, "of the set").replace(/, which asgn_\w+ assigns to [^,]*,/, "");

export function Item({ approval, onward, onStop, back }: Props) {
  const { slug } = useSession();
  const api = useApi();
  const names = useNames();
  const [view, setView] = useState<View>("form");
  const reveal = useReveal(approval.digest, approval.arguments, approval.request, view);
  const task = useQuery(oneTask(api, approval.taskId));
  // What cannot be read is not needed: the values are drawn as they are.
  const schema = useQuery({ ...oneTool(api, approval.tool), staleTime: 300_000, retry: false }).data?.inputSchema;
  const rule = useQuery({ ...policy(api), staleTime: 60_000, enabled: Boolean(approval.rule) }).data?.rules.find((each) => each.id === approval.rule);
  useKeys("Arguments", [
    { keys: "e", label: "Show all arguments", run: reveal.revealAll },
    { keys: "v", label: "Next view", run: () => setView(VIEWS[(VIEWS.indexOf(view) + 1) % VIEWS.length] ?? "form") },
  ]);
  const isPending = approval.status === "pending";
  return (
    <article aria-labelledby="item-title" className="flex h-full min-h-0 flex-col">
      <div id="item" tabIndex={-1} aria-labelledby="item-title" className="min-h-0 flex-1 overflow-auto outline-none">
        <div className="flex flex-wrap items-start gap-x-3 gap-y-1 border-b border-line px-4 py-3">
          <Button small look="quiet" className="-ml-2 md:hidden" onClick={back} aria-label="Back to the list">
            ←
          </Button>
          <h2 id="item-title" className="min-w-0 flex-1 text-item">
            <ToolPath path={approval.tool} />
          </h2>
          <Risk of={approval.risk} />
          {!isPending && <Status of={approval.status} />}
          <div className="w-full text-ink2">
            {task.data ? <Who task={task.data} /> : task.error ? <>{names(approval.requestedBy)}; the task and its code are not yours to see</> : "…"}
          </div>
          <div className="flex w-full flex-wrap items-center gap-x-4 text-ink2">
            <span>
              asked <Ago at={approval.createdAt} />
            </span>
            {isPending && <Expiry from={approval.createdAt} until={approval.expiresAt} />}
            {isPending && <Extend approval={approval} />}
          </div>
        </div>
        <div className="flex flex-col gap-4 p-4">
          {approval.question === "send_again" && (
            <p className="rounded-md border border-bad p-3">
              <strong className="text-bad">▲ This call may have been sent already.</strong> The server stopped while it was under way. Look at its effect, then
              send it again, say that it happened, or let it fail.
            </p>
          )}
          {!isPending && <Outcome approval={approval} />}
          <div className="order-2 flex flex-col gap-4 md:order-none">
            <Facts
              of={[
                [
                  "Why asked",
                  <>
                    {approval.rule && (
                      <>
                        <Link to="/w/$slug/policies/$id" params={{ slug, id: approval.rule }} className="text-accent underline">
                          {rule ? <Seen text={rule.note ? `“${rule.note}”` : aboutOf(rule.match)} /> : "the rule"}
                        </Link>
                        {rule && ` (${rule.level}, place ${rule.position}): `}
                      </>
                    )}
                    <Seen text={rule ? whyOf(approval, rule) : approval.why} />
                  </>,
                ],
                ["Risk", <RiskReasons of={approval} />],
                ["Needs", approval.needed > 1 && `${approval.needed} people; ${approval.missing} still missing`],
                ["Assigned to", approval.assigned && `${names(approval.assigned.to)}, by ${names(approval.assigned.by)}`],
                ["Yes by", approval.answers.length > 0 && approval.answers.map((yes) => names(yes.by)).join(", ")],
              ]}
            />
            <Decided approval={approval} />
          </div>
          <div className="order-1 md:order-none">
            <Arguments value={approval.arguments} request={approval.request} before={approval.previous?.arguments ?? null} view={view} onView={setView} reveal={reveal} schema={schema} />
            {approval.previous && (
              <p className="mt-1 text-meta text-ink3">
                Changes are marked against{" "}
                <Link to="/w/$slug/tasks/$id" params={{ slug, id: approval.previous.taskId }} search={{ call: String(approval.previous.sequence) }} className="text-accent underline">
                  the call of this tool that this client sent last
                </Link>
                {approval.previous.sentAt && (
                  <>
                    , <Ago at={approval.previous.sentAt} />
                  </>
                )}
                .
              </p>
            )}
            {approval.edited && (
              <p className="mt-2 text-wait">
                Changed by {names(approval.edited.by)} <When at={approval.edited.at} />. The program asked for{" "}
                <code className="break-all">
                  <Seen text={JSON.stringify(approval.edited.originalArguments)} />
                </code>
              </p>
            )}
          </div>
          <div className="order-2 empty:hidden md:order-none">
            <Current approval={approval} />
          </div>
          <div className="order-3">{(task.data || task.error) && <CodeContext approval={approval} task={task.data ?? null} />}</div>
          {isPending && task.data && task.data.channel !== "dashboard" && (
            <div className="order-4">
              <Button small look="quiet" onClick={onStop}>
                Stop this agent…
              </Button>
            </div>
          )}
        </div>
      </div>
      {isPending && approval.question === "input" && (
        <Suspense fallback={<Skeleton rows={2} />}>
          <Question key={approval.digest} approval={approval} onward={onward} />
        </Suspense>
      )}
      {isPending && approval.question !== "input" && <Decide approval={approval} isRevealed={reveal.isRevealed} onReveal={reveal.revealAll} onward={onward} />}
    </article>
  );
}

/** Who asks: the person and the key are known for certain, the client's name is what it says. */
function Who({ task }: { task: Task }) {
  const { workspaces, slug } = useSession();
  const api = useApi();
  const names = useNames();
  const keys = useQuery({ ...allKeys(api), staleTime: 60_000, retry: false, enabled: Boolean(task.key) });
  const key = keys.data?.find((each) => each.id === task.key);
  const workspace = workspaces.length > 1 ? workspaces.find((each) => each.id === task.workspaceId) : undefined;
  return (
    <>
      <strong className="text-ink">{names(task.requestedBy)}</strong>
      {task.channel === "dashboard" ? (
        " in the dashboard"
      ) : (
        <>
          {" "}
          through {task.client ? <Seen text={task.client} /> : "an unnamed client"} <span className="text-meta text-ink3">{task.client && "(as it calls itself) "}over {WAYS[task.channel] ?? task.channel}</span>
        </>
      )}
      {task.key && (
        <>
          {", with the key "}
          <Link to="/w/$slug/settings/$section" params={{ slug, section: "keys" }} className="text-accent underline">
            {key ? <Seen text={`“${key.name}”`} /> : <code>{task.key}</code>}
          </Link>
        </>
      )}
      {task.grant && ", with what was granted to it by OAuth"}
      {task.runAs && (
        <>
          , to be sent with the credential <RunAs id={task.runAs} />, chosen for it
        </>
      )}
      {workspace && <>, in {workspace.name}</>}
    </>
  );
}

const WAYS: Record<string, string> = { mcp: "MCP", api: "the API", cli: "the command line" };

/** Every rule that was looked at, also those that nearly decided; read when it is wanted. */
function Decided({ approval }: { approval: Approval }) {
  const [isOpen, setOpen] = useState(false);
  const why = useQuery({ ...explanation(useApi(), approval.taskId, approval.sequence), enabled: isOpen });
  return (
    <details onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary className="w-fit text-accent underline">Rules that were looked at</summary>
      {isOpen && <div className="mt-1"><Loaded query={why} rows={2}>{(found) => <LookedAtList of={found.lookedAt} />}</Loaded></div>}
    </details>
  );
}

function Expiry({ from, until }: { from: string; until: string }) {
  const now = useNow();
  const whole = Date.parse(until) - Date.parse(from);
  const left = Date.parse(until) - now;
  const share = Math.max(0, Math.min(1, left / whole));
  const bar = useRef<HTMLSpanElement>(null);
  useEffect(() => {
    if (bar.current) bar.current.style.width = `${share * 100}%`;
  });
  return (
    <span className="flex items-center gap-2">
      {left > 0 ? "expires in" : "expiring"} {left > 0 && <span className={cx("font-mono", left < 60_000 && "text-wait")}>{clock(left)}</span>}
      <span aria-hidden className="h-1 w-20 rounded-full bg-line">
        <span ref={bar} className="block h-1 rounded-full bg-wait" />
      </span>
    </span>
  );
}

function Outcome({ approval }: { approval: Approval }) {
  const { slug } = useSession();
  const names = useNames();
  const call = useQuery(allCalls(useApi(), approval.taskId)).data?.find((each) => each.sequence === approval.sequence);
  const took = approval.decidedAt ? span(Date.parse(approval.decidedAt) - Date.parse(approval.createdAt)) : null;
  return (
    <div className="rounded-md border border-line bg-surface p-3" data-testid="outcome">
      <p>
        <Status of={approval.status} />{" "}
        {approval.decidedBy && (
          <>
            by <strong>{names(approval.decidedBy)}</strong>
          </>
        )}
        {approval.decidedVia && ` through ${approval.decidedVia}`}
        {approval.decidedAt && (
          <>
            {" "}
            · <When at={approval.decidedAt} />
          </>
        )}
        {took && ` · after ${took}`}
      </p>
      {approval.reason && (
        <p className="mt-1">
          Reason: <Seen text={approval.reason} />
        </p>
      )}
      {approval.status === "approved" && call && (
        <p className="mt-1 flex flex-wrap gap-x-2">
          The call then: <Status of={call.status} />
          <Link to="/w/$slug/tasks/$id" params={{ slug, id: approval.taskId }} className="text-accent underline">
            open its task
          </Link>
          {typeof call.error?.message === "string" && (
            <span className="min-w-0 text-bad">
              <Seen text={call.error.message} />
            </span>
          )}
        </p>
      )}
    </div>
  );
}
