// What people granted to clients that asked for it. A client's name is what it says of itself.
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useRef, useState } from "react";
import type { Schemas } from "~/api/client";
import { useApi, useNames } from "~/api/queries";
import { Ago, Button, Panel, When } from "~/ui/basics";
import { Confirm } from "~/ui/dialog";
import { explain, Loaded } from "~/ui/state";
import { Seen } from "~/ui/text";
import { toast } from "~/ui/toast";

export function Grants() {
  const api = useApi();
  const client = useQueryClient();
  const names = useNames();
  const key = [api.workspace, "grants"];
  const query = useQuery({ queryKey: key, queryFn: async () => (await api.get("/api/v1/grants")).items });
  const [asked, setAsked] = useState<Schemas["Grant"] | null>(null);
  const [busy, setBusy] = useState(false);
  const cancel = useRef<HTMLButtonElement>(null);
  const revoke = async (grant: Schemas["Grant"]) => {
    setBusy(true);
    await api
      .delete("/api/v1/grants/{id}", { path: { id: grant.id } })
      .then(() => toast(`Revoked what ${nameOf(grant)} was granted`))
      .catch((error: unknown) => toast(explain(error).title));
    setBusy(false);
    setAsked(null);
    await client.invalidateQueries({ queryKey: key });
  };
  return (
    <Panel title="Granted to clients">
      <Loaded query={query}>
        {(items) =>
          items.length === 0 ? (
            <p className="p-3 text-ink2">Nothing. A client that signs in with OAuth is listed here, with what it may do.</p>
          ) : (
            <ul>
              {items.map((each) => (
                <li key={each.id} className="flex flex-wrap items-center gap-x-4 gap-y-1 border-b border-line px-3 py-1.5 last:border-0">
                  <span className="min-w-0 flex-1 basis-56">
                    <span className="text-meta text-ink3">calls itself</span>{" "}
                    <strong>
                      <Seen text={nameOf(each)} />
                    </strong>{" "}
                    <span className="text-ink2">
                      for {names(each.member)}
                      {each.clientHost && (
                        <>
                          {" "}
                          at <Seen text={each.clientHost} />
                        </>
                      )}
                    </span>
                    <span className="block text-meta text-ink3">
                      for {each.scopes.join(", ")} over {each.resource} · granted <When at={each.createdAt} /> · ends <When at={each.expiresAt} /> ·{" "}
                      {each.lastUsedAt ? (
                        <>
                          used <Ago at={each.lastUsedAt} />
                        </>
                      ) : (
                        "never used"
                      )}
                    </span>
                  </span>
                  <Button small look="quiet" aria-label={`Revoke what ${nameOf(each)} was granted`} onClick={() => setAsked(each)}>
                    Revoke
                  </Button>
                </li>
              ))}
            </ul>
          )
        }
      </Loaded>
      <Confirm open={asked !== null} onClose={() => setAsked(null)} onYes={() => asked && void revoke(asked)} busy={busy} cancelRef={cancel} verb="Revoke it" title={<>Revoke what <Seen text={asked ? nameOf(asked) : ""} /> was granted?</>}>
        <p>Its tokens are refused from the next request on, and tasks that came with them make no more calls. It can ask its person again.</p>
      </Confirm>
    </Panel>
  );
}

/** What a client calls itself, else its identifier. */
const nameOf = (grant: Schemas["Grant"]): string => grant.clientName || grant.clientId;
