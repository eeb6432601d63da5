// Several servers of one mcp.json block. Each is looked at as any source is, gets a name of its own, has
// its tools chosen and becomes a source of its own.
import { useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import type { Schemas, Source } from "~/api/client";
import { useApi, useSession } from "~/api/queries";
import { count } from "~/lib/time";
import { Button, Field } from "~/ui/basics";
import { explain } from "~/ui/state";
import { Seen } from "~/ui/text";
import { type Choice, EVERYTHING, makeRules, ToolChoice } from "./choose";
import type { McpServer } from "./mcpjson";

type Preview = Schemas["SourcePreview"];

/** How far one of them has come. */
type State =
  | { at: "here" }
  | { at: "reading" }
  | { at: "seen"; preview: Preview; name: string; choice: Choice }
  | { at: "adding"; preview: Preview; name: string; choice: Choice }
  | { at: "added"; source: Source; said: string }
  | { at: "failed"; said: string };

const HERE: State = { at: "here" };
const why = (error: unknown): string => [explain(error).title, explain(error).next].filter(Boolean).join(". ");

export function Several({ servers, allowPrivate, needs }: { servers: McpServer[]; allowPrivate: boolean; needs: string | undefined }) {
  const api = useApi();
  const client = useQueryClient();
  const [chosen, setChosen] = useState(() => new Set(servers.map((each) => each.name)));
  const [states, setStates] = useState<Record<string, State>>({});
  const [busy, setBusy] = useState(false);
  const stateOf = (name: string): State => states[name] ?? HERE;
  const set = (name: string, state: State) => setStates((now) => ({ ...now, [name]: state }));
  const wanted = servers.filter((each) => chosen.has(each.name));
  const unseen = wanted.filter((each) => ["here", "failed"].includes(stateOf(each.name).at));
  const seen = wanted.flatMap((each) => {
    const state = stateOf(each.name);
    return state.at === "seen" ? [{ each, state }] : [];
  });
  const nameless = seen.find(({ state }) => state.name.trim() === "");
  const bodyFor = (each: McpServer, name?: string) => ({ document: each.document, fileName: "mcp.json", allowPrivate, ...(name ? { name } : {}) }) as never;
  const look = async () => {
    setBusy(true);
    for (const each of unseen) {
      set(each.name, { at: "reading" });
      set(
        each.name,
        await api
          .post("/api/v1/sources/preview", { body: bodyFor(each) })
          .then((preview): State => ({ at: "seen", preview, name: preview.nameIsTaken ? "" : preview.name, choice: EVERYTHING }))
          .catch((error: unknown): State => ({ at: "failed", said: why(error) })),
      );
    }
    setBusy(false);
  };
  const add = async () => {
    setBusy(true);
    for (const { each, state } of seen) {
      set(each.name, { ...state, at: "adding" });
      set(
        each.name,
        await api
          .post("/api/v1/sources", { body: bodyFor(each, state.name.trim()) })
          .then(async (source): Promise<State> => {
            const said = `${source.name}, ${count(source.toolCount, "tool")}${source.reason ? `: ${source.reason}` : ""}`;
            // From here on the source is there: what fails of its rules can be made under Policies.
            const unmade = await makeRules(api, source, state.choice, state.preview.name).then(() => "", (error: unknown) => `; its rules are not made: ${why(error)}`);
            return { at: "added", source, said: said + unmade };
          })
          .catch((error: unknown): State => ({ at: "failed", said: why(error) })),
      );
    }
    setBusy(false);
    for (const kind of ["sources", "tools", "policy"]) void client.invalidateQueries({ queryKey: [api.workspace, kind] });
  };
  return (
    <section aria-label="Servers of the block" className="mt-4 rounded-md border border-line bg-surface">
      <ul>
        {servers.map((each) => (
          <Server
            key={each.name}
            of={each}
            state={stateOf(each.name)}
            isChosen={chosen.has(each.name)}
            busy={busy}
            onChosen={(isWanted) => setChosen((now) => new Set(isWanted ? [...now, each.name] : [...now].filter((name) => name !== each.name)))}
            onState={(state) => set(each.name, state)}
          />
        ))}
      </ul>
      <div className="flex flex-wrap gap-2 p-3">
        {(unseen.length > 0 || seen.length === 0) && (
          <Button look={seen.length > 0 ? "plain" : "main"} disabled={busy || unseen.length === 0} blocked={needs} onClick={() => void look()}>
            {busy ? "One moment…" : seen.length > 0 ? `Look again at ${unseen.length}` : `Look at ${count(unseen.length, "server")}`}
          </Button>
        )}
        {seen.length > 0 && (
          <Button look="main" disabled={busy} blocked={needs ?? (nameless ? `Give ${nameless.each.name} a name` : undefined)} onClick={() => void add()}>
            {busy ? "One moment…" : `Add ${count(seen.length, "source")}`}
          </Button>
        )}
      </div>
    </section>
  );
}

type ServerProps = { of: McpServer; state: State; isChosen: boolean; busy: boolean; onChosen: (isWanted: boolean) => void; onState: (state: State) => void };

function Server({ of, state, isChosen, busy, onChosen, onState }: ServerProps) {
  const { slug } = useSession();
  return (
    <li className="flex flex-wrap items-baseline gap-x-3 gap-y-0.5 border-b border-line px-3 py-2">
      <label className="flex min-w-0 flex-1 basis-60 items-baseline gap-2">
        <input type="checkbox" checked={isChosen} disabled={busy || state.at === "added"} onChange={(event) => onChosen(event.target.checked)} />
        <span className="min-w-0">
          <strong className="break-words">
            <Seen text={of.name} />
          </strong>
          <span className="block font-mono text-meta break-all text-ink2">
            {of.isCommand && <span className="font-semibold text-ink">a program of the server's machine: </span>}
            <Seen text={of.what} />
          </span>
        </span>
      </label>
      {state.at === "reading" && (
        <span role="status" className="text-ink2">
          reading it…
        </span>
      )}
      {state.at === "failed" && (
        <span role="status" className="text-bad">
          ✕ <Seen text={state.said} />
        </span>
      )}
      {state.at === "added" && (
        <span role="status" className="flex flex-wrap items-baseline gap-x-3">
          <Link to="/w/$slug/sources/$id" params={{ slug, id: state.source.id }} className="text-good underline">
            ● <Seen text={state.said} />
          </Link>
          {state.source.toolCount === 0 && state.source.auth.length > 0 && (
            <Link to="/w/$slug/sources/new" params={{ slug }} search={{ source: state.source.id }} className="text-accent underline">
              Give {state.source.name} a credential
            </Link>
          )}
        </span>
      )}
      {(state.at === "seen" || state.at === "adding") && isChosen && (
        <div className="flex basis-full flex-col gap-2">
          <p className="text-ink2">
            {state.at === "adding" ? "adding…" : <Seen text={state.preview.evidence} />}
            {state.preview.findings.length > 0 && (
              <span className="text-bad">
                {" "}
                ▲ {count(state.preview.findings.length, "thing")} found in its texts: <Seen text={state.preview.findings[0]?.message ?? ""} />
              </span>
            )}
          </p>
          <Field label={`Name the tools of ${of.name} begin with`} hint={state.preview.nameIsTaken ? `A source called ${state.preview.name} is here already.` : undefined}>
            <input className="field w-52 font-mono" autoComplete="off" disabled={busy} value={state.name} onChange={(event) => onState({ ...state, name: event.target.value })} />
          </Field>
          {state.preview.tools.length === 0 ? (
            <p className="text-ink2">Its tools are read when it has a credential.</p>
          ) : (
            <details>
              <summary className="w-fit text-accent underline">
                {state.choice.left.size === 0 ? `All ${count(state.preview.toolCount, "tool")}` : `${count(state.preview.toolCount - state.choice.left.size, "tool")}, ${state.choice.left.size} left out`}: choose
              </summary>
              <div className="mt-1 rounded-md border border-line">
                <ToolChoice tools={state.preview.tools} risks={state.preview.risks} choice={state.choice} onChoice={(choice) => onState({ ...state, choice })} />
              </div>
            </details>
          )}
        </div>
      )}
    </li>
  );
}
