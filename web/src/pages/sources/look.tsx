// What a source would bring, before it is there: by what it was known, its tools with their risks, and
// which of them are wanted.
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import type { Schemas, Source } from "~/api/client";
import { useApi, useNeeds } from "~/api/queries";
import { count } from "~/lib/time";
import { Button, Facts, Field, Panel } from "~/ui/basics";
import { explain, Problem } from "~/ui/state";
import { Seen, ToolPath } from "~/ui/text";
import { toast } from "~/ui/toast";
import { EVERYTHING, makeRules, ToolChoice } from "./choose";
import { bodyOf, type Draft } from "./draft";

type Preview = Schemas["SourcePreview"];

const KINDS = ["openapi", "graphql", "mcp"];

/** Whether its tools are read only once there is a credential for it. */
export const isAwaited = (preview: Preview): boolean => preview.toolCount === 0 && preview.auth.length > 0;

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
  const [choice, setChoice] = useState(EVERYTHING);
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
      await makeRules(api, source, choice, preview.name).catch((failure: unknown) => toast(`The source is added, its rules are not: ${explain(failure).title}`));
      for (const kind of ["sources", "tools", "policy"]) void client.invalidateQueries({ queryKey: [api.workspace, kind] });
      onAdded(source);
    } catch (failure) {
      setError(failure);
    } finally {
      setBusy(false);
    }
  };
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
        {isAwaited(preview) ? (
          <p className="p-3 text-ink2">Its tools are read when it has a credential. That is the next step; then you choose among them.</p>
        ) : (
          <ToolChoice tools={preview.tools} risks={preview.risks} choice={choice} onChoice={setChoice} />
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
