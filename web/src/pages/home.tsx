// Home: what needs a person, what runs, what failed, who is connected, and the first steps.
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { Task } from "~/api/client";
import { pendingApprovals, sources as allSources, useApi, useNeedsMe, useSession } from "~/api/queries";
import { useStored } from "~/lib/store";
import { Ago, Button, buttonClass, Page, Panel, Risk, Status } from "~/ui/basics";
import { Loaded } from "~/ui/state";
import { Seen, ToolPath } from "~/ui/text";
import { titleOf } from "./tasks/title";

export function HomePage() {
  const { slug, workspaces } = useSession();
  const api = useApi();
  const pending = useQuery(pendingApprovals(api));
  const items = useNeedsMe()?.items ?? [];
  const tasks = useQuery({
    queryKey: [api.workspace, "head", "home"],
    queryFn: async () => (await api.get("/api/v1/tasks", { query: { limit: 100 } })).items,
  });
  const sources = useQuery(allSources(api));
  const open = (tasks.data ?? []).filter((each) => ["queued", "running", "waiting"].includes(each.status));
  const failed = (tasks.data ?? []).filter((each) => ["failed", "timed_out", "denied"].includes(each.status)).slice(0, 5);
  return (
    <Page title={workspaces.find((w) => w.slug === slug)?.name ?? slug}>
      <FirstSteps hasSource={(sources.data?.length ?? 0) > 0} hasTask={(tasks.data?.length ?? 0) > 0} hasClient={(tasks.data ?? []).some((each) => each.channel === "mcp")} isKnown={sources.data !== undefined && tasks.data !== undefined} />
      <Panel title="Needs you" actions={<Link to="/w/$slug/approvals" params={{ slug }} className={buttonClass("plain", true)}>Open the inbox</Link>}>
        <Loaded query={pending} rows={2}>
          {({ more }) =>
            items.length === 0 ? (
              <p className="p-3 text-ink2">Nothing waits for you.</p>
            ) : (
              <ul>
                {items.slice(0, 6).map((each) => (
                  <li key={each.id} className="flex items-center gap-3 border-b border-line px-3 py-1.5 last:border-0">
                    <span aria-hidden className="text-wait">
                      ◆
                    </span>
                    <Link to="/w/$slug/approvals/$id" params={{ slug, id: each.id }} className="min-w-0 flex-1 hover:underline">
                      <ToolPath path={each.tool} />
                    </Link>
                    <Risk of={each.risk} />
                    <span className="text-meta text-ink2">
                      <Ago at={each.createdAt} />
                    </span>
                  </li>
                ))}
                {items.length > 6 && <li className="px-3 py-1.5 text-ink2">and {items.length - 6}{more && "+"} more</li>}
              </ul>
            )
          }
        </Loaded>
      </Panel>
      <div className="grid grid-cols-1 gap-x-4 md:grid-cols-2">
        <Panel title="Running now">
          <Loaded query={tasks} rows={2}>
            {() => <TaskList tasks={open.slice(0, 8)} slug={slug} empty="Nothing runs." />}
          </Loaded>
        </Panel>
        <Panel title="Last failures">
          <Loaded query={tasks} rows={2}>
            {() => <TaskList tasks={failed} slug={slug} empty="Nothing failed among the last tasks." />}
          </Loaded>
        </Panel>
      </div>
      <div className="grid grid-cols-1 gap-x-4 md:grid-cols-2">
        <Panel title="Clients seen" actions={<Link to="/w/$slug/clients" params={{ slug }} className={buttonClass("plain", true)}>Connect one</Link>}>
          <Loaded query={tasks} rows={2}>{(items) => <Clients tasks={items} />}</Loaded>
        </Panel>
        <Panel title="Sources" actions={<Link to="/w/$slug/sources" params={{ slug }} className={buttonClass("plain", true)}>See all</Link>}>
          <Loaded query={sources} rows={2}>
            {(items) =>
              items.length === 0 ? (
                <p className="p-3 text-ink2">No source is connected.</p>
              ) : (
                <ul>
                  {items.slice(0, 6).map((each) => (
                    <li key={each.id} className="flex items-center gap-3 border-b border-line px-3 py-1.5 last:border-0">
                      <Link to="/w/$slug/sources/$id" params={{ slug, id: each.id }} className="min-w-0 flex-1 truncate hover:underline">
                        {each.name}
                      </Link>
                      <span className="text-ink2">{each.toolCount.toLocaleString("en")} tools</span>
                      <Status of={each.status} />
                    </li>
                  ))}
                </ul>
              )
            }
          </Loaded>
        </Panel>
      </div>
    </Page>
  );
}

function TaskList({ tasks, slug, empty }: { tasks: Task[]; slug: string; empty: string }) {
  if (tasks.length === 0) return <p className="p-3 text-ink2">{empty}</p>;
  return (
    <ul>
      {tasks.map((each) => (
        <li key={each.id} className="border-b border-line px-3 py-1.5 last:border-0">
          <div className="flex items-baseline gap-3">
            <Link to="/w/$slug/tasks/$id" params={{ slug, id: each.id }} className="min-w-0 flex-1 truncate hover:underline">
              <Seen text={titleOf(each)} />
            </Link>
            <Status of={each.status} />
          </div>
          {each.error && (
            <p className="truncate text-meta text-bad">
              <Seen text={each.error.message.split("\n")[0] ?? ""} />
            </p>
          )}
        </li>
      ))}
    </ul>
  );
}

function Clients({ tasks }: { tasks: Task[] }) {
  const seen = new Map<string, { count: number; at: string; channel: string }>();
  for (const each of tasks) {
    if (each.channel === "dashboard") continue;
    const name = each.client || each.channel;
    const before = seen.get(name);
    seen.set(name, { count: (before?.count ?? 0) + 1, at: before && before.at > each.createdAt ? before.at : each.createdAt, channel: each.channel });
  }
  if (seen.size === 0) return <p className="p-3 text-ink2">No agent has sent a task yet.</p>;
  return (
    <ul>
      {[...seen].map(([name, each]) => (
        <li key={name} className="flex items-baseline gap-3 border-b border-line px-3 py-1.5 last:border-0">
          <span className="min-w-0 flex-1 truncate">
            <Seen text={name} /> <span className="text-meta text-ink3">{each.channel}</span>
          </span>
          <span className="text-meta text-ink2">
            <Ago at={each.at} />
          </span>
        </li>
      ))}
    </ul>
  );
}

function FirstSteps({ hasSource, hasTask, hasClient, isKnown }: { hasSource: boolean; hasTask: boolean; hasClient: boolean; isKnown: boolean }) {
  const { slug } = useSession();
  const [dismissed, dismiss] = useStored(`steps.${slug}`);
  if (!isKnown || dismissed || (hasSource && hasTask && hasClient)) return null;
  const steps = [
    { done: hasSource, text: "Add a source", to: `/w/${slug}/sources/new` },
    { done: hasTask, text: "Run a program", to: `/w/${slug}/run` },
    { done: hasClient, text: "Connect an agent", to: `/w/${slug}/clients` },
  ];
  return (
    <Panel title="First steps" actions={<Button small look="quiet" onClick={() => dismiss("done")}>Dismiss</Button>}>
      <ul>
        {steps.map((step) => (
          <li key={step.text} className="flex items-center gap-3 px-3 py-1.5">
            <span className={step.done ? "text-good" : "text-ink3"}>{step.done ? "● done" : "○ open"}</span>
            <Link to={step.to as "/"} className="text-accent underline">
              {step.text}
            </Link>
          </li>
        ))}
      </ul>
    </Panel>
  );
}
