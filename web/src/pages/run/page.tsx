// Write a program, see what policy would say, run it, and watch it beside its code.
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { lazy, Suspense, useDeferredValue, useEffect, useMemo, useState } from "react";
import type { Finding, Forecast } from "~/api/client";
import { calls as allCalls, check, task as oneTask, useApi, useSession } from "~/api/queries";
import { useSettled } from "~/lib/settled";
import { drafts, read, write } from "~/lib/store";
import { Button, buttonClass, Decision, Risk, Skeleton, Status } from "~/ui/basics";
import { explain, Loaded, Problem } from "~/ui/state";
import { Seen, ToolPath } from "~/ui/text";
import { Logs } from "../tasks/logs";
import { Result } from "../tasks/result";
import { Timeline } from "../tasks/timeline";

const Editor = lazy(() => import("./editor"));

const FIRST = "// Tools are functions: tools.<source>.<…>(arguments)\nconst found = await tools.discover(\"\");\nreturn found.results.map((tool) => tool.path);\n";
/** How long after the last stroke the program is checked. */
const PAUSE_MS = 400;

export function RunPage() {
  const { slug } = useSession();
  const api = useApi();
  const search = useSearch({ strict: false }) as { from?: string; call?: string; tool?: string };
  const source = useQuery({ ...oneTask(api, search.from ?? ""), enabled: search.from !== undefined });
  const call = search.from && search.call ? Number(search.call) : null;
  const origin = `${search.from ?? search.tool ?? ""}:${call ?? ""}`;
  const draft = useMemo(() => draftOf(slug, origin), [slug, origin]);
  if (search.from && source.error) return <div className="p-4"><Problem error={source.error} /></div>;
  if (search.from && !source.data) return <Skeleton />;
  const start = source.data?.code ?? (search.tool ? `return await tools.${search.tool}({\n  \n});\n` : FIRST);
  return <Runner key={origin} start={start} draft={draft} from={source.data?.id} call={call} />;
}

type Draft = { read: () => string | null; write: (code: string | null) => void };

/** The program of one's own is kept in this browser; one that began as another's, or as a call of a tool, in this tab. */
function draftOf(slug: string, origin: string): Draft {
  if (origin === ":") return { read: () => read(`draft.${slug}`), write: (code) => write(`draft.${slug}`, code) };
  const name = `draft.${slug}.${origin}`;
  return { read: () => drafts.read(name), write: (code) => drafts.write(name, code) };
}

function Runner({ start, draft, from, call }: { start: string; draft: Draft; from: string | undefined; call: number | null }) {
  const { slug } = useSession();
  const api = useApi();
  const navigate = useNavigate();
  const search = useSearch({ strict: false }) as { task?: string };
  const [begin] = useState(() => draft.read() ?? start);
  const [code, setCode] = useState(begin);
  const [timeout, setTimeout] = useState("");
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const settled = useSettled(useDeferredValue(code), PAUSE_MS);
  const checked = useQuery({ ...check(api, settled), enabled: settled.trim() !== "" });
  const findings = settled === code ? (checked.data?.findings ?? []) : [];
  useEffect(() => {
    draft.write(code === start ? null : code);
  }, [code, start, draft]);
  const run = async () => {
    if (busy) return;
    setBusy(true);
    setError(null);
    try {
      const ms = timeout ? Math.round(Number(timeout) * 1000) : undefined;
      const limit = ms ? { timeoutMs: ms } : {};
      const task =
        from && call
          ? await api.post("/api/v1/tasks/{id}/fork", { path: { id: from }, body: { fromCall: call, code, ...limit } as never })
          : await api.post("/api/v1/tasks", { body: { code, ...limit, ...(from ? { metadata: { from } } : {}) } as never });
      await navigate({ to: ".", search: (before: object) => ({ ...before, task: task.id }), replace: true } as never);
    } catch (failure) {
      setError(failure);
    } finally {
      setBusy(false);
    }
  };
  return (
    <div className="flex min-h-full flex-col lg:h-full lg:min-h-0 lg:flex-row">
      <section aria-label="Program" className="flex min-h-0 min-w-0 flex-col border-line lg:w-1/2 lg:border-r">
        <div className="flex flex-wrap items-center gap-2 px-4 pt-4 pb-2">
          <h1 className="mr-2 text-page">Run</h1>
          {from && (
            <span className="text-ink2">
              {call ? `fork at call ${call} of` : "from"}{" "}
              <Link to="/w/$slug/tasks/$id" params={{ slug, id: from }} className="font-mono text-accent underline">
                {from.slice(0, 14)}…
              </Link>
            </span>
          )}
          <label className="ml-auto flex items-center gap-2 text-ink2">
            Limit
            <input className="field w-16" inputMode="numeric" placeholder="300" aria-label="Wall time in seconds" value={timeout} onChange={(event) => setTimeout(event.target.value.replace(/[^\d]/g, ""))} />s
          </label>
          <Button look="main" disabled={busy || code.trim() === ""} onClick={() => void run()} hint="Ctrl+Enter">
            {busy ? "Starting…" : call ? "Fork" : "Run"}
          </Button>
        </div>
        {call && call > 1 && (
          <p className="px-4 pb-2 text-ink2">
            {call === 2 ? "The first call gives" : `The first ${call - 1} calls give`} what was recorded and {call === 2 ? "is" : "are"} not sent. A program that makes other calls up to there fails.
          </p>
        )}
        <div className="h-[46vh] min-h-60 border-y border-line lg:h-auto lg:flex-1 lg:overflow-hidden">
          <Suspense fallback={<Skeleton rows={8} height={20} />}>
            <Editor value={begin} onChange={setCode} onRun={() => void run()} findings={findings} api={api} />
          </Suspense>
        </div>
        <p className="px-4 py-1 text-meta text-ink3">Escape, then Tab leaves the editor. Ctrl+Enter runs.</p>
        {error !== null && (
          <div className="px-4 pb-2">
            <Problem error={error} />
          </div>
        )}
        <div className="max-h-60 overflow-auto border-t border-line px-4 py-2" tabIndex={0} role="group" aria-label="Findings and forecast">
          <Findings of={findings} />
          <ForecastList of={checked.data?.forecast ?? []} error={checked.error} />
        </div>
      </section>
      <section aria-label="Task" className="min-h-0 min-w-0 flex-1 lg:overflow-auto">
        {search.task ? <Live id={search.task} key={search.task} /> : <p className="p-4 text-ink2">The timeline and the result appear here.</p>}
      </section>
    </div>
  );
}

function Findings({ of }: { of: Finding[] }) {
  if (of.length === 0) return null;
  return (
    <ul aria-label="Findings" className="mb-2">
      {of.map((each, i) => (
        <li key={i} className={each.severity === "error" ? "text-bad" : "text-ink"}>
          {each.severity === "error" ? "✕" : "▲"} line {each.line}: <Seen text={each.message} />
        </li>
      ))}
    </ul>
  );
}

function ForecastList({ of, error }: { of: Forecast[]; error: unknown }) {
  if (error) return <p className="text-ink2">{explain(error).title}</p>;
  if (of.length === 0) return <p className="text-ink2">Policy forecast: no call of a tool is visible in the text.</p>;
  return (
    <>
      <h2 className="text-ink2">Policy forecast</h2>
      <ul aria-label="Policy forecast">
        {of.map((each, i) => (
          <li key={i} className="flex flex-wrap items-center gap-x-3" title={each.reason}>
            <span className="w-14 text-ink3">line {each.line}</span>
            <ToolPath path={each.tool} />
            <Risk of={each.risk} />
            <Decision of={each.decision} />
            {each.decision === "depends" && <span className="text-meta text-ink2">{each.decisions.join(" or ")}</span>}
          </li>
        ))}
      </ul>
    </>
  );
}

/** The task that was started, as it goes on. */
function Live({ id }: { id: string }) {
  const { slug } = useSession();
  const api = useApi();
  const task = useQuery(oneTask(api, id));
  const calls = useQuery(allCalls(api, id));
  const navigate = useNavigate();
  return (
    <Loaded query={task}>
      {(found) => {
        const pending = found.approvals.find((each) => each.status === "pending");
        return (
          <>
            <div className="flex flex-wrap items-center gap-3 border-b border-line px-4 py-3">
              <Status of={found.status} />
              <Link to="/w/$slug/tasks/$id" params={{ slug, id }} className="font-mono text-accent underline">
                {id}
              </Link>
              {pending && (
                <Link to="/w/$slug/approvals/$id" params={{ slug, id: pending.id }} className={buttonClass("main", true)}>
                  Review
                </Link>
              )}
            </div>
            <Loaded query={calls}>
              {(all) => (
                <Timeline task={found} calls={all} selected={null} onSelect={(sequence) => void navigate({ to: "/w/$slug/tasks/$id", params: { slug, id }, search: { call: String(sequence), tab: "call" } })} />
              )}
            </Loaded>
            <div className="border-t border-line">
              <Result task={found} />
            </div>
            {found.logLines > 0 && (
              <div className="h-80 border-t border-line">
                <Logs task={found} />
              </div>
            )}
          </>
        );
      }}
    </Loaded>
  );
}
