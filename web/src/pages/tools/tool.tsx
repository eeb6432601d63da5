// One tool: what it does, its types as agents see them, its schema, and a form to try it.
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import type { ToolDescription } from "~/api/client";
import { sources as allSources, tool as oneTool, useApi, useMay, useSession } from "~/api/queries";
import { buttonClass, cx, Decision, Risk } from "~/ui/basics";
import { JsonView } from "~/ui/json";
import { Loaded } from "~/ui/state";
import { Seen, ToolPath } from "~/ui/text";
import { BringBack } from "./denied";
import { Declaration } from "./declaration";
import { TryIt } from "./try";
import { Usage } from "./usage";

const TABS = [["about", "Overview"], ["types", "Types"], ["schema", "Schema"], ["try", "Try it"], ["usage", "Usage"]] as const;

export function Tool({ path }: { path: string }) {
  const { slug } = useSession();
  const query = useQuery(oneTool(useApi(), path, useMay("admin") ? "too" : undefined));
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
            {tool.unreviewed && <Unreviewed source={tool.path.split(".")[0] ?? ""} />}
            {tool.decision === "deny" && (
              <p className="mt-1 flex flex-wrap items-baseline gap-x-3 text-ink2">
                <span>No program finds it.</span>
                {tool.rule && <BringBack path={tool.path} rule={tool.rule} />}
              </p>
            )}
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

/** Why it asks where a rule would allow it. */
function Unreviewed({ source }: { source: string }) {
  const { slug } = useSession();
  const found = useQuery({ ...allSources(useApi()), staleTime: 60_000 }).data?.find((each) => each.name === source);
  return (
    <p className="mt-1 text-ink2">
      <span className="text-bad">▲</span> It is new or changed since an administrator last looked: it asks before it is sent, also where a rule would allow it.
      {found && (
        <>
          {" "}
          <Link to="/w/$slug/sources/$id" params={{ slug, id: found.id }} className="text-accent underline">
            Look at it
          </Link>
        </>
      )}
    </p>
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
