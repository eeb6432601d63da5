// The organization: its name, its workspaces and whom they let in, and the way out of it.
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useRef, useState } from "react";
import type { Schemas, Workspace } from "~/api/client";
import { addressOf, members as allMembers, useApi, useMay, useNames, useNeeds, useSession } from "~/api/queries";
import { Button, Facts, Field, Panel, When } from "~/ui/basics";
import { Confirm } from "~/ui/dialog";
import { explain, Loaded } from "~/ui/state";
import { toast } from "~/ui/toast";
import { RowForm } from "./form";

type Organization = Schemas["Organization"];

/** Does something, tells what failed, and reads everything about workspaces again. */
function useAct() {
  const client = useQueryClient();
  const [busy, setBusy] = useState(false);
  const act = async (what: () => Promise<unknown>, said?: string) => {
    setBusy(true);
    const done = await what()
      .then(() => true)
      .catch((error: unknown) => (toast(explain(error).title), false));
    setBusy(false);
    if (done && said) toast(said);
    await client.invalidateQueries();
    return done;
  };
  return { busy, act };
}

export function OrganizationSection() {
  const { me } = useSession();
  const api = useApi();
  const all = useQuery({ queryKey: [api.workspace, "organizations"], queryFn: async () => (await api.get("/api/v1/organizations")).items });
  return (
    <Loaded query={all}>
      {(items) => {
        const own = items.find((each) => each.id === me.organization.id);
        return (
          <>
            {own && <Own organization={own} />}
            <Workspaces />
            <Others items={items.filter((each) => each.id !== me.organization.id)} />
            {own && <WayOut organization={own} />}
          </>
        );
      }}
    </Loaded>
  );
}

function Own({ organization }: { organization: Organization }) {
  const api = useApi();
  const needs = useNeeds("owner");
  const { busy, act } = useAct();
  const [name, setName] = useState(organization.name);
  const [slug, setSlug] = useState(organization.slug);
  const isSame = name === organization.name && slug === organization.slug;
  return (
    <Panel title="Organization">
      <RowForm onSubmit={() => void act(() => api.patch("/api/v1/organizations/{id}", { path: { id: organization.id }, body: { name, slug } as never }), "Changed the organization")}>
        <Field label="Name of the organization">
          <input className="field w-56" value={name} disabled={needs !== undefined} onChange={(event) => setName(event.target.value)} />
        </Field>
        <Field label="Its short name">
          <input className="field w-48 font-mono" value={slug} disabled={needs !== undefined} onChange={(event) => setSlug(event.target.value.toLowerCase())} />
        </Field>
        <Button type="submit" blocked={needs} disabled={busy || isSame || name.trim() === "" || slug === ""}>
          Save
        </Button>
      </RowForm>
      <div className="border-t border-line p-3">
        <Facts of={[["Identifier", <code key="i" className="break-all">{organization.id}</code>], ["Made", <When key="w" at={organization.createdAt} />]]} />
      </div>
    </Panel>
  );
}

function Workspaces() {
  const { me, workspaces } = useSession();
  const api = useApi();
  const isAdmin = useMay("admin");
  const needs = useNeeds("admin");
  const { busy, act } = useAct();
  const own = workspaces.filter((each) => each.organizationId === me.organization.id);
  const deleted = useQuery({ queryKey: [api.workspace, "deleted-workspaces"], queryFn: async () => (await api.get("/api/v1/deleted-workspaces")).items, enabled: isAdmin });
  return (
    <Panel title="Workspaces">
      <ul>
        {own.map((each) => (
          <Row key={each.id} workspace={each} isLast={own.length === 1} />
        ))}
      </ul>
      {(deleted.data ?? []).map((each) => (
        <p key={each.id} className="flex flex-wrap items-center gap-x-4 gap-y-1 border-t border-line px-3 py-1.5 text-ink2">
          <span className="min-w-0 flex-1">
            {each.name} was deleted{each.purgeAt && <>; it is gone for good <When at={each.purgeAt} /></>}
          </span>
          <Button small blocked={needs} disabled={busy} aria-label={`Take back the deletion of ${each.name}`} onClick={() => void act(() => api.post("/api/v1/deleted-workspaces/{id}/restore", { path: { id: each.id } }), `${each.name} is back`)}>
            Take it back
          </Button>
        </p>
      ))}
    </Panel>
  );
}

function Row({ workspace, isLast }: { workspace: Workspace; isLast: boolean }) {
  const { workspaces } = useSession();
  const api = useApi();
  const needs = useNeeds("admin");
  const { busy, act } = useAct();
  const [asked, setAsked] = useState(false);
  const [typed, setTyped] = useState("");
  const cancel = useRef<HTMLButtonElement>(null);
  const address = addressOf(workspace, workspaces);
  const path = { workspace: workspace.id };
  return (
    <li className="border-b border-line px-3 py-2 last:border-0">
      <div className="flex flex-wrap items-center gap-x-4 gap-y-1">
        <span className="min-w-0 flex-1 basis-48">
          <Link to="/w/$slug" params={{ slug: address }} className="font-semibold hover:underline">
            {workspace.name}
          </Link>{" "}
          <code className="text-ink3">{workspace.slug}</code>
        </span>
        <select
          className="field"
          aria-label={`Who reaches ${workspace.name}`}
          title={needs}
          value={workspace.access}
          disabled={needs !== undefined || busy}
          onChange={(event) => void act(() => api.patch("/api/v1/workspaces/{workspace}", { path, body: { access: event.target.value } as never }), `Changed who reaches ${workspace.name}`)}
        >
          <option value="open">every member</option>
          <option value="restricted">those it names</option>
        </select>
        <Button small look="quiet" blocked={needs ?? (isLast ? "The last workspace stays" : undefined)} disabled={busy} onClick={() => (setTyped(""), setAsked(true))} aria-label={`Delete ${workspace.name}`}>
          Delete…
        </Button>
      </div>
      {workspace.access === "restricted" && needs === undefined && <Named workspace={workspace} />}
      <Confirm open={asked} onClose={() => setAsked(false)} cancelRef={cancel} busy={busy} blocked={typed === workspace.slug ? undefined : "Type its short name first"} verb={`Delete ${workspace.name}`} title={`Delete ${workspace.name}?`} onYes={() => void act(() => api.delete("/api/v1/workspaces/{workspace}", { path, query: { confirm: typed } as never }), `Deleted ${workspace.name}`).then(() => setAsked(false))}>
        <p className="mb-2">Its tasks are canceled, its keys stop to work and nobody reaches it any more. An administrator can take that back for a while; then all of it is removed for good.</p>
        <Field label={`Its short name, ${workspace.slug}, to be sure`}>
          <input className="field font-mono" value={typed} onChange={(event) => setTyped(event.target.value)} />
        </Field>
      </Confirm>
    </li>
  );
}

/** Whom a restricted workspace names. */
function Named({ workspace }: { workspace: Workspace }) {
  const api = useApi();
  const names = useNames();
  const { busy, act } = useAct();
  const path = { workspace: workspace.id };
  const named = useQuery({ queryKey: [api.workspace, "workspace-members", workspace.id], queryFn: async () => (await api.get("/api/v1/workspaces/{workspace}/members", { path })).items });
  const people = useQuery(allMembers(api)).data ?? [];
  const ids = new Set((named.data ?? []).map((each) => each.id));
  const rest = people.filter((each) => !ids.has(each.id));
  return (
    <div className="mt-1 flex flex-wrap items-center gap-2 pl-3">
      {(named.data ?? []).map((each) => (
        <span key={each.id} className="inline-flex items-center gap-1 rounded-md border border-line pl-2">
          {names(each.id)}
          <Button small look="quiet" disabled={busy} aria-label={`Take ${names(each.id)} out of ${workspace.name}`} onClick={() => void act(() => api.delete("/api/v1/workspaces/{workspace}/members/{id}", { path: { ...path, id: each.id } }))}>
            ✕
          </Button>
        </span>
      ))}
      {rest.length > 0 && (
        <select className="field" aria-label={`Let somebody into ${workspace.name}`} value="" disabled={busy} onChange={(event) => void act(() => api.post("/api/v1/workspaces/{workspace}/members", { path, body: { member: event.target.value } }))}>
          <option value="">Let in…</option>
          {rest.map((each) => (
            <option key={each.id} value={each.id}>
              {each.name}
            </option>
          ))}
        </select>
      )}
    </div>
  );
}

function Others({ items }: { items: Schemas["OwnOrganization"][] }) {
  const api = useApi();
  const { workspaces } = useSession();
  const { busy, act } = useAct();
  const [name, setName] = useState("");
  const [error, setError] = useState<unknown>(null);
  return (
    <Panel title="Other organizations of yours">
      {items.length > 0 && (
        <ul>
          {items.map((each) => {
            const first = workspaces.find((w) => w.organizationId === each.id);
            return (
              <li key={each.id} className="flex flex-wrap items-center gap-x-4 gap-y-1 border-b border-line px-3 py-1.5">
                <span className="min-w-0 flex-1">
                  {first && !each.deletedAt ? (
                    <Link to="/w/$slug" params={{ slug: addressOf(first, workspaces) }} className="text-accent underline">
                      {each.name}
                    </Link>
                  ) : (
                    each.name
                  )}{" "}
                  <code className="text-ink3">{each.slug}</code>
                </span>
                <span className="text-ink2">{each.role.replaceAll("_", " ")}</span>
                {each.deletedAt && (
                  <>
                    <span className="text-bad">deleted{each.purgeAt && <>, gone for good <When at={each.purgeAt} /></>}</span>
                    <Button small disabled={busy} onClick={() => void act(() => api.post("/api/v1/organizations/{id}/restore", { path: { id: each.id } }), `${each.name} is back`)}>
                      Take it back
                    </Button>
                  </>
                )}
              </li>
            );
          })}
        </ul>
      )}
      <RowForm
        error={error}
        onSubmit={() => {
          setError(null);
          void act(async () => {
            try {
              await api.post("/api/v1/organizations", { body: { name } as never });
              setName("");
            } catch (failure) {
              setError(failure);
              throw failure;
            }
          }, `Made ${name}`);
        }}
      >
        <Field label="Name of another organization">
          <input className="field w-56" value={name} onChange={(event) => setName(event.target.value)} />
        </Field>
        <Button type="submit" disabled={busy || name.trim() === ""}>
          Make it
        </Button>
      </RowForm>
    </Panel>
  );
}

function WayOut({ organization }: { organization: Organization }) {
  const api = useApi();
  const isOwner = useMay("owner");
  const { busy, act } = useAct();
  const [open, setOpen] = useState<"leave" | "delete" | null>(null);
  const [typed, setTyped] = useState("");
  const cancel = useRef<HTMLButtonElement>(null);
  const go = () =>
    act(() => (open === "leave" ? api.delete("/api/v1/members/me") : api.delete("/api/v1/organizations/{id}", { path: { id: organization.id }, query: { confirm: typed } as never }))).then((done) => {
      setOpen(null);
      if (done) location.assign("/");
    });
  return (
    <Panel title="The way out">
      <div className="flex flex-wrap gap-2 p-3">
        <Button onClick={() => setOpen("leave")}>Leave {organization.name}…</Button>
        <Button blocked={isOwner ? undefined : "Needs the role owner"} onClick={() => (setTyped(""), setOpen("delete"))}>
          Delete {organization.name}…
        </Button>
      </div>
      <Confirm
        open={open !== null}
        onClose={() => setOpen(null)}
        cancelRef={cancel}
        busy={busy}
        blocked={open === "delete" && typed !== organization.slug ? "Type its short name first" : undefined}
        verb={open === "leave" ? "Leave it" : "Delete it"}
        title={`${open === "leave" ? "Leave" : "Delete"} ${organization.name}?`}
        onYes={() => void go()}
      >
        {open === "leave" ? (
          <p>Your keys here stop to work and your open tasks are canceled. The last owner stays.</p>
        ) : (
          <>
            <p className="mb-2">Every workspace of it goes with it. An owner can take that back for a while; then all of it is removed for good.</p>
            <Field label={`Its short name, ${organization.slug}, to be sure`}>
              <input className="field font-mono" value={typed} onChange={(event) => setTyped(event.target.value)} />
            </Field>
          </>
        )}
      </Confirm>
    </Panel>
  );
}
