// One tool: what it does, its types as agents see them, its schema, and a form to try it.
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { useState } from "react";
import type { Task, ToolDescription } from "~/api/client";
import { credentialOrder, credentials as allCredentials, task as oneTask, tool as oneTool, useApi, useSession } from "~/api/queries";
import { isFields, parse, pretty } from "~/lib/json";
import { Button, buttonClass, Copy, cx, Decision, Risk, Status } from "~/ui/basics";
import { nameOf } from "~/ui/credential";
import { JsonView } from "~/ui/json";
import { Loaded, Problem } from "~/ui/state";
import { Seen, ToolPath } from "~/ui/text";
import { Usage } from "./usage";
import { initial, type Schema, SchemaForm } from "./form";

const TABS = [["about", "Overview"], ["types", "Types"], ["schema", "Schema"], ["try", "Try it"], ["usage", "Usage"]] as const;

export function Tool({ path }: { path: string }) {
  const { slug } = useSession();
  const query = useQuery(oneTool(useApi(), path));
  const navigate = useNavigate();
  const search = useSearch({ strict: false }) as { tab?: string };
  const tab = TABS.find(([name]) => name === search.tab)?.[0] ?? "about";
  return (
    <Loaded query={query} rows={8}>
      {(tool) => (
        <div>
          <div className="px-4 pt-4">
            <Link to="/w/$slug/tools" params={{ slug }} className={cx(buttonClass("quiet", true), "-ml-2 md:hidden")}>
              ← All tools
            </Link>
            <div className="flex flex-wrap items-center gap-3">
              <h2 className="min-w-0 text-item">
                <ToolPath path={tool.path} />
              </h2>
              <Risk of={tool.risk} />
              <Decision of={tool.decision} />
            </div>
          </div>
          <nav aria-label="Of this tool" className="mt-2 flex gap-1 border-b border-line px-3">
            {TABS.map(([name, label]) => (
              <button key={name} type="button" aria-current={tab === name ? "page" : undefined} onClick={() => void navigate({ to: ".", search: (before: object) => ({ ...before, tab: name }), replace: true } as never)} className={cx("h-9 border-b-2 px-2 -outline-offset-2", tab === name ? "border-accent font-semibold" : "border-transparent text-ink2")}>
                {label}
              </button>
            ))}
          </nav>
          <div className="p-4">
            {tab === "about" && <About tool={tool} />}
            {tab === "types" && <Types tool={tool} />}
            {tab === "schema" && <Schemas tool={tool} />}
            {tab === "try" && <TryIt tool={tool} />}
            {tab === "usage" && <Usage path={tool.path} />}
          </div>
        </div>
      )}
    </Loaded>
  );
}

function About({ tool }: { tool: ToolDescription }) {
  const { slug } = useSession();
  return (
    <div className="flex max-w-[80ch] flex-col gap-4">
      <p className="whitespace-pre-wrap break-words">{tool.description ? <Seen text={tool.description} /> : <span className="text-ink2">Its description says nothing.</span>}</p>
      <div className="flex flex-wrap gap-2">
        <Link to="/w/$slug/run" params={{ slug }} search={{ tool: tool.path }} className={buttonClass()}>
          Write a program with it
        </Link>
        <Link to="/w/$slug/policies/test" params={{ slug }} search={{ tool: tool.path }} className={buttonClass()}>
          Test policy
        </Link>
        <Link to="/w/$slug/tasks" params={{ slug }} search={{ tool: tool.path }} className={buttonClass()}>
          Tasks that called it
        </Link>
      </div>
      <Declaration title="Arguments" text={tool.input} />
    </div>
  );
}

function Declaration({ title, text }: { title: string; text: string }) {
  return (
    <section aria-label={title}>
      <div className="flex items-center">
        <h3 className="text-ink2">{title}</h3>
        <span className="ml-auto">
          <Copy text={text} />
        </span>
      </div>
      <pre tabIndex={0} className="overflow-x-auto rounded-md border border-line bg-surface p-3">
        <Seen text={text} />
      </pre>
    </section>
  );
}

function Types({ tool }: { tool: ToolDescription }) {
  return (
    <div className="flex flex-col gap-4">
      <Declaration title="Arguments, as agents see them" text={tool.input} />
      <Declaration title="What it resolves to" text={tool.output} />
    </div>
  );
}

function Schemas({ tool }: { tool: ToolDescription }) {
  return (
    <div className="flex flex-col gap-4">
      <section aria-label="Schema of the arguments">
        <h3 className="mb-1 text-ink2">Arguments</h3>
        <JsonView value={tool.inputSchema} name="input-schema" />
      </section>
      <section aria-label="Schema of the answer">
        <h3 className="mb-1 text-ink2">Answer</h3>
        {tool.outputSchema ? <JsonView value={tool.outputSchema} name="output-schema" /> : <p className="text-ink2">Its description does not say.</p>}
      </section>
    </div>
  );
}

type Look = "form" | "json" | "code";

function TryIt({ tool }: { tool: ToolDescription }) {
  const { slug } = useSession();
  const api = useApi();
  const schema = tool.inputSchema as Schema;
  const [value, setValue] = useState<unknown>(() => initial(schema, schema));
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
      <p className="text-ink2">
        {tool.decision === "ask" ? (
          <>
            <span className="text-wait">◆</span> This call asks a person before it is sent.
          </>
        ) : (
          "Policy allows this call. It goes through the same gate as an agent's."
        )}
      </p>
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
