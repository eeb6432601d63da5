// Addresses without a workspace: find the one that is meant, and go there.
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useParams } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import { apiOf } from "~/api/client";
import { addressOf, entry } from "~/api/queries";
import { read } from "~/lib/store";
import { Skeleton } from "~/ui/basics";
import { Problem } from "~/ui/state";
import { isSignedOut, SignedOut } from "./fallbacks";

export function Entry() {
  const query = useQuery(entry());
  // As it was at first: the address is another as soon as the way to the workspace has begun.
  const [page] = useState(() => location.pathname.slice(1));
  const known = query.data?.workspaces ?? [];
  const last = known.find((w) => addressOf(w, known) === read("workspace"));
  const slug = last ? addressOf(last, known) : query.data && addressOf(query.data.me.workspace, known);
  const fresh = useQuery({
    queryKey: ["fresh", slug],
    enabled: slug !== undefined && page === "",
    queryFn: async () => {
      const api = apiOf(slug ?? null);
      const [sources, tasks] = await Promise.all([
        api.get("/api/v1/sources"),
        api.get("/api/v1/tasks", { query: { limit: 1 } }),
      ]);
      return sources.items.length === 0 && tasks.items.length === 0;
    },
  });
  if (query.error) return isSignedOut(query.error) ? <SignedOut /> : <Failed error={query.error} retry={() => void query.refetch()} />;
  if (slug === undefined) return <Skeleton />;
  if (page !== "") return <Go to={`/w/${encodeURIComponent(slug)}/${page === "home" ? "" : page}`} />;
  if (fresh.isPending) return <Skeleton />;
  if (fresh.data) return <Go to="/welcome" />;
  return <Go to={`/w/${encodeURIComponent(slug)}`} />;
}

/** A link to one thing that does not name its workspace: the thing does. */
export function Forward({ to }: { to: "approvals" | "tasks" }) {
  const { id } = useParams({ strict: false }) as { id: string };
  const [search] = useState(() => location.search);
  const query = useQuery({
    queryKey: ["forward", to, id],
    queryFn: async () => {
      const api = apiOf(null);
      // Whoever may answer an approval need not see its task.
      const thing = to === "tasks" ? api.get("/api/v1/tasks/{id}", { path: { id } }) : api.get("/api/v1/approvals/{id}", { path: { id } });
      const [{ workspaceId }, workspaces] = await Promise.all([thing, api.get("/api/v1/workspaces")]);
      const found = workspaces.items.find((w) => w.id === workspaceId);
      return found ? addressOf(found, workspaces.items) : workspaceId;
    },
  });
  if (query.error) return isSignedOut(query.error) ? <SignedOut /> : <Failed error={query.error} retry={() => void query.refetch()} />;
  if (query.data === undefined) return <Skeleton />;
  return <Go to={`/w/${encodeURIComponent(query.data)}/${to}/${encodeURIComponent(id)}${search}`} />;
}

/** Goes there once, however often what stands around it is drawn meanwhile. */
function Go({ to }: { to: string }) {
  const navigate = useNavigate();
  useEffect(() => void navigate({ href: to, replace: true }), [navigate, to]);
  return <Skeleton />;
}

function Failed({ error, retry }: { error: unknown; retry: () => void }) {
  return (
    <main className="mx-auto flex max-w-xl flex-col items-start gap-3 p-6">
      <h1 className="text-page">Executor</h1>
      <Problem error={error} retry={retry} />
      <a href="/">Go to the start</a>
    </main>
  );
}
