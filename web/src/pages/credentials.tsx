// What opens sources. Values go in and never come out.
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useSearch } from "@tanstack/react-router";
import { useRef, useState } from "react";
import type { Credential } from "~/api/client";
import { credentials as allCredentials, sources as allSources, useApi, useNames, useSession } from "~/api/queries";
import { useRows } from "~/lib/rows";
import { count } from "~/lib/time";
import { Ago, Button, Empty, Field, Page, Risk } from "~/ui/basics";
import { Confirm, Dialog } from "~/ui/dialog";
import { explain, Loaded, Problem } from "~/ui/state";
import { Seen, ToolPath } from "~/ui/text";
import { toast } from "~/ui/toast";
import { OAuthConnect } from "./sources/connect";

const OAUTH = "oauth";
/** States of a connection in which a person has to agree again. */
const NEEDS = ["reauthorization_required", "error"];

export function CredentialsPage() {
  useRows("credential");
  const api = useApi();
  const search = useSearch({ strict: false }) as { source?: string };
  const [adding, setAdding] = useState(search.source !== undefined);
  const credentials = useQuery(allCredentials(api));
  return (
    <Page title="Credentials" actions={<Button look="main" onClick={() => setAdding(true)}>Add a credential</Button>}>
      <p className="mb-3 max-w-[80ch] text-ink2">Sealed in the database and attached only when a call is sent to the source's own address. No program, agent or page sees a value.</p>
      <Loaded query={credentials}>
        {(items) =>
          items.length === 0 ? (
            <Empty action={<Button onClick={() => setAdding(true)}>Add a credential</Button>}>There is no credential. Sources that let in everybody need none.</Empty>
          ) : (
            <ul className="rounded-md border border-line bg-surface">
              {items.map((each) => (
                <Row key={each.id} credential={each} />
              ))}
            </ul>
          )
        }
      </Loaded>
      {adding && <Add source={search.source} onClose={() => setAdding(false)} />}
    </Page>
  );
}

function Row({ credential }: { credential: Credential }) {
  const { api, slug } = useSession();
  const names = useNames();
  const client = useQueryClient();
  const [open, setOpen] = useState<"rotate" | "connect" | "remove" | null>(null);
  const [said, setSaid] = useState<{ accepted: boolean | null; message: string } | null>(null);
  const [busy, setBusy] = useState(false);
  const cancel = useRef<HTMLButtonElement>(null);
  const path = { id: credential.id };
  const stale = () => client.invalidateQueries({ queryKey: [api.workspace, "credentials"] });
  const test = async () => {
    setBusy(true);
    setSaid(
      await api
        .post("/api/v1/credentials/{id}/test", { path })
        .then((found) => ({ accepted: found.accepted ?? null, message: found.message }))
        .catch((error: unknown) => ({ accepted: false, message: explain(error).title })),
    );
    setBusy(false);
  };
  const remove = async () => {
    setBusy(true);
    await api
      .delete("/api/v1/credentials/{id}", { path })
      .then(() => toast(`Removed the credential of ${credential.source}`))
      .catch((error: unknown) => toast(explain(error).title));
    setBusy(false);
    setOpen(null);
    void stale();
  };
  return (
    <li className="border-b border-line px-3 py-2 last:border-0">
      <div className="flex flex-wrap items-center gap-x-4 gap-y-1">
        <strong data-row tabIndex={-1}>
          {credential.source}
        </strong>
        <span>{credential.scope}</span>
        <code>{credential.auth}</code>
        {credential.label && <Seen text={credential.label} />}
        {credential.state !== "set" && <span className={credential.state === "connected" ? "text-good" : "text-bad"}>{credential.state === "connected" ? "● connected" : `▲ ${credential.state.replaceAll("_", " ")}`}</span>}
        {credential.reason && (
          <span className="text-bad">
            <Seen text={credential.reason} />
          </span>
        )}
        <span className="text-meta text-ink2">
          version {credential.version}, set <Ago at={credential.rotatedAt} />
          {credential.setBy && ` by ${names(credential.setBy)}`}, {credential.lastUsedAt ? <>used <Ago at={credential.lastUsedAt} /></> : "never used"}
          {credential.lastUsedBy && <> by <Link to="/w/$slug/tasks/$id" params={{ slug, id: credential.lastUsedBy }} className="text-accent underline">a task</Link></>}
        </span>
        <span className="ml-auto flex gap-1">
          <Button small disabled={busy} onClick={() => void test()} aria-label={`Test the credential of ${credential.source}`}>
            Test
          </Button>
          {credential.connection ? (
            // Its value renews itself; a new one comes from whoever grants tokens.
            <Button small look={NEEDS.includes(credential.state) ? "main" : "plain"} onClick={() => setOpen("connect")} aria-label={`Connect ${credential.source} again`}>
              Connect again
            </Button>
          ) : (
            <Button small onClick={() => setOpen("rotate")} aria-label={`Rotate the credential of ${credential.source}`}>
              Rotate
            </Button>
          )}
          <Button small look="quiet" onClick={() => setOpen("remove")} aria-label={`Remove the credential of ${credential.source}`}>
            Remove
          </Button>
        </span>
      </div>
      {said && (
        <p role="status" className={said.accepted ? "text-good" : said.accepted === false ? "text-bad" : "text-ink2"}>
          {said.accepted ? "● " : said.accepted === false ? "✕ " : ""}
          {said.message}
        </p>
      )}
      {open === "connect" && <ConnectAgain credential={credential} onClose={() => (setOpen(null), void stale())} />}
      {open === "rotate" && <Rotate credential={credential} onClose={() => (setOpen(null), void stale())} />}
      <Confirm open={open === "remove"} onClose={() => setOpen(null)} onYes={() => void remove()} busy={busy} cancelRef={cancel} verb="Remove the credential" title={`Remove the credential of ${credential.source}?`}>
        <p>Calls of every tool of {credential.source} that need it fail with credential_missing from then on. The value is destroyed.</p>
        {open === "remove" && <Affected source={credential.source} />}
      </Confirm>
    </li>
  );
}

/** The tools that would lose their credential. */
function Affected({ source }: { source: string }) {
  const api = useApi();
  const query = useQuery({ queryKey: [api.workspace, "tools", "affected", source], queryFn: () => api.get("/api/v1/tools", { query: { namespace: source, limit: 200 } as never }) });
  return (
    <Loaded query={query} rows={3}>
      {({ results, total }) =>
        total === 0 ? (
          <p className="mt-2 text-ink2">No tool of it is in your catalog.</p>
        ) : (
          <>
            <h3 className="mt-3 mb-1 text-ink2">{count(total, "tool")}</h3>
            <ul className="max-h-48 overflow-auto rounded-md border border-line p-2" tabIndex={0} aria-label="Affected tools">
              {results.map((each) => (
                <li key={each.path} className="flex items-baseline gap-3">
                  <ToolPath path={each.path} />
                  <span className="ml-auto">
                    <Risk of={each.risk} short />
                  </span>
                </li>
              ))}
              {total > results.length && <li className="text-ink2">and {(total - results.length).toLocaleString("en")} more</li>}
            </ul>
          </>
        )
      }
    </Loaded>
  );
}

/** Asks whoever grants the tokens anew, for the same people and under the same label. */
function ConnectAgain({ credential, onClose }: { credential: Credential; onClose: () => void }) {
  const query = useQuery(allSources(useApi()));
  const source = query.data?.find((each) => each.name === credential.source);
  return (
    <Dialog
      open
      onClose={onClose}
      title={`Connect ${credential.source} again`}
      footer={
        <Button className="mr-auto" onClick={onClose}>
          Cancel
        </Button>
      }
    >
      {credential.reason && (
        <p className="mb-3 text-bad">
          ▲ <Seen text={credential.reason} />
        </p>
      )}
      <Loaded query={query} rows={3}>
        {() => (source ? <OAuthConnect source={source.id} scope={credential.scope} label={credential.label ?? ""} onDone={onClose} /> : <p>The source {credential.source} is not there any more.</p>)}
      </Loaded>
    </Dialog>
  );
}

function Rotate({ credential, onClose }: { credential: Credential; onClose: () => void }) {
  const api = useApi();
  const [value, setValue] = useState("");
  const [error, setError] = useState<unknown>(null);
  const save = async () => {
    try {
      await api.post("/api/v1/credentials/{id}/rotate", { path: { id: credential.id }, body: { value } as never });
      setValue("");
      toast(`Rotated the credential of ${credential.source}`);
      onClose();
    } catch (failure) {
      setError(failure);
    }
  };
  return (
    <Dialog
      open
      onClose={onClose}
      title={`New value for ${credential.source}`}
      footer={
        <>
          <Button className="mr-auto" onClick={onClose}>
            Cancel
          </Button>
          <Button look="main" disabled={value === ""} onClick={() => void save()}>
            Save the value
          </Button>
        </>
      }
    >
      <Field label={credential.auth === "basic" ? "user:password" : "Token or key"}>
        <input className="field font-mono" type="password" autoComplete="off" value={value} onChange={(event) => setValue(event.target.value)} />
      </Field>
      {error !== null && <Problem error={error} />}
    </Dialog>
  );
}

function Add({ source, onClose }: { source: string | undefined; onClose: () => void }) {
  const api = useApi();
  const client = useQueryClient();
  const sources = useQuery(allSources(api)).data ?? [];
  const [chosen, setChosen] = useState(source ?? "");
  const [value, setValue] = useState("");
  const [auth, setAuth] = useState("");
  const [scope, setScope] = useState("workspace");
  const [error, setError] = useState<unknown>(null);
  const of = sources.find((each) => each.name === chosen);
  const save = async () => {
    try {
      await api.post("/api/v1/credentials", { body: { source: chosen, value, scope, ...(auth ? { auth } : {}) } as never });
      setValue("");
      void client.invalidateQueries({ queryKey: [api.workspace, "credentials"] });
      toast(`Set the credential of ${chosen}`);
      onClose();
    } catch (failure) {
      setError(failure);
    }
  };
  return (
    <Dialog
      open
      onClose={onClose}
      title="Add a credential"
      footer={
        <>
          <Button className="mr-auto" onClick={onClose}>
            Cancel
          </Button>
          {auth !== OAUTH && (
            <Button look="main" disabled={chosen === "" || value === ""} onClick={() => void save()}>
              Save
            </Button>
          )}
        </>
      }
    >
      <div className="flex flex-col gap-4">
        <Field label="Source">
          <select className="field" value={chosen} onChange={(event) => setChosen(event.target.value)}>
            <option value="">Choose</option>
            {sources.map((each) => (
              <option key={each.id}>{each.name}</option>
            ))}
          </select>
        </Field>
        <Field label="Whose">
          <select className="field" value={scope} onChange={(event) => setScope(event.target.value)}>
            <option value="workspace">everybody in the workspace</option>
            <option value="personal">mine alone</option>
            <option value="organization">the organization</option>
          </select>
        </Field>
        <Field label="How it is attached">
          <select className="field" value={auth} onChange={(event) => setAuth(event.target.value)}>
            <option value="">as the source says{of && of.auth.length > 0 ? `: ${of.auth[0]}` : ""}</option>
            <option value={OAUTH}>OAuth: somebody grants tokens</option>
            {[...new Set([...(of?.auth ?? []), "bearer", "basic"])].map((each) => (
              <option key={each}>{each}</option>
            ))}
          </select>
        </Field>
        {auth === OAUTH ? (
          of ? (
            <OAuthConnect key={`${of.id}:${scope}`} source={of.id} scope={scope} onDone={onClose} />
          ) : (
            <p className="text-ink2">Choose the source first.</p>
          )
        ) : (
          <Field label="Value" hint="It is never shown again.">
            <input className="field font-mono" type="password" autoComplete="off" value={value} onChange={(event) => setValue(event.target.value)} />
          </Field>
        )}
        {error !== null && <Problem error={error} />}
      </div>
    </Dialog>
  );
}
