// Asks what policy says to one call, for oneself or, as an administrator, for somebody else.
import { useQuery } from "@tanstack/react-query";
import { Link, useSearch } from "@tanstack/react-router";
import { useState } from "react";
import type { Verdict } from "~/api/client";
import { call as oneCall, members as allMembers, toolSearch, useApi, useMay, useSession } from "~/api/queries";
import { isFields, parse, pretty } from "~/lib/json";
import { Button, buttonClass, Decision, Field, Page, Panel, Risk } from "~/ui/basics";
import { Loaded, Problem } from "~/ui/state";
import { Seen, ToolPath } from "~/ui/text";
import { LookedAtList } from "./trace";

/** `?task=&call=` tries what a recorded call was made with, whatever its length. */
export function PolicyTestPage() {
  const api = useApi();
  const search = useSearch({ strict: false }) as { tool?: string; task?: string; call?: string };
  const isRecorded = search.task !== undefined && search.call !== undefined;
  const call = useQuery({ ...oneCall(api, search.task ?? "", Number(search.call)), enabled: isRecorded });
  if (!isRecorded) return <Bench key={search.tool ?? ""} tool={search.tool ?? ""} text="" />;
  return <Loaded query={call}>{(found) => <Bench key={found.id} tool={found.tool} text={pretty(found.arguments)} />}</Loaded>;
}

function Bench(start: { tool: string; text: string }) {
  const { slug } = useSession();
  const api = useApi();
  const isAdmin = useMay("admin");
  const [tool, setTool] = useState(start.tool);
  const [text, setText] = useState(start.text);
  const [person, setPerson] = useState("");
  const [client, setClient] = useState("");
  const [channel, setChannel] = useState("");
  const [verdict, setVerdict] = useState<Verdict | null>(null);
  const [error, setError] = useState<unknown>(null);
  const members = useQuery({ ...allMembers(api), enabled: isAdmin }).data ?? [];
  const hits = useQuery({ ...toolSearch(api, tool, 10), enabled: tool.length > 1 }).data?.results ?? [];
  const ask = async () => {
    setError(null);
    setVerdict(null);
    try {
      const value = text.trim() === "" ? undefined : parse(text);
      if (value !== undefined && !isFields(value)) throw new Error("The arguments are one JSON object");
      const as = { ...(person ? { person } : {}), ...(client ? { client } : {}), ...(channel ? { channel } : {}) };
      setVerdict(await api.post("/api/v1/policies/test", { body: { tool: tool.trim(), ...(value ? { arguments: value } : {}), ...(Object.keys(as).length > 0 ? { as } : {}) } as never }));
    } catch (failure) {
      setError(failure);
    }
  };
  return (
    <Page
      title="Test a call"
      actions={
        <Link to="/w/$slug/policies" params={{ slug }} className={buttonClass()}>
          All rules
        </Link>
      }
    >
      <form
        className="mb-4 flex max-w-2xl flex-col gap-4"
        onSubmit={(event) => {
          event.preventDefault();
          void ask();
        }}
      >
        <Field label="Tool">
          <input className="field font-mono" list="tools" required value={tool} onChange={(event) => setTool(event.target.value)} autoComplete="off" />
          <datalist id="tools">
            {hits.map((each) => (
              <option key={each.path} value={each.path} />
            ))}
          </datalist>
        </Field>
        <Field label="Arguments as JSON" hint="Without them rules with conditions on arguments are judged as if nothing were given.">
          <textarea className="area min-h-24 font-mono" spellCheck={false} value={text} onChange={(event) => setText(event.target.value)} />
        </Field>
        {isAdmin && (
          <div className="flex flex-wrap gap-4">
            <Field label="For">
              <select className="field" value={person} onChange={(event) => setPerson(event.target.value)}>
                <option value="">me</option>
                {members.map((each) => (
                  <option key={each.id} value={each.id}>
                    {each.name} ({each.role})
                  </option>
                ))}
              </select>
            </Field>
            <Field label="Client">
              <input className="field" placeholder="any" value={client} onChange={(event) => setClient(event.target.value)} />
            </Field>
            <Field label="Over">
              <select className="field" value={channel} onChange={(event) => setChannel(event.target.value)}>
                <option value="">this page</option>
                {["mcp", "api", "cli", "dashboard"].map((each) => (
                  <option key={each}>{each}</option>
                ))}
              </select>
            </Field>
          </div>
        )}
        <div>
          <Button look="main" type="submit" disabled={tool.trim() === ""}>
            Ask policy
          </Button>
        </div>
      </form>
      {error !== null && <Problem error={error} />}
      {verdict && (
        <Panel title="What policy says">
          <div className="flex flex-col gap-3 p-3" role="status">
            <p className="flex flex-wrap items-center gap-3 text-item">
              <Decision of={verdict.decision} /> <ToolPath path={verdict.tool} /> <Risk of={verdict.risk} />
            </p>
            <p>
              <Seen text={verdict.explanation} />
            </p>
            {verdict.problem && (
              <p className="text-bad">
                ✕ <Seen text={verdict.problem} />
              </p>
            )}
            <LookedAtList of={verdict.lookedAt} />
          </div>
        </Panel>
      )}
    </Page>
  );
}
