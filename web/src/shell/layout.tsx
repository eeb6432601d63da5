// What stands around every page of a workspace: sidebar, stream, keys, palette, notes.
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Outlet, useNavigate, useParams, useRouterState } from "@tanstack/react-router";
import { useEffect, useMemo, useRef, useState } from "react";
import { apiOf } from "~/api/client";
import { entry, me, SessionContext } from "~/api/queries";
import { useKeys } from "~/lib/keys";
import { useStored, write } from "~/lib/store";
import { LiveContext } from "~/live/context";
import { Live } from "~/live/stream";
import { Skeleton } from "~/ui/basics";
import { Problem, SEARCH } from "~/ui/state";
import { Toasts } from "~/ui/toast";
import { Connection } from "./connection";
import { isSignedOut, NotFound, SignedOut, SignedOutOver } from "./fallbacks";
import { Help } from "./help";
import { Notices } from "./notices";
import { Palette } from "./palette";
import { Sidebar } from "./sidebar";
import { Spoken } from "./spoken";

export function Layout() {
  const { slug } = useParams({ strict: false }) as { slug: string };
  const client = useQueryClient();
  const api = useMemo(() => apiOf(slug), [slug]);
  const known = useQuery(entry());
  const self = useQuery(me(api));
  const [live, setLive] = useState<Live | null>(null);
  const isReady = self.data !== undefined;
  const lastEvent = useRef(0);
  lastEvent.current = self.data?.lastEvent ?? 0;
  useEffect(() => {
    if (!isReady) return;
    write("workspace", slug);
    const opened = new Live(slug, client, lastEvent.current);
    setLive(opened);
    return () => opened.close();
  }, [slug, client, isReady]);
  const error = known.error ?? self.error;
  if (error && !self.data) {
    if (isSignedOut(error)) return <SignedOut />;
    const isMissing = "status" in error && (error.status === 404 || error.status === 403);
    return isMissing ? <NotFound /> : <main className="mx-auto max-w-xl p-6"><Problem error={error} retry={() => void self.refetch()} /></main>;
  }
  // Pages read when the stream is there: what changes after their reading reaches them.
  if (!known.data || !self.data || !live) return <Skeleton />;
  return (
    <SessionContext value={{ me: self.data, workspaces: known.data.workspaces, slug, api }}>
      <LiveContext value={live}>
        <Frame slug={slug} />
        {error && isSignedOut(error) && <SignedOutOver />}
      </LiveContext>
    </SessionContext>
  );
}

const GO: [string, string, string][] = [
  ["g h", "Home", ""],
  ["g a", "Approvals", "/approvals"],
  ["g t", "Tasks", "/tasks"],
  ["g r", "Run", "/run"],
  ["g l", "Tools", "/tools"],
  ["g s", "Sources", "/sources"],
  ["g p", "Policies", "/policies"],
  ["g c", "Clients", "/clients"],
];

function Frame({ slug }: { slug: string }) {
  const navigate = useNavigate();
  const path = useRouterState({ select: (state) => state.location.pathname });
  const [open, setOpen] = useState<"palette" | "help" | "menu" | null>(null);
  const [sidebar, setSidebar] = useStored("sidebar");
  const isHidden = sidebar === "hidden";
  useEffect(() => setOpen(null), [path]);
  useEffect(() => {
    const search = () => setOpen("palette");
    window.addEventListener(SEARCH, search);
    return () => window.removeEventListener(SEARCH, search);
  }, []);
  useKeys("Everywhere", [
    { keys: "mod+k", label: "Search and go", everywhere: true, run: () => setOpen((now) => (now === "palette" ? null : "palette")) },
    { keys: "?", label: "Show the keys", run: () => setOpen("help") },
    { keys: "/", label: "Search this page", run: () => document.querySelector<HTMLInputElement>("main input[type=search]")?.focus() },
    { keys: "[", label: "Show or hide the sidebar", run: () => setSidebar(isHidden ? null : "hidden") },
    ...GO.map(([keys, name, to]) => ({
      keys,
      label: `Go to ${name}`,
      run: () => void navigate({ href: `/w/${encodeURIComponent(slug)}${to}` }),
    })),
  ]);
  return (
    <div className="flex h-full flex-col md:flex-row">
      <a href="#main" className="absolute -top-20 left-2 z-50 rounded-md border border-control bg-raised px-3 py-2 focus:top-2">
        Skip to the page
      </a>
      <Sidebar
        hidden={isHidden}
        menuOpen={open === "menu"}
        onMenu={() => setOpen(open === "menu" ? null : "menu")}
        onSearch={() => setOpen("palette")}
        onHelp={() => setOpen("help")}
      />
      <div className="flex min-h-0 min-w-0 flex-1 flex-col">
        <Connection />
        <main id="main" tabIndex={-1} className="min-h-0 flex-1 overflow-auto outline-none">
          <Outlet />
        </main>
      </div>
      <Notices />
      <Spoken />
      <Palette open={open === "palette"} onClose={() => setOpen(null)} />
      <Help open={open === "help"} onClose={() => setOpen(null)} />
      <Toasts />
    </div>
  );
}
