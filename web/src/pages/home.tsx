// Home: what needs a person, what runs, what failed, who is connected, and the first steps.
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useEffect } from "react";
import type { Api, Schemas, Task } from "~/api/client";
import { clients as allClients, pendingApprovals, sources as allSources, useApi, useNeedsMe, useSession } from "~/api/queries";
import { useStored } from "~/lib/store";
import { Ago, Button, buttonClass, Page, Panel, Risk, Status } from "~/ui/basics";
import { Loaded } from "~/ui/state";
import { Seen, ToolPath } from "~/ui/text";
import { titleOf } from "./tasks/title";

/** Statuses of what runs, and of what did not end well; each list is read by itself, however old they are. */
const RUNNING = ["waiting", "running", "queued"];
const FAILED = ["failed", "timed_out", "denied"];

/** The newest tasks of some statuses. */
const newest = (api: Api, statuses: string[], limit: number) => ({
  queryKey: [api.workspace, "head", "home", ...statuses],
  queryFn: async () => {
    const lists = await Promise.all(statuses.map((status) => api.get("/api/v1/tasks", { query: { status, limit } as never })));
    const all = lists.flatMap((list) => list.items);
    return all.sort((a, b) => b.createdAt.localeCompare(a.createdAt)).slice(0, limit);
  },
});

export function HomePage() {
  const { slug, workspaces } = useSession();
  const api = useApi();
  const pending = useQuery(pendingApprovals(api));
  const items = useNeedsMe()?.items ?? [];
  const open = useQuery(newest(api, RUNNING, 8));
  const failed = useQuery(newest(api, FAILED, 5));
  const last = useQuery({
    queryKey: [api.workspace, "head", "home"],
    queryFn: async () => (await api.get("/api/v1/tasks", { query: { limit: 1 } })).items,
  });
  const clients = useQuery(allClients(api));
  const sources = useQuery(allSources(api));
  return (
    <Page title={workspaces.find((w) => w.slug === slug)?.name ?? slug}>
      <FirstSteps hasSource={(sources.data?.length ?? 0) > 0} hasTask={(last.data?.length ?? 0) > 0} hasClient={(clients.data ?? []).some((each) => each.channel === "mcp")} isKnown={sources.data !== undefined && last.data !== undefined && clients.data !== undefined} />
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
          <Loaded query={open} rows={2}>
            {(items) => <TaskList tasks={items} slug={slug} empty="Nothing runs." />}
          </Loaded>
        </Panel>
        <Panel title="Last failures">
          <Loaded query={failed} rows={2}>
            {(items) => <TaskList tasks={items} slug={slug} empty="Nothing has failed." />}
          </Loaded>
        </Panel>
      </div>
      <div className="grid grid-cols-1 gap-x-4 md:grid-cols-2">
        <Panel title="Clients seen" actions={<Link to="/w/$slug/clients" params={{ slug }} className={buttonClass("plain", true)}>Connect one</Link>}>
          <Loaded query={clients} rows={2}>{(items) => <Clients of={items} />}</Loaded>
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

/** Who came in the last seven days; people in the dashboard are no clients. */
function Clients({ of }: { of: Schemas["SeenClient"][] }) {
  const seen = of.filter((each) => each.channel !== "dashboard");
  if (seen.length === 0) return <p className="p-3 text-ink2">No agent has come in the last 7 days.</p>;
  return (
    <ul>
      {seen.slice(0, 6).map((each) => (
        <li key={[each.client, each.channel, each.account, each.key].join("\n")} className="flex items-baseline gap-3 border-b border-line px-3 py-1.5 last:border-0">
          <span className="min-w-0 flex-1 truncate">
            <Seen text={each.client || each.channel} /> <span className="text-meta text-ink3">{each.channel}</span>
          </span>
          <span className="text-meta text-ink2">
            <Ago at={each.listed && each.listed.at > each.lastAt ? each.listed.at : each.lastAt} />
          </span>
        </li>
      ))}
      {seen.length > 6 && <li className="px-3 py-1.5 text-ink2">and {seen.length - 6} more</li>}
    </ul>
  );
}

function FirstSteps({ hasSource, hasTask, hasClient, isKnown }: { hasSource: boolean; hasTask: boolean; hasClient: boolean; isKnown: boolean }) {
  const { slug } = useSession();
  const [dismissed, dismiss] = useStored(`steps.${slug}`);
  const isDone = isKnown && hasSource && hasTask && hasClient;
  // Done once, it does not come back when a client was quiet for a while.
  useEffect(() => {
    if (isDone && !dismissed) dismiss("done");
  }, [isDone, dismissed, dismiss]);
  if (!isKnown || dismissed || isDone) return null;
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
