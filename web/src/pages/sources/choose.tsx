// Which of a source's tools are wanted, and what passes without a question. What is chosen becomes
// rules: those that are left out are denied.
import { useMemo, useState } from "react";
import type { Api, Source } from "~/api/client";
import { count } from "~/lib/time";
import { Decision, Field, Risk } from "~/ui/basics";
import { ToolPath } from "~/ui/text";

export type Choosable = { path: string; description: string; risk: string; decision: string };

/** Tools that are drawn at once; a search reaches the others. */
const ROWS = 200;
/** Paths that one rule names. */
const PATHS = 100;
const RISKS = ["read", "write", "destructive", "unknown"] as const;

/** What passes where no other rule says anything. */
const DEFAULTS: [string, string, { effect: string; risks: string[] } | null][] = [
  ["usual", "Reads pass, everything else asks", null],
  ["ask", "Every call asks", { effect: "ask", risks: [] }],
  ["trust", "Reads and writes pass, everything else asks", { effect: "allow", risks: ["read", "write"] }],
];

/** What was chosen: the default, and the tools that are left out. */
export type Choice = { fallback: string; left: Set<string> };

export const EVERYTHING: Choice = { fallback: "usual", left: new Set() };

/** Makes rules of a choice. `prefix` is what the paths of the choice begin with, where the source came to be called otherwise. */
export async function makeRules(api: Api, source: Source, { fallback, left }: Choice, prefix: string): Promise<void> {
  const chosen = DEFAULTS.find(([key]) => key === fallback)?.[2];
  if (chosen) await api.post("/api/v1/policies", { body: { effect: chosen.effect, match: { tools: [`${source.name}.**`], risks: chosen.risks }, note: `Chosen when ${source.name} was added` } as never });
  const paths = [...left].map((path) => source.name + path.slice(prefix.length));
  for (let at = 0; at < paths.length; at += PATHS)
    await api.post("/api/v1/policies", { body: { effect: "deny", match: { tools: paths.slice(at, at + PATHS) }, note: `Left out when ${source.name} was added` } as never });
}

type Counts = Record<(typeof RISKS)[number], number>;

/** `risks` counts all tools, where more are there than are listed. */
type Props = { tools: Choosable[]; risks?: Counts; choice: Choice; onChoice: (choice: Choice) => void };

/** The tools with their risks, those that are not wanted unticked, and the default under them. */
export function ToolChoice({ tools, risks, choice, onChoice }: Props) {
  return (
    <>
      <Tools tools={tools} risks={risks ?? countsOf(tools)} left={choice.left} onLeft={(left) => onChoice({ ...choice, left })} />
      <div className="border-t border-line p-3">
        <Field label="Where no other rule decides">
          <select className="field max-w-96" value={choice.fallback} onChange={(event) => onChoice({ ...choice, fallback: event.target.value })}>
            {DEFAULTS.map(([key, words]) => (
              <option key={key} value={key}>
                {words}
              </option>
            ))}
          </select>
        </Field>
      </div>
    </>
  );
}

function Tools({ tools, risks, left, onLeft }: { tools: Choosable[]; risks: Counts; left: Set<string>; onLeft: (left: Set<string>) => void }) {
  const [text, setText] = useState("");
  const found = useMemo(() => {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    return tools.filter((each) => words.every((word) => `${each.path} ${each.risk} ${each.description}`.toLowerCase().includes(word)));
  }, [tools, text]);
  const set = (paths: string[], isWanted: boolean) => {
    const next = new Set(left);
    for (const path of paths) if (isWanted) next.delete(path);
      else next.add(path);
    onLeft(next);
  };
  const all = found.map((each) => each.path);
  const isWhole = all.every((path) => !left.has(path));
  return (
    <>
      <ul className="flex flex-wrap gap-x-5 gap-y-1 p-3">
        {RISKS.filter((risk) => risks[risk] > 0).map((risk) => (
          <li key={risk}>
            <Risk of={risk} /> {risks[risk].toLocaleString("en")}
          </li>
        ))}
        {left.size > 0 && <li className="text-ink2">{count(left.size, "tool")} left out</li>}
      </ul>
      <div className="flex flex-wrap items-center gap-3 border-y border-line px-3 py-2">
        <label className="flex items-center gap-2">
          <input type="checkbox" checked={isWhole} disabled={all.length === 0} onChange={(event) => set(all, event.target.checked)} />
          {text ? `all ${all.length.toLocaleString("en")} found` : `all ${count(tools.length, "tool")}`}
        </label>
        <input type="search" className="field h-7 w-48" aria-label="Search its tools" placeholder="Path, risk, words" value={text} onChange={(event) => setText(event.target.value)} />
      </div>
      <ul className="max-h-80 overflow-auto" tabIndex={0} aria-label="Tools">
        {found.slice(0, ROWS).map((each) => (
          <li key={each.path}>
            <label className="flex min-h-7 items-center gap-3 px-3 py-0.5 hover:bg-sunken" title={each.description}>
              <input type="checkbox" checked={!left.has(each.path)} onChange={(event) => set([each.path], event.target.checked)} />
              <span className="min-w-0 flex-1">
                <ToolPath path={each.path} />
              </span>
              <Risk of={each.risk} />
              <span className="w-14">{left.has(each.path) ? <Decision of="deny" /> : <Decision of={each.decision} />}</span>
            </label>
          </li>
        ))}
        {found.length > ROWS && <li className="px-3 py-1 text-ink2">and {(found.length - ROWS).toLocaleString("en")} more; search to reach them</li>}
        {found.length === 0 && <li className="px-3 py-2 text-ink2">No tool matches.</li>}
      </ul>
    </>
  );
}

export function countsOf(tools: Choosable[]): Counts {
  const counts: Counts = { read: 0, write: 0, destructive: 0, unknown: 0 };
  for (const each of tools) {
    const risk = RISKS.find((one) => one === each.risk);
    if (risk) counts[risk] += 1;
  }
  return counts;
}
