// One task: its timeline beside its code, logs, result and calls.
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { useEffect, useRef, useState } from "react";
import type { Call, Task } from "~/api/client";
import { calls as allCalls, task as oneTask, useApi, useNames, useSession } from "~/api/queries";
import { useKeys } from "~/lib/keys";
import { clock, count, span } from "~/lib/time";
import { Button, buttonClass, cx, Status, toClipboard, useNow, When } from "~/ui/basics";
import { RunAs } from "~/ui/credential";
import { Confirm } from "~/ui/dialog";
import { Loaded, Problem } from "~/ui/state";
import { Seen } from "~/ui/text";
import { toast } from "~/ui/toast";
import { CallPanel } from "./call";
import { Code } from "./code";
import { Logs } from "./logs";
import { Result } from "./result";
import { Timeline } from "./timeline";
import { duration, OPEN, titleOf, waitingSince } from "./title";

const TABS = ["code", "logs", "result", "call", "events"] as const;
type Tab = (typeof TABS)[number];

export function TaskPage() {
  const { id } = useParams({ strict: false }) as { id: string };
  const query = useQuery(oneTask(useApi(), id));
  return <Loaded query={query} rows={10}>{(task) => <Detail task={task} key={task.id} />}</Loaded>;
}

function Detail({ task }: { task: Task }) {
  const { slug } = useSession();
  const api = useApi();
  const client = useQueryClient();
  const navigate = useNavigate();
  const search = useSearch({ strict: false }) as { tab?: string; call?: string };
  const calls = useQuery(allCalls(api, task.id));
  const [isAsking, setAsking] = useState(false);
  const [failure, setFailure] = useState<unknown>(null);
  // Where in the task's time it is replayed, in milliseconds from its start.
  const [at, setAt] = useState<number | null>(null);
  const [busy, setBusy] = useState(false);
  const cancelRef = useRef<HTMLButtonElement>(null);
  const isOpen = OPEN.has(task.status);
  const selected = search.call ? Number(search.call) : null;
  const tab: Tab = TABS.find((each) => each === search.tab) ?? (selected ? "call" : isOpen || task.status === "completed" ? (task.status === "completed" ? "result" : "code") : "code");
  const show = (change: { tab?: string; call?: string }) => void navigate({ to: ".", search: (before: object) => ({ ...before, ...change }), replace: true } as never);
  const list = calls.data ?? [];
  const call = list.find((each) => each.sequence === selected) ?? null;
  // The task's last event may come before its calls were read.
  useEffect(() => void client.invalidateQueries({ queryKey: allCalls(api, task.id).queryKey }), [task.status, api, client, task.id]);
  const pending = task.approvals.filter((each) => each.status === "pending");
  const moment = at === null ? null : Date.parse(task.createdAt) + at;
  const under = moment === null ? null : underWay(list, moment);
  const act = async (what: () => Promise<unknown>) => {
    setBusy(true);
    setFailure(null);
    try {
      await what();
      setAsking(false);
    } catch (error) {
      setFailure(error);
    } finally {
      setBusy(false);
      void client.invalidateQueries({ queryKey: oneTask(api, task.id).queryKey });
    }
  };
  const rerun = () =>
    act(async () => {
      const again = await api.post("/api/v1/tasks/{id}/rerun", { path: { id: task.id } });
      await navigate({ to: "/w/$slug/tasks/$id", params: { slug, id: again.id } });
    });
  const link = `${location.origin}/w/${encodeURIComponent(slug)}/tasks/${task.id}`;
  const copyLink = async () => toast((await toClipboard(link)) ? "Copied the link" : link);
  useKeys("Task", [
    ...TABS.map((each, i) => ({ keys: String(i + 1), label: `Show ${each}`, run: () => show({ tab: each }) })),
    { keys: "C", label: "Cancel the task", run: () => isOpen && setAsking(true) },
    { keys: "f", label: "Edit and run, or fork from the selected call", run: () => void navigate({ to: "/w/$slug/run", params: { slug }, search: { from: task.id, ...(call ? { call: String(call.sequence) } : {}) } }) },
    { keys: "y", label: "Copy the link", run: () => void copyLink() },
    { keys: "j / ArrowDown", label: "Next call", repeats: true, run: () => step(1) },
    { keys: "k / ArrowUp", label: "Call before", repeats: true, run: () => step(-1) },
    { keys: "Escape", label: "Back to tasks", run: () => void navigate({ to: "/w/$slug/tasks", params: { slug } }) },
  ]);
  const step = (by: number) => {
    const index = list.findIndex((each) => each.sequence === selected);
    const next = list[Math.max(0, Math.min(list.length - 1, index < 0 ? 0 : index + by))];
    if (next) choose(next.sequence);
  };
  // Beside the code a call is shown below it, so that its line stays in sight.
  const choose = (sequence: number) => show({ call: String(sequence), tab: tab === "code" ? "code" : "call" });
  const done = list.filter((each) => each.status === "succeeded").length;
  return (
    <div className="flex h-full min-h-0 flex-col">
      <div className="border-b border-line px-4 py-3">
        <div className="flex flex-wrap items-baseline gap-x-3 gap-y-1">
          <h1 className="min-w-0 text-item break-words">
            <Seen text={titleOf(task)} />
          </h1>
          <Status of={task.status} />
          {pending[0] && <Waiting task={task} />}
        </div>
        <Meta task={task} />
        <div className="mt-2 flex flex-wrap gap-2">
          {pending[0] && (
            <Link to="/w/$slug/approvals/$id" params={{ slug, id: pending[0].id }} className={buttonClass("main", true)}>
              Review{pending.length > 1 ? ` (${pending.length})` : ""}
            </Link>
          )}
          {isOpen && (
            <Button small disabled={busy} onClick={() => setAsking(true)}>
              Cancel…
            </Button>
          )}
          <Button small disabled={busy} onClick={() => void rerun()}>
            Run again
          </Button>
          <Link to="/w/$slug/run" params={{ slug }} search={{ from: task.id }} className={buttonClass("plain", true)}>
            Edit and run
          </Link>
          <Button small look="quiet" onClick={() => void copyLink()}>
            Copy link
          </Button>
        </div>
        {failure !== null && !isAsking && (
          <div className="mt-2">
            <Problem error={failure} />
          </div>
        )}
      </div>
      <div className="flex min-h-0 flex-1 flex-col overflow-auto lg:flex-row lg:overflow-hidden">
        <div className="min-h-0 min-w-0 border-line lg:w-1/2 lg:overflow-auto lg:border-r">
          <Loaded query={calls}>{(all) => <Timeline task={task} calls={all} selected={under ? under.sequence : selected} at={at} onAt={isOpen ? undefined : (next) => (setAt(next), next !== null && tab !== "logs" && tab !== "code" && show({ tab: "code" }))} onSelect={choose} />}</Loaded>
        </div>
        <div className="flex min-h-0 min-w-0 flex-1 flex-col border-t border-line lg:border-t-0">
          <Tabs tab={tab} call={selected} logs={task.logLines} onTab={(next) => show({ tab: next })} />
          <div className="min-h-0 flex-1 lg:overflow-auto" role="tabpanel" id="task-panel" aria-labelledby={`tab-${tab}`} tabIndex={0}>
            {tab === "code" && (
              <div className="flex flex-col lg:h-full">
                <div className="min-h-0 flex-1 lg:overflow-auto" tabIndex={0} role="group" aria-label="Code">
                  <Code task={task} calls={list} selected={moment === null ? selected : (under?.sequence ?? null)} onSelect={choose} />
                </div>
                {call && moment === null && (
                  <section className="min-h-0 flex-1 border-t border-line lg:overflow-auto" tabIndex={0} aria-label={`Call ${call.sequence}`}>
                    <CallPanel task={task} call={call} calls={list} />
                  </section>
                )}
              </div>
            )}
            {tab === "logs" && <Logs task={task} until={moment} />}
            {tab === "result" && <Result task={task} />}
            {tab === "call" && (call ? <CallPanel task={task} call={call} calls={list} /> : <p className="p-4 text-ink2">Select a call in the timeline.</p>)}
            {tab === "events" && <Events task={task} calls={list} />}
          </div>
        </div>
      </div>
      <Confirm
        open={isAsking}
        onClose={() => setAsking(false)}
        onYes={() => void act(() => api.post("/api/v1/tasks/{id}/cancel", { path: { id: task.id } }))}
        busy={busy}
        cancelRef={cancelRef}
        error={failure !== null && <Problem error={failure} />}
        verb="Cancel the task"
        title="Cancel this task?"
      >
        <p>
          {done === 0 ? "No call has happened yet." : `${count(done, "call")} already happened and ${done === 1 ? "stays as it is" : "stay as they are"}:`}
          {list.some((each) => each.status === "running") && " A call is under way; whether it happens is not known."}
        </p>
        <ul className="mt-1 font-mono">
          {list.filter((each) => each.status === "succeeded").slice(-8).map((each) => (
            <li key={each.id}>
              {each.sequence}. <Seen text={each.tool} />
            </li>
          ))}
        </ul>
      </Confirm>
    </div>
  );
}

/** The call that was under way at a moment, else the one that ended last before it. */
function underWay(calls: Call[], moment: number): Call | null {
  const begun = calls.filter((each) => Date.parse(each.startedAt) <= moment);
  const open = begun.filter((each) => !each.finishedAt || Date.parse(each.finishedAt) >= moment);
  return open[0] ?? begun.at(-1) ?? null;
}

function Waiting({ task }: { task: Task }) {
  const since = waitingSince(task);
  const now = useNow();
  return since ? <span className="text-wait">for a decision {clock(now - since)}</span> : null;
}

function Meta({ task }: { task: Task }) {
  const { slug } = useSession();
  const names = useNames();
  const took = duration(task, useNow());
  return (
    <p className="flex flex-wrap gap-x-3 text-ink2">
      <span className="font-mono text-meta leading-5">{task.id}</span>
      <span>
        {task.channel === "dashboard" ? "dashboard" : <Seen text={task.client || task.channel} />} / {names(task.requestedBy)}
      </span>
      <span>{task.runtimeId}</span>
      <span title="Without the time a person is asked">limit {task.timeoutMs % 60_000 === 0 ? `${task.timeoutMs / 60_000} min` : span(task.timeoutMs)}</span>
      {task.forkedFrom && (
        <span>
          fork at call {task.forkedFrom.fromCall} of{" "}
          <Link to="/w/$slug/tasks/$id" params={{ slug, id: task.forkedFrom.taskId }} className="font-mono text-accent underline">
            {task.forkedFrom.taskId.slice(0, 12)}…
          </Link>
        </span>
      )}
      {task.runAs && (
        <span>
          run as <RunAs id={task.runAs} />
        </span>
      )}
      <span>
        submitted <When at={task.createdAt} />
      </span>
      {took !== null && <span>{span(took)}</span>}
    </p>
  );
}

function Tabs({ tab, call, logs, onTab }: { tab: Tab; call: number | null; logs: number; onTab: (tab: Tab) => void }) {
  const name = (each: Tab) => (each === "call" ? (call ? `Call ${call}` : "Call") : each === "logs" && logs > 0 ? `Logs ${logs}` : each.charAt(0).toUpperCase() + each.slice(1));
  const move = (event: React.KeyboardEvent) => {
    const by = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    if (by === 0) return;
    const next = TABS[(TABS.indexOf(tab) + by + TABS.length) % TABS.length] ?? "code";
    onTab(next);
    document.getElementById(`tab-${next}`)?.focus();
  };
  return (
    <div role="tablist" aria-label="Of this task" className="flex shrink-0 gap-1 overflow-x-auto border-b border-line px-2" onKeyDown={move}>
      {TABS.map((each) => (
        <button
          key={each}
          id={`tab-${each}`}
          type="button"
          role="tab"
          aria-selected={tab === each}
          aria-controls="task-panel"
          tabIndex={tab === each ? 0 : -1}
          onClick={() => onTab(each)}
          className={cx("h-9 border-b-2 px-2 whitespace-nowrap -outline-offset-2", tab === each ? "border-accent font-semibold" : "border-transparent text-ink2")}
        >
          {name(each)}
        </button>
      ))}
    </div>
  );
}

/** What happened, in order, as far as the records of the task say. */
function Events({ task, calls }: { task: Task; calls: Call[] }) {
  const names = useNames();
  const events: [string, string][] = [[task.createdAt, "submitted"]];
  if (task.startedAt) events.push([task.startedAt, "began"]);
  for (const each of calls) {
    events.push([each.startedAt, `call ${each.sequence} ${each.tool}: ${each.decision}`]);
    if (each.sentAt) events.push([each.sentAt, `call ${each.sequence} sent`]);
    if (each.finishedAt) events.push([each.finishedAt, `call ${each.sequence} ${each.status}`]);
  }
  for (const each of task.approvals) {
    events.push([each.createdAt, `asked about call ${each.sequence}`]);
    if (each.decidedAt) events.push([each.decidedAt, `call ${each.sequence} ${each.status} by ${names(each.decidedBy)}`]);
  }
  if (task.finishedAt) events.push([task.finishedAt, task.status]);
  events.sort((a, b) => a[0].localeCompare(b[0]));
  const start = Date.parse(task.createdAt);
  return (
    <ol className="p-4">
      {events.map(([at, what], i) => (
        <li key={i} className="flex gap-3 border-b border-line py-1">
          <span className="w-20 shrink-0 text-right font-mono text-ink3">+{span(Date.parse(at) - start)}</span>
          <Seen text={what} />
        </li>
      ))}
    </ol>
  );
}
