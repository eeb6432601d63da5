// The step of adding a source that opens it: a token or key that is tried at once, or tokens that
// somebody grants.
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import type { Source } from "~/api/client";
import { useApi } from "~/api/queries";
import { count } from "~/lib/time";
import { Button, Field, Outside } from "~/ui/basics";
import { Problem } from "~/ui/state";
import { OAuthConnect } from "./connect";
import { OAUTH, type Preset } from "./draft";

export function Authenticate({ source, preset, onDone }: { source: Source; preset: Preset | null; onDone: () => void }) {
  const api = useApi();
  const client = useQueryClient();
  const [value, setValue] = useState("");
  const [auth, setAuth] = useState(preset?.auth ?? source.auth[0] ?? "bearer");
  const [scope, setScope] = useState("workspace");
  const isOAuth = auth === OAUTH;
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const [said, setSaid] = useState<{ accepted: boolean | null; message: string } | null>(null);
  const save = async () => {
    setBusy(true);
    setError(null);
    try {
      const credential = await api.post("/api/v1/credentials", { body: { source: source.id, value, auth, scope } as never });
      setValue("");
      void client.invalidateQueries({ queryKey: [api.workspace, "credentials"] });
      const test = await api.post("/api/v1/credentials/{id}/test", { path: { id: credential.id } });
      setSaid({ accepted: test.accepted ?? null, message: test.message });
    } catch (failure) {
      setError(failure);
    } finally {
      setBusy(false);
    }
  };
  const ways = (
    <>
      <p>
        <strong>{source.name}</strong>: {source.kind}, {source.toolCount > 0 ? count(source.toolCount, "tool") : "whose tools are read once it has a credential"}. It lets in callers by {source.auth.join(" or ")}.
      </p>
      {preset && (
        <p>
          {preset.auth === OAUTH ? `${preset.title} grants tokens: you agree at a page of theirs. ` : `${preset.title} gives out tokens and keys to its users. `}
          <Outside to={preset.credentialUrl}>{preset.auth === OAUTH ? "How it is set up there" : "Where to get one"}</Outside>
        </p>
      )}
      <div className="flex flex-wrap gap-4">
        <Field label="How">
          <select className="field" value={auth} onChange={(event) => setAuth(event.target.value)}>
            {[...new Set([...(preset ? [preset.auth] : []), ...source.auth, "bearer", "basic", OAUTH])].map((each) => (
              <option key={each} value={each}>
                {each === OAUTH ? "OAuth" : each}
              </option>
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
      </div>
    </>
  );
  if (isOAuth)
    return (
      <div className="flex max-w-xl flex-col gap-4">
        {ways}
        <OAuthConnect key={scope} source={source.id} scope={scope} onDone={onDone} />
        <Button look="quiet" className="self-start" onClick={onDone}>
          Later
        </Button>
      </div>
    );
  return (
    <form
      className="flex max-w-xl flex-col gap-4"
      onSubmit={(event) => {
        event.preventDefault();
        void save();
      }}
    >
      {ways}
      <Field label={auth === "basic" ? "user:password" : "Token or key"} hint="It is sealed at once and never shown again; no program sees it.">
        <input className="field font-mono" type="password" autoComplete="off" required value={value} onChange={(event) => setValue(event.target.value)} />
      </Field>
      {error !== null && <Problem error={error} />}
      {said && (
        <p role="status" className={said.accepted === false ? "text-bad" : said.accepted ? "text-good" : "text-ink2"}>
          {said.accepted === false ? "✕ " : said.accepted ? "● " : ""}
          {said.message}
        </p>
      )}
      <div className="flex gap-2">
        {said && said.accepted !== false ? (
          <Button look="main" onClick={onDone}>
            Go on
          </Button>
        ) : (
          <Button look="main" type="submit" disabled={busy || value === ""}>
            {busy ? "Trying it…" : "Save and try it"}
          </Button>
        )}
        <Button look="quiet" onClick={onDone}>
          {said ? "Go on anyway" : "Later"}
        </Button>
      </div>
    </form>
  );
}
