// What a source would bring, before it is there: by what it was known, its tools with their risks, and
// which of them are wanted. What is left out, and what passes without a question, become rules.
import { useQueryClient } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import type { Schemas, Source } from "~/api/client";
import { useApi, useNeeds } from "~/api/queries";
import { count } from "~/lib/time";
import { Button, Decision, Facts, Field, Panel, Risk } from "~/ui/basics";
import { explain, Problem } from "~/ui/state";
import { Seen, ToolPath } from "~/ui/text";
import { toast } from "~/ui/toast";
import { bodyOf, type Draft } from "./add";

type Preview = Schemas["SourcePreview"];

/** Tools that are drawn at once; a search reaches the others. */
const ROWS = 200;
/** Paths that one rule names. */
const PATHS = 100;
const RISKS = ["read", "write", "destructive", "unknown"] as const;
const KINDS = ["openapi", "graphql", "mcp"];

/** What passes where no other rule says anything. */
const DEFAULTS: [string, string, { effect: string; risks: string[] } | null][] = [
  ["usual", "Reads pass, everything else asks", null],
  ["ask", "Every call asks", { effect: "ask", risks: [] }],
  ["trust", "Reads and writes pass, everything else asks", { effect: "allow", risks: ["read", "write"] }],
];

type Props = {
  draft: Draft;
  preview: Preview;
  onDraft: (draft: Draft) => void;
  /** Another look, or none: back to the description. */
  onPreview: (preview: Preview | null) => void;
  onAdded: (source: Source) => void;
};

export function Look({ draft, preview, onDraft, onPreview, onAdded }: Props) {
  const api = useApi();
  const client = useQueryClient();
  const needs = useNeeds("admin");
  const [name, setName] = useState(preview.nameIsTaken ? "" : preview.name);
  const [left, setLeft] = useState<Set<string>>(new Set());
  const [fallback, setFallback] = useState("usual");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const again = async (kind: string) => {
    setBusy(true);
    setError(null);
    const next = { ...draft, kind };
    try {
      onPreview(await api.post("/api/v1/sources/preview", { body: bodyOf(next) }));
      onDraft(next);
    } catch (failure) {
      setError(failure);
    } finally {
      setBusy(false);
    }
  };
  const add = async () => {
    setBusy(true);
    setError(null);
    try {
      const source = await api.post("/api/v1/sources", { body: { ...bodyOf(draft), name } });
      // From here on the source is there: what fails is told, and can be made under Policies.
      await rules(source).catch((failure: unknown) => toast(`The source is added, its rules are not: ${explain(failure).title}`));
      for (const kind of ["sources", "tools", "policy"]) void client.invalidateQueries({ queryKey: [api.workspace, kind] });
      onAdded(source);
    } catch (failure) {
      setError(failure);
    } finally {
      setBusy(false);
    }
  };
  const rules = async (source: Source) => {
    const chosen = DEFAULTS.find(([key]) => key === fallback)?.[2];
    if (chosen) await api.post("/api/v1/policies", { body: { effect: chosen.effect, match: { tools: [`${source.name}.**`], risks: chosen.risks }, note: `Chosen when ${source.name} was added` } as never });
    const paths = [...left].map((path) => source.name + path.slice(preview.name.length));
    for (let at = 0; at < paths.length; at += PATHS)
      await api.post("/api/v1/policies", { body: { effect: "deny", match: { tools: paths.slice(at, at + PATHS) }, note: `Left out when ${source.name} was added` } as never });
  };
  const isAwaited = preview.toolCount === 0 && preview.auth.length > 0;
  return (
    <div className="flex max-w-4xl flex-col gap-4 [&>section]:mb-0">
      <Panel title={<Seen text={preview.title || preview.name} />} actions={<Button small look="quiet" onClick={() => onPreview(null)}>Another description</Button>}>
        <div className="flex flex-col gap-3 p-3">
          <Facts
            of={[
              ["Found", <Seen key="e" text={preview.evidence} />],
              ["Read from", <code key="o" className="break-all">{preview.origin}</code>],
              ["Calls go to", preview.baseUrl && <code key="b" className="break-all">{preview.baseUrl}</code>],
              ["Lets in by", preview.auth.length > 0 ? preview.auth.join(" or ") : "everybody"],
            ]}
          />
          <div className="flex flex-wrap gap-4">
            <Field label="Name its tools begin with">
              <input className="field w-52 font-mono" value={name} autoComplete="off" onChange={(event) => setName(event.target.value)} />
            </Field>
            <Field label="Taken for">
              <select className="field" value={preview.kind} disabled={busy} onChange={(event) => void again(event.target.value)}>
                {KINDS.map((each) => (
                  <option key={each} value={each}>
                    {each === "openapi" ? "OpenAPI" : each === "graphql" ? "GraphQL" : "MCP"}
                  </option>
                ))}
              </select>
            </Field>
          </div>
          {preview.nameIsTaken && name === "" && (
            <p className="text-bad">
              ▲ A source called <code>{preview.name}</code> is here already; give this one another name.
            </p>
          )}
        </div>
      </Panel>
      {preview.findings.length > 0 && (
        <Panel title="Found in its texts">
          <ul className="max-h-60 overflow-auto p-3" tabIndex={0} aria-label="Findings">
            {preview.findings.map((each, i) => (
              <li key={i} className={each.severity === "high" ? "text-bad" : ""}>
                ▲ {each.tool && <ToolPath path={each.tool} />} <Seen text={each.message} />
              </li>
            ))}
          </ul>
        </Panel>
      )}
      <Panel title="What it can do">
        {isAwaited ? <p className="p-3 text-ink2">Its tools are read when it has a credential: that is the next step.</p> : <Tools preview={preview} left={left} onLeft={setLeft} />}
        {!isAwaited && (
          <div className="border-t border-line p-3">
            <Field label="Where no other rule decides">
              <select className="field max-w-96" value={fallback} onChange={(event) => setFallback(event.target.value)}>
                {DEFAULTS.map(([key, words]) => (
                  <option key={key} value={key}>
                    {words}
                  </option>
                ))}
              </select>
            </Field>
          </div>
        )}
      </Panel>
      {preview.warnings.length > 0 && (
        <details>
          <summary className="w-fit text-accent underline">{count(preview.warnings.length, "part")} could not be taken over</summary>
          <ul className="mt-1 max-h-60 overflow-auto" tabIndex={0} aria-label="Warnings">
            {preview.warnings.map((each, i) => (
              <li key={i}>
                ▲ <Seen text={each} />
              </li>
            ))}
          </ul>
        </details>
      )}
      {error !== null && <Problem error={error} />}
      <div className="flex flex-wrap gap-2">
        <Button look="main" disabled={busy} blocked={needs ?? (name.trim() === "" ? "Give it a name" : undefined)} onClick={() => void add()}>
          {busy ? "One moment…" : "Add the source"}
        </Button>
        <Button look="quiet" disabled={busy} onClick={() => onPreview(null)}>
          Back
        </Button>
      </div>
    </div>
  );
}

/** The tools with their risks; those that are not wanted are unticked. */
function Tools({ preview, left, onLeft }: { preview: Preview; left: Set<string>; onLeft: (left: Set<string>) => void }) {
  const [text, setText] = useState("");
  const found = useMemo(() => {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    return preview.tools.filter((each) => words.every((word) => `${each.path} ${each.risk} ${each.description}`.toLowerCase().includes(word)));
  }, [preview.tools, text]);
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
        {RISKS.filter((risk) => preview.risks[risk] > 0).map((risk) => (
          <li key={risk}>
            <Risk of={risk} /> {preview.risks[risk].toLocaleString("en")}
          </li>
        ))}
        {left.size > 0 && <li className="text-ink2">{count(left.size, "tool")} left out</li>}
      </ul>
      <div className="flex flex-wrap items-center gap-3 border-y border-line px-3 py-2">
        <label className="flex items-center gap-2">
          <input type="checkbox" checked={isWhole} disabled={all.length === 0} onChange={(event) => set(all, event.target.checked)} />
          {text ? `all ${all.length.toLocaleString("en")} found` : `all ${count(preview.tools.length, "tool")}`}
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
