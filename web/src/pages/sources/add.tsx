// Adds a source step by step: where its description is, what it can do, how it lets callers in. One
// that tells nothing without a credential is chosen from once it has one.
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useSearch } from "@tanstack/react-router";
import { useEffect, useRef, useState } from "react";
import type { Schemas, Source } from "~/api/client";
import { credentials as allCredentials, toolsOf, useApi, useNeeds, useSession } from "~/api/queries";
import { count } from "~/lib/time";
import { Button, buttonClass, Facts, Page, Panel, Skeleton } from "~/ui/basics";
import { Loaded, Problem } from "~/ui/state";
import { Seen } from "~/ui/text";
import { toast } from "~/ui/toast";
import { Authenticate } from "./authenticate";
import { EVERYTHING, makeRules, ToolChoice } from "./choose";
import { Describe } from "./describe";
import { NOTHING } from "./draft";
import { isAwaited, Look } from "./look";

type Preview = Schemas["SourcePreview"];
type Step = "describe" | "look" | "open" | "choose" | "done";

const USUAL: [Step, string][] = [
  ["describe", "Description"],
  ["look", "What it can do"],
  ["open", "Authentication"],
  ["done", "Done"],
];
/** Of one that tells nothing without a credential. */
const AWAITED: [Step, string][] = [
  ["describe", "Description"],
  ["look", "What it is"],
  ["open", "Authentication"],
  ["choose", "What it can do"],
  ["done", "Done"],
];

/** `?source=` goes on with a source that is there and has no tools yet. */
export function AddSourcePage() {
  const api = useApi();
  const { source: id } = useSearch({ strict: false }) as { source?: string };
  const query = useQuery({ queryKey: [api.workspace, "sources", id], queryFn: () => api.get("/api/v1/sources/{id}", { path: { id: id ?? "" } }), enabled: id !== undefined });
  return <Page title="Add a source">{id === undefined ? <Wizard key="new" begun={null} /> : <Loaded query={query}>{(source) => <Wizard key={source.id} begun={source} />}</Loaded>}</Page>;
}

function Wizard({ begun }: { begun: Source | null }) {
  const [draft, setDraft] = useState(NOTHING);
  const [preview, setPreview] = useState<Preview | null>(null);
  const [source, setSource] = useState<Source | null>(begun);
  const [step, setStep] = useState<Step>(begun ? "open" : "describe");
  const waits = source ? source.toolCount === 0 && source.auth.length > 0 : preview !== null && isAwaited(preview);
  const [isLong, setLong] = useState(waits);
  const steps = isLong || waits ? AWAITED : USUAL;
  const at = steps.findIndex(([name]) => name === step);
  const look = (found: Preview | null) => {
    setPreview(found);
    setStep(found ? "look" : "describe");
  };
  const added = (made: Source) => {
    setSource(made);
    setLong(made.toolCount === 0 && made.auth.length > 0);
    // One that was read with a credential has it.
    setStep(made.auth.length > 0 && draft.secret === "" ? "open" : "done");
    setDraft({ ...draft, secret: "" });
  };
  return (
    <>
      <ol className="mb-4 flex flex-wrap gap-x-4 gap-y-1" aria-label="Steps">
        {steps.map(([name, words], i) => (
          <li key={name} aria-current={i === at ? "step" : undefined} className={i === at ? "font-semibold" : "text-ink3"}>
            {i < at ? "●" : `${i + 1}.`} {words}
          </li>
        ))}
      </ol>
      {step === "describe" && <Describe draft={draft} onDraft={setDraft} onPreview={look} />}
      {step === "look" && preview && <Look draft={draft} preview={preview} onPreview={look} onDraft={setDraft} onAdded={added} />}
      {step === "open" && source && <Authenticate source={source} preset={draft.preset} onDone={() => setStep(isLong ? "choose" : "done")} />}
      {step === "choose" && source && (
        <Choose
          source={source}
          onBack={() => setStep("open")}
          onDone={(now) => {
            setSource(now);
            setStep("done");
          }}
        />
      )}
      {step === "done" && source && <Done source={source} />}
    </>
  );
}

/** What a source can do that told nothing before it had a credential. */
function Choose({ source, onBack, onDone }: { source: Source; onBack: () => void; onDone: (source: Source) => void }) {
  const api = useApi();
  const client = useQueryClient();
  const needs = useNeeds("admin");
  const [choice, setChoice] = useState(EVERYTHING);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const now = useQuery({ queryKey: [api.workspace, "sources", source.id], queryFn: () => api.get("/api/v1/sources/{id}", { path: { id: source.id } }), staleTime: 0, refetchOnMount: "always" });
  const read = now.data?.toolCount ?? 0;
  const tools = useQuery({ ...toolsOf(api, source.name), queryKey: [api.workspace, "tools", "of", source.name, String(now.data?.revision ?? "")], enabled: read > 0 });
  const act = async (what: () => Promise<unknown>) => {
    setBusy(true);
    setError(null);
    await what().catch(setError);
    setBusy(false);
    for (const kind of ["sources", "tools", "policy"]) void client.invalidateQueries({ queryKey: [api.workspace, kind] });
  };
  const again = () => act(() => api.post("/api/v1/sources/{id}/refresh", { path: { id: source.id } }));
  // What somebody granted does not lead to a reading by itself, as a value that was entered does.
  const isOpen = useQuery(allCredentials(api)).data?.some((each) => each.source === source.name) ?? false;
  const isDue = isOpen && needs === undefined && now.data?.toolCount === 0 && !now.isFetching;
  const tried = useRef(false);
  useEffect(() => {
    if (!isDue || tried.current) return;
    tried.current = true;
    void again();
  });
  const take = (found: Source) =>
    act(async () => {
      await makeRules(api, found, choice, found.name);
      // Whoever chose among them has looked at them.
      if (found.unreviewed > 0) await api.post("/api/v1/sources/{id}/review", { path: { id: found.id }, body: { all: true, revision: found.revision } as never });
      toast(`Chose what ${found.name} may do`);
      onDone(found);
    });
  return (
    <Loaded query={now}>
      {(found) =>
        found.toolCount === 0 && now.isFetching ? (
          <Skeleton rows={6} />
        ) : found.toolCount === 0 ? (
          <div className="flex max-w-3xl flex-col gap-3">
            <p>
              <span className="text-bad">▲</span> Its tools could not be read yet{found.reason ? ": " : "."}
              {found.reason && <Seen text={found.reason} />}
            </p>
            {error !== null && <Problem error={error} />}
            <div className="flex flex-wrap gap-2">
              <Button look="main" disabled={busy} blocked={needs} onClick={() => void again()}>
                {busy ? "Reading…" : "Read them now"}
              </Button>
              <Button onClick={onBack}>Another credential</Button>
              <Button look="quiet" onClick={() => onDone(found)}>
                Later
              </Button>
            </div>
          </div>
        ) : (
          <div className="flex max-w-4xl flex-col gap-4 [&>section]:mb-0">
            <Panel title="What it can do">
              <Loaded query={tools}>{(all) => <ToolChoice tools={all} choice={choice} onChoice={setChoice} />}</Loaded>
            </Panel>
            {error !== null && <Problem error={error} />}
            <div className="flex flex-wrap gap-2">
              <Button look="main" disabled={busy || !tools.data} blocked={needs} onClick={() => void take(found)}>
                {busy ? "One moment…" : `Use ${count(found.toolCount - choice.left.size, "tool")}`}
              </Button>
            </div>
          </div>
        )
      }
    </Loaded>
  );
}

function Done({ source }: { source: Source }) {
  const { slug } = useSession();
  const tools = useQuery(toolsOf(useApi(), source.name));
  // One that changes nothing is the first to try.
  const first = tools.data?.find((each) => each.risk === "read" && each.decision !== "deny") ?? tools.data?.[0];
  return (
    <div className="flex flex-col gap-4">
      <Facts of={[["Name", source.name], ["Kind", source.kind], ["Tools", source.toolCount.toLocaleString("en")], ["Calls go to", <code key="u" className="break-all">{source.baseUrl}</code>], ["Status", source.reason && <Seen key="r" text={source.reason} />]]} />
      <div className="flex flex-wrap gap-2">
        {first && (
          <Link to="/w/$slug/tools/$path" params={{ slug, path: first.path }} search={{ tab: "try" }} className={buttonClass("main")}>
            Try {first.path}
          </Link>
        )}
        <Link to="/w/$slug/tools" params={{ slug }} className={buttonClass()}>
          See its tools
        </Link>
        <Link to="/w/$slug/policies" params={{ slug }} className={buttonClass()}>
          Set policies
        </Link>
        <Link to="/w/$slug/sources/$id" params={{ slug, id: source.id }} className={buttonClass()}>
          Open the source
        </Link>
      </div>
      {source.warnings.length > 0 && (
        <Panel title={count(source.warnings.length, "warning")}>
          <ul className="p-3">
            {source.warnings.slice(0, 50).map((each) => (
              <li key={each}>
                ▲ <Seen text={each} />
              </li>
            ))}
          </ul>
        </Panel>
      )}
    </div>
  );
}
