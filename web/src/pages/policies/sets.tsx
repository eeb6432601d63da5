// Policy sets: lists of rules that are assigned. What assigning one, taking it back or changing it would
// do is shown before it is done.
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { useRef, useState } from "react";
import type { NewBacktest, PolicySet, SetAssignment, SetRule } from "~/api/client";
import { members as allMembers, policySet, policySets, ruleUsage, useApi, useMay, useNeeds, useSession } from "~/api/queries";
import { count } from "~/lib/time";
import { Ago, Button, buttonClass, cx, Empty, Field, Page, Panel } from "~/ui/basics";
import { Confirm, Dialog } from "~/ui/dialog";
import { explain, Loaded, Problem } from "~/ui/state";
import { Seen } from "~/ui/text";
import { toast } from "~/ui/toast";
import { RuleEditor } from "./editor";
import { RuleText, usedOf } from "./row";
import { PolicyTabs } from "./tabs";
import { Trial, useTrial } from "./trial";
import { aboutOf } from "./words";

/** Whom an assignment binds. */
function whom(of: SetAssignment): string {
  if (!of.workspace) return "the organization";
  const workspace = `the workspace ${of.workspaceSlug ?? of.workspace}`;
  return of.person ? `${of.personName ?? of.person} in ${workspace}` : workspace;
}

export function PolicySetsPage() {
  const { slug } = useSession();
  const api = useApi();
  const needs = useNeeds("admin");
  const query = useQuery(policySets(api));
  const usage = useQuery(ruleUsage(api)).data;
  const [making, setMaking] = useState(false);
  const make = (
    <Button look="main" blocked={needs} onClick={() => setMaking(true)}>
      Make a set
    </Button>
  );
  return (
    <Page wide title="Policies" actions={make}>
      <PolicyTabs at="sets" />
      <p className="mb-4 max-w-[90ch] text-ink2">
        A set is a list of rules that binds nobody until it is assigned: to the organization, to a workspace or to one person in it. Each assignment is a layer of its own, so a set makes no other rule milder.
      </p>
      <Loaded query={query}>
        {(sets) =>
          sets.length === 0 ? (
            <Empty>{needs ? "No set binds you." : "There is no set yet."}</Empty>
          ) : (
            <ul className="rounded-md border border-line bg-surface">
              {sets.map((set) => {
                const used = usedOf(usage, (each) => each.set === set.id);
                return (
                  <li key={set.id} className="border-b border-line last:border-0">
                    <Link to="/w/$slug/policies/sets/$set" params={{ slug, set: set.id }} className="flex flex-wrap items-baseline gap-x-6 gap-y-0.5 px-3 py-2">
                      <span className="min-w-0 flex-1 basis-72 wrap-anywhere">
                        <span className="font-semibold">
                          <Seen text={set.name} />
                        </span>
                        {set.description && (
                          <span className="block text-meta text-ink2">
                            <Seen text={set.description} />
                          </span>
                        )}
                      </span>
                      <span className="w-20">{count(set.ruleCount, "rule")}</span>
                      <span className="min-w-0 flex-1 basis-52 text-ink2 wrap-anywhere">{set.assignments.length === 0 ? "assigned to nobody" : `for ${set.assignments.map(whom).join("; ")}`}</span>
                      <span className="w-48 text-meta text-ink2">
                        {used ? (
                          <>
                            {count(used.calls, "call")} here in 30 days, last <Ago at={used.lastAt} />
                          </>
                        ) : (
                          usage && "no call here in 30 days"
                        )}
                      </span>
                    </Link>
                  </li>
                );
              })}
            </ul>
          )
        }
      </Loaded>
      {making && <Named set={null} onClose={() => setMaking(false)} />}
    </Page>
  );
}

/** Makes a set, or gives one another name. */
function Named({ set, onClose }: { set: PolicySet | null; onClose: () => void }) {
  const { slug } = useSession();
  const api = useApi();
  const client = useQueryClient();
  const navigate = useNavigate();
  const [name, setName] = useState(set?.name ?? "");
  const [description, setDescription] = useState(set?.description ?? "");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const first = useRef<HTMLInputElement>(null);
  const save = async () => {
    setBusy(true);
    setError(null);
    try {
      const body = { name, description };
      const saved = set ? await api.put("/api/v1/policies/sets/{id}", { path: { id: set.id }, body }) : await api.post("/api/v1/policies/sets", { body });
      await client.invalidateQueries({ queryKey: [api.workspace, "policy"] });
      onClose();
      await navigate({ to: "/w/$slug/policies/sets/$set", params: { slug, set: saved.id } });
    } catch (failure) {
      setError(failure);
      setBusy(false);
    }
  };
  return (
    <Dialog
      open
      onClose={onClose}
      title={set ? "Name the set" : "Make a set"}
      initialFocus={first}
      footer={
        <>
          <Button className="mr-auto" onClick={onClose}>
            Cancel
          </Button>
          <Button look="main" disabled={busy} blocked={name.trim() ? undefined : "A set has a name"} onClick={() => void save()}>
            {busy ? "One moment…" : "Save"}
          </Button>
        </>
      }
    >
      <form
        className="flex flex-col gap-3"
        onSubmit={(event) => {
          event.preventDefault();
          if (name.trim() && !busy) void save();
        }}
      >
        <Field label="Name">
          <input ref={first} className="field" maxLength={80} value={name} onChange={(event) => setName(event.target.value)} />
        </Field>
        <Field label="What it is for">
          <textarea className="area min-h-20" maxLength={2000} value={description} onChange={(event) => setDescription(event.target.value)} />
        </Field>
        {error !== null && <Problem error={error} />}
      </form>
    </Dialog>
  );
}

export function PolicySetPage() {
  const { set } = useParams({ strict: false }) as { set: string };
  const query = useQuery(policySet(useApi(), set));
  return <Loaded query={query}>{(found) => <Whole key={found.id} set={found} />}</Loaded>;
}

function Whole({ set }: { set: PolicySet }) {
  const { slug } = useSession();
  const api = useApi();
  const client = useQueryClient();
  const navigate = useNavigate();
  const search = useSearch({ strict: false }) as { rule?: string };
  const usage = useQuery(ruleUsage(api)).data;
  const needsAdmin = useNeeds("admin");
  const isOwner = useMay("owner");
  // Who changes a set changes the rules of every level where it is assigned.
  const needs = needsAdmin ?? (!isOwner && set.assignments.some((each) => each.level === "organization") ? "It is assigned to the organization: needs the role owner" : undefined);
  const [open, setOpen] = useState<"name" | "delete" | "assign" | null>(null);
  const [gone, setGone] = useState<SetAssignment | null>(null);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const cancel = useRef<HTMLButtonElement>(null);
  const chosen = search.rule === "new" ? null : set.rules.find((each) => each.id === search.rule);
  const remove = async () => {
    setBusy(true);
    setError(null);
    try {
      await api.delete("/api/v1/policies/sets/{id}", { path: { id: set.id } });
      await navigate({ to: "/w/$slug/policies/sets", params: { slug } });
      await client.invalidateQueries({ queryKey: [api.workspace, "policy", "sets"] });
    } catch (failure) {
      setError(failure);
      setBusy(false);
    }
  };
  return (
    <Page
      wide
      title={<Seen text={set.name} />}
      actions={
        <>
          <Button blocked={needsAdmin} onClick={() => setOpen("name")}>
            Name it
          </Button>
          <Button blocked={needsAdmin ?? (set.assignments.length > 0 ? "It is assigned: take that back first" : undefined)} onClick={() => setOpen("delete")}>
            Delete it
          </Button>
          <Link to="/w/$slug/policies/sets/$set" params={{ slug, set: set.id }} search={{ rule: "new" }} className={buttonClass("main")}>
            Add a rule
          </Link>
        </>
      }
    >
      <PolicyTabs at="sets" />
      {set.description && (
        <p className="mb-4 max-w-[90ch] whitespace-pre-line text-ink2">
          <Seen text={set.description} />
        </p>
      )}
      <div className="grid grid-cols-1 gap-4 lg:grid-cols-2">
        <div className={cx("min-w-0", search.rule && "hidden lg:block")}>
          <Panel title="Rules, the first match decides">
            {set.rules.length === 0 ? (
              <p className="px-3 py-2 text-ink2">No rule yet.</p>
            ) : (
              <ol>
                {set.rules.map((rule) => (
                  <Row key={rule.id} set={set} rule={rule} isHere={rule.id === search.rule} blocked={needs} used={usedOf(usage, (each) => each.setRule === rule.id)} usage={usage} />
                ))}
              </ol>
            )}
          </Panel>
          <Panel
            title="Assigned to"
            actions={
              <Button small blocked={needsAdmin} onClick={() => setOpen("assign")}>
                Assign it…
              </Button>
            }
          >
            {set.assignments.length === 0 ? (
              <p className="px-3 py-2 text-ink2">Nobody: none of its rules holds yet.</p>
            ) : (
              <ul>
                {set.assignments.map((each) => (
                  <li key={each.id} className="flex flex-wrap items-center gap-x-3 border-b border-line px-3 py-1.5 last:border-0">
                    <span className="min-w-0 flex-1 wrap-anywhere">
                      {whom(each)}{" "}
                      <span className="text-meta text-ink2">
                        since <Ago at={each.createdAt} />
                      </span>
                    </span>
                    <Button small aria-label={`Take back from ${whom(each)}`} blocked={needsAdmin ?? (each.level === "organization" && !isOwner ? "Needs the role owner" : undefined)} onClick={() => setGone(each)}>
                      Take back
                    </Button>
                  </li>
                ))}
              </ul>
            )}
          </Panel>
        </div>
        <div className="min-w-0">
          {search.rule === undefined ? (
            <p className="hidden p-4 text-ink2 lg:block">Select a rule to see what it does and to try a change of it.</p>
          ) : chosen === undefined ? (
            <p className="rounded-md border border-line p-4">
              This rule is not in the set any more.{" "}
              <Link to="/w/$slug/policies/sets/$set" params={{ slug, set: set.id }} className="text-accent underline">
                See its rules
              </Link>
            </p>
          ) : (
            <RuleEditor key={chosen?.id ?? "new"} rule={chosen} inSet={{ id: set.id, blocked: needs }} />
          )}
        </div>
      </div>
      {open === "name" && <Named set={set} onClose={() => setOpen(null)} />}
      {open === "assign" && <Assign set={set} onClose={() => setOpen(null)} />}
      {gone && <TakeBack set={set} assignment={gone} onClose={() => setGone(null)} />}
      <Confirm open={open === "delete"} onClose={() => setOpen(null)} onYes={() => void remove()} busy={busy} cancelRef={cancel} verb="Delete the set" title={`Delete the set “${set.name}”?`} error={error !== null && <Problem error={error} />}>
        <p>It goes with its {count(set.rules.length, "rule")}. It is assigned to nobody, so no call is decided otherwise.</p>
      </Confirm>
    </Page>
  );
}

type RowProps = { set: PolicySet; rule: SetRule; isHere: boolean; blocked: string | undefined; used: ReturnType<typeof usedOf>; usage: Parameters<typeof usedOf>[0] };

function Row({ set, rule, isHere, blocked, used, usage }: RowProps) {
  const { slug } = useSession();
  const api = useApi();
  const client = useQueryClient();
  const navigate = useNavigate();
  const [asked, setAsked] = useState(false);
  const [busy, setBusy] = useState(false);
  const cancel = useRef<HTMLButtonElement>(null);
  const trial = useTrial({ change: "remove", set: set.id, id: rule.id }, asked);
  const path = { id: set.id, rule: rule.id };
  const act = async (what: () => Promise<unknown>) => {
    setBusy(true);
    await what().catch((error: unknown) => toast(explain(error).title));
    setBusy(false);
    await client.invalidateQueries({ queryKey: [api.workspace, "policy"] });
  };
  const move = (by: number) => act(() => api.post("/api/v1/policies/sets/{id}/rules/{rule}/move", { path, body: { position: rule.position + by } }));
  return (
    <li className={cx("flex flex-wrap items-start gap-2 border-b border-line px-3 py-1.5 last:border-0 md:flex-nowrap", isHere && "bg-select")}>
      <span className="w-6 pt-0.5 text-right font-mono text-ink3">{rule.position}</span>
      <Link to="/w/$slug/policies/sets/$set" params={{ slug, set: set.id }} search={{ rule: rule.id }} aria-current={isHere ? "true" : undefined} className="min-w-0 flex-1 basis-[calc(100%-2rem)] md:basis-0">
        <RuleText rule={rule} usage={set.assignments.length > 0 ? usage : undefined} used={used} shadow={null} />
      </Link>
      <span className="ml-auto flex gap-0.5">
        <Button small look="quiet" aria-label={`Move rule ${rule.position} up`} disabled={busy || rule.position === 1} blocked={blocked} onClick={() => void move(-1)}>
          ↑
        </Button>
        <Button small look="quiet" aria-label={`Move rule ${rule.position} down`} disabled={busy || rule.position === set.rules.length} blocked={blocked} onClick={() => void move(1)}>
          ↓
        </Button>
        <Button small look="quiet" aria-label={`Remove rule ${rule.position}`} blocked={blocked} onClick={() => setAsked(true)}>
          ✕
        </Button>
      </span>
      <Confirm
        open={asked}
        onClose={() => setAsked(false)}
        cancelRef={cancel}
        busy={busy}
        blocked={trial.isPending ? "What it would do is being looked up" : undefined}
        verb="Remove the rule"
        title={`Remove the rule “${rule.note || aboutOf(rule.match)}” from the set?`}
        onYes={() =>
          void act(async () => {
            await api.delete("/api/v1/policies/sets/{id}/rules/{rule}", { path });
            setAsked(false);
            if (isHere) await navigate({ to: "/w/$slug/policies/sets/$set", params: { slug, set: set.id } });
          })
        }
      >
        <div className="flex flex-col gap-3">
          <p>It goes wherever the set is assigned.</p>
          {asked && <Trial of={trial} />}
        </div>
      </Confirm>
    </li>
  );
}

/** Assigns a set, once it was seen what that would do. */
function Assign({ set, onClose }: { set: PolicySet; onClose: () => void }) {
  const api = useApi();
  const { slug } = useSession();
  const client = useQueryClient();
  const isOwner = useMay("owner");
  const people = useQuery(allMembers(api)).data ?? [];
  const [level, setLevel] = useState("workspace");
  const [person, setPerson] = useState("");
  const [tried, setTried] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const first = useRef<HTMLInputElement>(null);
  const to = level === "personal" ? { level, person } : { level };
  const key = JSON.stringify(to);
  const body: NewBacktest = { change: "assign", set: set.id, to };
  const trial = useTrial(body, tried === key);
  const isTried = tried === key && trial.data !== undefined;
  const why = level === "organization" && !isOwner ? "Needs the role owner" : level === "personal" && person === "" ? "Choose a person" : undefined;
  const choices: [string, string][] = [
    ["workspace", `this workspace, ${slug}`],
    ["organization", "the organization, every workspace of it"],
    ["personal", "one person in this workspace"],
  ];
  const assign = async () => {
    setBusy(true);
    setError(null);
    try {
      await api.post("/api/v1/policies/sets/{id}/assignments", { path: { id: set.id }, body: to });
      await client.invalidateQueries({ queryKey: [api.workspace, "policy"] });
      toast(`Assigned the set ${set.name}`);
      onClose();
    } catch (failure) {
      setError(failure);
      setBusy(false);
    }
  };
  return (
    <Dialog
      open
      wide
      onClose={onClose}
      title={`Assign the set “${set.name}”`}
      initialFocus={first}
      footer={
        <>
          <Button className="mr-auto" onClick={onClose}>
            Cancel
          </Button>
          <Button look={isTried ? "plain" : "main"} disabled={isTried} blocked={why} onClick={() => setTried(key)}>
            See what it would do
          </Button>
          <Button look={isTried ? "main" : "plain"} disabled={busy} blocked={why ?? (isTried ? undefined : "See what it would do first")} onClick={() => void assign()}>
            {busy ? "One moment…" : "Assign it"}
          </Button>
        </>
      }
    >
      <div className="flex flex-col gap-4">
        <fieldset className="flex flex-col gap-1">
          <legend className="mb-1 text-ink2">Its rules are to bind</legend>
          {choices.map(([each, label], i) => (
            <label key={each} className="flex min-h-7 items-center gap-1.5">
              <input ref={i === 0 ? first : undefined} type="radio" name="level" checked={level === each} onChange={() => setLevel(each)} /> {label}
            </label>
          ))}
        </fieldset>
        {level === "personal" && (
          <Field label="Person">
            <select className="field" value={person} onChange={(event) => setPerson(event.target.value)}>
              <option value="">Choose…</option>
              {people.map((each) => (
                <option key={each.id} value={each.id}>
                  {each.name} ({each.role})
                </option>
              ))}
            </select>
          </Field>
        )}
        {tried === key && <Trial of={trial} />}
        {error !== null && <Problem error={error} />}
      </div>
    </Dialog>
  );
}

/** Takes an assignment back, with what that would do. */
function TakeBack({ set, assignment, onClose }: { set: PolicySet; assignment: SetAssignment; onClose: () => void }) {
  const api = useApi();
  const client = useQueryClient();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const cancel = useRef<HTMLButtonElement>(null);
  const trial = useTrial({ change: "unassign", set: set.id, assignment: assignment.id });
  const undo = async () => {
    setBusy(true);
    setError(null);
    try {
      await api.delete("/api/v1/policies/sets/{id}/assignments/{assignment}", { path: { id: set.id, assignment: assignment.id } });
      await client.invalidateQueries({ queryKey: [api.workspace, "policy"] });
      toast(`The set ${set.name} no longer binds ${whom(assignment)}`);
      onClose();
    } catch (failure) {
      setError(failure);
      setBusy(false);
    }
  };
  return (
    <Confirm
      open
      onClose={onClose}
      onYes={() => void undo()}
      busy={busy}
      blocked={trial.isPending ? "What it would do is being looked up" : undefined}
      cancelRef={cancel}
      verb="Take it back"
      title={`Take the set “${set.name}” back from ${whom(assignment)}?`}
      error={error !== null && <Problem error={error} />}
    >
      <div className="flex flex-col gap-3">
        <p>The {count(set.rules.length, "rule")} that it brought no longer {set.rules.length === 1 ? "holds" : "hold"} there.</p>
        <Trial of={trial} />
      </div>
    </Confirm>
  );
}
