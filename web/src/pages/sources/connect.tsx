// Connects a source to whoever grants tokens for it: the person goes on at a page of theirs, and this
// page waits.
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import type { Schemas } from "~/api/client";
import { useApi, useMay } from "~/api/queries";
import { Button, buttonClass, Copy, Field } from "~/ui/basics";
import { Problem } from "~/ui/state";
import { Seen } from "~/ui/text";

type Connect = Schemas["Connect"];
/** How often it is looked whether the person has agreed. */
const LOOK_MS = 1_000;
const FLOWS: [string, string][] = [
  ["browser", "in this browser"],
  ["device", "with a code, on any device"],
  ["client-credentials", "as the client itself, without a person"],
];

/** `label`: of the account that is connected again. */
export function OAuthConnect({ source, scope, label = "", onDone }: { source: string; scope: string; label?: string; onDone: () => void }) {
  const [begun, setBegun] = useState<Connect | null>(null);
  return begun ? <Waiting begun={begun} onDone={onDone} onAgain={() => setBegun(null)} /> : <Begin source={source} scope={scope} account={label} onBegun={setBegun} />;
}

function Begin({ source, scope, account, onBegun }: { source: string; scope: string; account: string; onBegun: (connect: Connect) => void }) {
  const api = useApi();
  const isAdmin = useMay("admin");
  const [flow, setFlow] = useState("browser");
  const [label, setLabel] = useState(account);
  const [scopes, setScopes] = useState("");
  const [issuer, setIssuer] = useState("");
  const [clientId, setClientId] = useState("");
  const [secret, setSecret] = useState("");
  const [authorizationUrl, setAuthorizationUrl] = useState("");
  const [tokenUrl, setTokenUrl] = useState("");
  const [origin, setOrigin] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const begin = async () => {
    setBusy(true);
    setError(null);
    const given = { label, issuer, clientId, clientSecret: secret, authorizationUrl, tokenUrl };
    const set = Object.fromEntries(Object.entries(given).filter(([, value]) => value.trim() !== ""));
    const list = (text: string) => text.split(/[\s,]+/).filter(Boolean);
    try {
      onBegun(await api.post("/api/v1/sources/{id}/connect", { path: { id: source }, body: { scope, flow, scopes: list(scopes), allowPrivate: list(origin), ...set } as never }));
      setSecret("");
    } catch (failure) {
      setError(failure);
    } finally {
      setBusy(false);
    }
  };
  return (
    <form
      aria-label="Connect with OAuth"
      className="flex flex-col gap-4"
      onSubmit={(event) => {
        event.preventDefault();
        void begin();
      }}
    >
      <p className="text-ink2">You agree at a page of whoever grants the tokens. The tokens stay sealed in the server and are renewed by it.</p>
      <Field label="Where you agree">
        <select className="field" value={flow} onChange={(event) => setFlow(event.target.value)}>
          {FLOWS.map(([name, words]) => (
            <option key={name} value={name}>
              {words}
            </option>
          ))}
        </select>
      </Field>
      <details>
        <summary className="text-accent underline">What it cannot find out by itself</summary>
        <div className="mt-3 flex flex-col gap-3">
          <Field label="Scopes" hint="Separated by spaces; what the source says by default.">
            <input className="field font-mono" value={scopes} onChange={(event) => setScopes(event.target.value)} />
          </Field>
          <Field label="Label" hint="Tells apart several accounts at one source.">
            <input className="field max-w-60" value={label} onChange={(event) => setLabel(event.target.value)} />
          </Field>
          {isAdmin && (
            <>
              <Field label="Client id" hint="Of the client that was made at the authorization server, where one has to be made.">
                <input className="field font-mono" autoComplete="off" value={clientId} onChange={(event) => setClientId(event.target.value)} />
              </Field>
              <Field label="Secret of the client">
                <input className="field font-mono" type="password" autoComplete="off" value={secret} onChange={(event) => setSecret(event.target.value)} />
              </Field>
              <Field label="Authorization server" hint="Its issuer, where it is not found.">
                <input className="field font-mono" value={issuer} onChange={(event) => setIssuer(event.target.value)} />
              </Field>
              <Field label="Address of its page for people">
                <input className="field font-mono" value={authorizationUrl} onChange={(event) => setAuthorizationUrl(event.target.value)} />
              </Field>
              <Field label="Address that gives out tokens">
                <input className="field font-mono" value={tokenUrl} onChange={(event) => setTokenUrl(event.target.value)} />
              </Field>
              <Field label="Origins on private networks that may be reached for this" hint="Such as http://127.0.0.1:8080.">
                <input className="field font-mono" value={origin} onChange={(event) => setOrigin(event.target.value)} />
              </Field>
            </>
          )}
        </div>
      </details>
      {error !== null && <Problem error={error} />}
      <Button look="main" type="submit" disabled={busy} className="self-start">
        {busy ? "Asking who grants tokens…" : "Connect"}
      </Button>
    </form>
  );
}

function Waiting({ begun, onDone, onAgain }: { begun: Connect; onDone: () => void; onAgain: () => void }) {
  const api = useApi();
  const client = useQueryClient();
  const query = useQuery({
    queryKey: [api.workspace, "connect", begun.id],
    queryFn: () => api.get("/api/v1/connects/{id}", { path: { id: begun.id } }),
    initialData: begun,
    refetchInterval: ({ state }) => (state.data?.status === "pending" ? LOOK_MS : false),
  });
  const connect = query.data;
  useEffect(() => {
    if (connect.status === "connected") void client.invalidateQueries({ queryKey: [api.workspace, "credentials"] });
  }, [connect.status, client, api]);
  const address = connect.device?.verificationUriComplete ?? connect.device?.verificationUri ?? connect.url;
  // Only what a browser opens as a page is offered as a link.
  const isPage = /^https?:\/\//.test(address);
  return (
    <div className="flex flex-col items-start gap-3">
      <p>
        <strong>
          <Seen text={connect.host} />
        </strong>{" "}
        is asked for {connect.scopes.length > 0 ? <code className="break-words">{connect.scopes.join(" ")}</code> : "what it gives by default"}.
      </p>
      {connect.status === "pending" && (
        <>
          {connect.device && (
            <p>
              Enter the code <code className="text-item">{connect.device.userCode}</code> there. <Copy text={connect.device.userCode} />
            </p>
          )}
          {isPage && (
            <a href={address} target="_blank" rel="noopener noreferrer" className={buttonClass("main")}>
              Go on at {connect.device ? "its page" : new URL(address).host === location.host ? connect.host : new URL(address).host}
            </a>
          )}
          <p role="status" className="text-wait">
            ◆ waiting until you have agreed
          </p>
        </>
      )}
      {connect.status === "connected" && (
        <>
          <p role="status" className="text-good">
            ● connected
          </p>
          <Button look="main" onClick={onDone}>
            Go on
          </Button>
        </>
      )}
      {(connect.status === "failed" || connect.status === "expired") && (
        <>
          <p role="status" className="text-bad">
            ✕ {connect.status === "expired" ? "Nobody agreed in time." : <Seen text={connect.problem ?? "It came to nothing."} />}
          </p>
          <Button onClick={onAgain}>Try again</Button>
        </>
      )}
    </div>
  );
}
