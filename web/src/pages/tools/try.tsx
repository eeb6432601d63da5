// Calls one tool by hand: its arguments as a form, as JSON and as a program, what policy says to them,
// and what came of it.
import { useQuery } from "@tanstack/react-query";
import { Link, useSearch } from "@tanstack/react-router";
import { useState } from "react";
import type { Task, ToolDescription } from "~/api/client";
import { call as oneCall, credentialOrder, credentials as allCredentials, task as oneTask, useApi, useSession } from "~/api/queries";
import { compact, isFields, parse, pretty } from "~/lib/json";
import { useSettled } from "~/lib/settled";
import { LookedAtList } from "~/pages/policies/trace";
import { Button, buttonClass, Decision, Status } from "~/ui/basics";
import { nameOf } from "~/ui/credential";
import { JsonView } from "~/ui/json";
import { explain, Loaded, Problem } from "~/ui/state";
import { Seen, ToolPath } from "~/ui/text";
import { Declaration } from "./declaration";
import { SchemaForm } from "./form";
import { initial, type Schema } from "./schema";

/** How long after the last change policy is asked. */
const PAUSE_MS = 300;

type Look = "form" | "json" | "code";

/** A form for a call; `?task=&call=` fills in what a recorded call was made with. */
export function TryIt({ tool }: { tool: ToolDescription }) {
  const { slug } = useSession();
  const api = useApi();
  const { task, call } = useSearch({ strict: false }) as { task?: string; call?: string };
  const given = useQuery({ ...oneCall(api, task ?? "", Number(call)), enabled: task !== undefined && call !== undefined });
  const schema = tool.inputSchema as Schema;
  if (task === undefined || call === undefined) return <Trial tool={tool} start={initial(schema, schema)} />;
  return (
    <Loaded query={given} rows={6}>
      {(found) => (
        <>
          <p className="mb-3 text-ink2">
            With the arguments of{" "}
            <Link to="/w/$slug/tasks/$id" params={{ slug, id: task }} search={{ tab: "call", call }} className="text-accent underline">
              call {call} of a task
            </Link>
            {found.tool !== tool.path && (
              <>
                , which was one of <ToolPath path={found.tool} />
              </>
            )}
            .
          </p>
          <Trial key={`${task}:${call}`} tool={tool} start={found.arguments} />
        </>
      )}
    </Loaded>
  );
}

function Trial({ tool, start }: { tool: ToolDescription; start: unknown }) {
  const { slug } = useSession();
  const api = useApi();
  const schema = tool.inputSchema as Schema;
  const [value, setValue] = useState<unknown>(start);
  const [text, setText] = useState<string | null>(null);
  const [look, setLook] = useState<Look>("form");
  const [task, setTask] = useState<Task | null>(null);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const [runAs, setRunAs] = useState("");
  const problem = text === null ? null : problemOf(text);
  const change = (next: string) => {
    setText(next);
    if (problemOf(next) === null) setValue(parse(next));
  };
  const run = async () => {
    setBusy(true);
    setError(null);
    try {
      setTask(await api.post("/api/v1/tools/call", { body: { path: tool.path, arguments: value, ...(runAs && { credential: runAs }) } as never }));
    } catch (failure) {
      setError(failure);
    } finally {
      setBusy(false);
    }
  };
  const code = `return await tools.${tool.path}(${pretty(value)});`;
  return (
    <div className="flex max-w-3xl flex-col gap-3">
      <div className="flex flex-wrap items-center gap-1" role="group" aria-label="View of the arguments">
        {(["form", "json", "code"] as const).map((each) => (
          <Button key={each} small look={look === each ? "plain" : "quiet"} aria-pressed={look === each} onClick={() => (setLook(each), setText(null))}>
            {each === "form" ? "Form" : each === "json" ? "JSON" : "TypeScript"}
          </Button>
        ))}
      </div>
      {look === "form" && <SchemaForm schema={schema} root={schema} value={value} onChange={setValue} />}
      {look === "json" && (
        <label className="flex flex-col gap-1">
          <span className="sr-only">Arguments as JSON</span>
          <textarea className="area min-h-48 font-mono" spellCheck={false} value={text ?? pretty(value)} onChange={(event) => change(event.target.value)} />
          {problem && <span className="text-bad">✕ {problem}</span>}
        </label>
      )}
      {look === "code" && <Declaration title="The same as a program" text={code} />}
      {problem === null && <Says tool={tool} value={value} />}
      <RunAs source={tool.path.split(".")[0] ?? ""} value={runAs} onChange={setRunAs} />
      <div className="flex flex-wrap items-center gap-2">
        <Button look="main" disabled={busy} blocked={problem ? "The arguments are no JSON object" : undefined} onClick={() => void run()}>
          {busy ? "Running…" : "Run once"}
        </Button>
      </div>
      {error !== null && <Problem error={error} />}
      {task && <Outcome id={task.id} slug={slug} first={task} />}
    </div>
  );
}

/** What policy says to this very call, asked anew when the arguments have stayed the same for a moment. */
function Says({ tool, value }: { tool: ToolDescription; value: unknown }) {
  const { slug } = useSession();
  const api = useApi();
  const asked = useSettled(compact(value), PAUSE_MS);
  const query = useQuery({
    queryKey: [api.workspace, "policy", "says", tool.path, asked],
    queryFn: () => api.post("/api/v1/policies/test", { body: { tool: tool.path, arguments: parse(asked) } as never }),
    placeholderData: (before, was) => (was?.queryKey[3] === tool.path ? before : undefined),
    retry: false,
  });
  if (query.error) return <p className="text-ink2">What policy says is not known: {explain(query.error).title}</p>;
  const verdict = query.data;
  if (!verdict) return <p className="text-ink2">Asking policy…</p>;
  const rule = verdict.lookedAt.find((each) => each.rule === verdict.rule);
  return (
    <section aria-label="What policy says" className="flex flex-col gap-1">
      <p role="status">
        <Decision of={verdict.decision} />{" "}
        {verdict.decision === "ask" ? "This call asks a person before it is sent" : verdict.decision === "deny" ? "Policy denies this call" : "Policy allows this call; it goes through the same gate as an agent's"}
        {verdict.rule && (
          <>
            {" "}
            (rule{" "}
            <Link to="/w/$slug/policies/$id" params={{ slug, id: verdict.rule }} className="break-all text-accent underline">
              {rule?.text?.note || verdict.rule}
            </Link>
            )
          </>
        )}
        .
      </p>
      {verdict.problem && (
        <p className="text-bad">
          ✕ It would be refused before: <Seen text={verdict.problem} />
        </p>
      )}
      <details>
        <summary className="w-fit text-accent underline">Why</summary>
        <p className="my-1 max-w-[80ch]">
          <Seen text={verdict.explanation} />
        </p>
        <LookedAtList of={verdict.lookedAt} />
      </details>
    </section>
  );
}

/** The credential that the call carries, among those that this person's calls may carry. */
function RunAs({ source, value, onChange }: { source: string; value: string; onChange: (id: string) => void }) {
  const api = useApi();
  const all = useQuery(allCredentials(api)).data?.filter((each) => each.source === source) ?? [];
  const order = useQuery({ ...credentialOrder(api, source), enabled: all.length > 0 }).data;
  if (all.length === 0) return null;
  return (
    <label className="flex flex-wrap items-center gap-x-3 gap-y-1">
      <span className="text-ink2">Run as</span>
      <select className="field max-w-full min-w-0" value={value} onChange={(event) => onChange(event.target.value)}>
        <option value="">as an agent would</option>
        {all.map((each) => {
          const isLookedAt = order?.includes(each.scope) ?? true;
          return (
            <option key={each.id} value={each.id} disabled={!isLookedAt}>
              {nameOf(each)}
              {!isLookedAt && " (its source does not look at it)"}
            </option>
          );
        })}
      </select>
    </label>
  );
}

function problemOf(text: string): string | null {
  try {
    return isFields(parse(text)) ? null : "The arguments are one JSON object";
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** What came of it, followed while it waits for a person. */
function Outcome({ id, slug, first }: { id: string; slug: string; first: Task }) {
  const task = useQuery({ ...oneTask(useApi(), id), initialData: first }).data;
  const pending = task.approvals.find((each) => each.status === "pending");
  return (
    <section aria-label="Result" className="rounded-md border border-line bg-surface p-3">
      <div className="mb-2 flex flex-wrap items-center gap-3">
        <Status of={task.status} />
        <Link to="/w/$slug/tasks/$id" params={{ slug, id }} className="text-accent underline">
          open task
        </Link>
        {pending && (
          <Link to="/w/$slug/approvals/$id" params={{ slug, id: pending.id }} className={buttonClass("main", true)}>
            Review
          </Link>
        )}
      </div>
      {task.error && (
        <p className="text-bad">
          ✕ <Seen text={`${task.error.code}: ${task.error.message}`} />
        </p>
      )}
      {task.status === "completed" && <JsonView value={task.result ?? null} name="result" />}
    </section>
  );
}
