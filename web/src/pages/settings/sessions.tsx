// The browsers that the person is signed in with.
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { signOut } from "~/api/client";
import { sessions as allSessions, useApi } from "~/api/queries";
import { count } from "~/lib/time";
import { Ago, Button, Panel, When } from "~/ui/basics";
import { explain, Loaded } from "~/ui/state";
import { Seen } from "~/ui/text";
import { toast } from "~/ui/toast";

export function Sessions() {
  const api = useApi();
  const client = useQueryClient();
  const query = useQuery(allSessions(api));
  const act = async (what: () => Promise<unknown>) => {
    await what().catch((error: unknown) => toast(explain(error).title));
    await client.invalidateQueries({ queryKey: allSessions(api).queryKey });
  };
  const others = (query.data ?? []).filter((each) => !each.current).length;
  return (
    <Panel
      title="Where you are signed in"
      actions={
        others > 0 && (
          <Button small onClick={() => void act(async () => toast(`Ended ${count((await api.delete("/api/v1/sessions")).ended, "session")}`))}>
            End all others
          </Button>
        )
      }
    >
      <Loaded query={query}>
        {(items) =>
          items.length === 0 ? (
            <p className="p-3 text-ink2">Nowhere by a session: the system says that you run this server.</p>
          ) : (
            <ul>
              {items.map((each) => (
                <li key={each.id} className="flex flex-wrap items-center gap-x-4 gap-y-1 border-b border-line px-3 py-1.5 last:border-0">
                  <span className="min-w-0 flex-1 basis-56">
                    <span className="block truncate">
                      <Seen text={each.userAgent || "an unnamed browser"} /> {each.current && <span className="text-ink3">(this one)</span>}
                    </span>
                    <span className="block text-meta text-ink3">
                      <code>{each.address}</code> · by {each.via} · begun <When at={each.createdAt} /> · used <Ago at={each.lastUsedAt} /> · ends <When at={each.expiresAt} />
                    </span>
                  </span>
                  {each.current ? (
                    <Button small onClick={() => void signOut()}>
                      Sign out
                    </Button>
                  ) : (
                    <Button small look="quiet" aria-label={`End the session from ${each.address}`} onClick={() => void act(() => api.delete("/api/v1/sessions/{id}", { path: { id: each.id } }))}>
                      End
                    </Button>
                  )}
                </li>
              ))}
            </ul>
          )
        }
      </Loaded>
    </Panel>
  );
}
