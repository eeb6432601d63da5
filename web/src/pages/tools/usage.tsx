// What the calls of one tool came to: how many, how they ended, how long they took, who made them, and
// the latest of them with the way to their tasks.
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { Schemas } from "~/api/client";
import { toolUsage, useApi, useNames, useSession } from "~/api/queries";
import { count, span } from "~/lib/time";
import { Ago, buttonClass, Decision, Empty, Facts, Status, When } from "~/ui/basics";
import { Loaded } from "~/ui/state";
import { Seen } from "~/ui/text";

type Used = Schemas["ToolUsage"];
type Client = Schemas["ToolClient"];

const WAYS: Record<string, string> = { mcp: "MCP", api: "the API", cli: "the command line", dashboard: "the dashboard" };
const DECISIONS: [string, string][] = [["allow", "allowed"], ["ask", "asked about"], ["deny", "denied by policy"], ["none", "refused before policy was asked"]];

export function Usage({ path }: { path: string }) {
  const query = useQuery(toolUsage(useApi(), path));
  return <Loaded query={query}>{(usage) => <Shown usage={usage} />}</Loaded>;
}

function Shown({ usage }: { usage: Used }) {
  const { slug } = useSession();
  if (usage.calls === 0)
    return (
      <Empty action={<Link to="/w/$slug/tools/$path" params={{ slug, path: usage.path }} search={{ tab: "try" }} className={buttonClass()}>Try it</Link>}>
        {usage.ownOnly ? "You have not called it" : "Nobody has called it"} in the last 30 days. What waits for a decision is counted once it has ended.
      </Empty>
    );
  return (
    <div className="flex max-w-4xl flex-col gap-6">
      <section aria-label="In all">
        <Facts
          of={[
            ["Calls", <>{usage.calls.toLocaleString("en")}{usage.ownOnly && " of your own"} since <When at={usage.since} />{usage.cut && "; there are older ones, which were not counted"}</>],
            ["Last call", usage.lastAt && <Ago at={usage.lastAt} />],
            ["Ended", <Shares key="o" of={["succeeded", "failed", "denied"].map((name) => [<Status key={name} of={name} />, usage.outcomes[name] ?? 0])} all={usage.calls} />],
            ["Policy", <Shares key="d" of={DECISIONS.map(([name, words]) => [words, usage.decisions[name] ?? 0])} all={usage.calls} />],
            ["Half within", usage.latency && `${span(usage.latency.p50Ms)}; 95 of 100 within ${span(usage.latency.p95Ms)}`],
          ]}
        />
      </section>
      <section aria-label="By client" className="overflow-x-auto">
        <h3 className="mb-1 text-ink2">By client</h3>
        <table className="w-full text-left">
          <Head of={["Client", "For", "Calls", "Not ok", "Last"]} />
          <tbody>
            {usage.clients.map((each) => (
              <ClientRow key={`${each.client}\n${each.channel}\n${each.account}`} of={each} path={usage.path} />
            ))}
          </tbody>
        </table>
      </section>
      <section aria-label="Latest calls" className="overflow-x-auto">
        <h3 className="mb-1 text-ink2">Latest calls</h3>
        <table className="w-full text-left">
          <Head of={["Ended", "Status", "Policy", "Took", "Client", "Task"]} />
          <tbody>
            {usage.recent.map((each) => (
              <tr key={`${each.taskId}:${each.sequence}`} className="border-t border-line">
                <td className="py-1.5 pr-4 whitespace-nowrap">
                  <Ago at={each.finishedAt} />
                </td>
                <td className="pr-4">
                  <Status of={each.status} />
                </td>
                <td className="pr-4">{each.decision === "none" ? <span className="text-ink3">not asked</span> : <Decision of={each.decision} />}</td>
                <td className="pr-4 font-mono whitespace-nowrap">{typeof each.tookMs === "number" ? span(each.tookMs) : <span className="font-sans text-ink3">not sent</span>}</td>
                <td className="max-w-40 truncate pr-4">{each.client ? <Seen text={each.client} /> : (WAYS[each.channel] ?? each.channel)}</td>
                <td className="font-mono whitespace-nowrap">
                  <Link to="/w/$slug/tasks/$id" params={{ slug, id: each.taskId }} search={{ tab: "call", call: String(each.sequence) }} className="text-accent underline" title={each.taskId}>
                    {each.taskId.slice(0, 12)}… call {each.sequence}
                  </Link>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
        <Link to="/w/$slug/tasks" params={{ slug }} search={{ tool: usage.path } as never} className="mt-2 inline-block text-accent underline">
          All tasks that called it
        </Link>
      </section>
    </div>
  );
}

function Head({ of }: { of: string[] }) {
  return (
    <thead className="text-meta text-ink3">
      <tr>
        {of.map((each) => (
          <th key={each} className="pr-4 pb-1 font-normal">
            {each}
          </th>
        ))}
      </tr>
    </thead>
  );
}

/** How many of each, and which part of all that is; those of none are left out. */
function Shares({ of, all }: { of: [React.ReactNode, number][]; all: number }) {
  return (
    <span className="flex flex-wrap gap-x-4">
      {of
        .filter(([, n]) => n > 0)
        .map(([name, n], i) => (
          <span key={i} className="inline-flex items-center gap-1.5">
            {name} {n.toLocaleString("en")} <span className="text-meta text-ink3">{((n / all) * 100).toFixed(n === all ? 0 : 1)} %</span>
          </span>
        ))}
    </span>
  );
}

function ClientRow({ of, path }: { of: Client; path: string }) {
  const { slug } = useSession();
  const names = useNames();
  return (
    <tr className="border-t border-line">
      <td className="py-1.5 pr-4">
        {of.client ? (
          <Link to="/w/$slug/tasks" params={{ slug }} search={{ client: of.client, tool: path } as never} className="text-accent underline">
            <Seen text={of.client} />
          </Link>
        ) : (
          "unnamed"
        )}{" "}
        <span className="text-meta text-ink3">over {WAYS[of.channel] ?? of.channel}</span>
      </td>
      <td className="pr-4">{names(of.account)}</td>
      <td className="pr-4 font-mono">{of.calls.toLocaleString("en")}</td>
      <td className="pr-4 font-mono">{of.failed > 0 ? <span className="text-bad">✕ {count(of.failed, "call")}</span> : "0"}</td>
      <td className="whitespace-nowrap">
        <Ago at={of.lastAt} />
      </td>
    </tr>
  );
}
