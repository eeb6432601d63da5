// Tells that somebody is needed: the title, a note in the corner, the system's note where allowed.
import { useQuery } from "@tanstack/react-query";
import { Link, useRouterState } from "@tanstack/react-router";
import { useEffect, useRef } from "react";
import { pendingApprovals, useApi, useSession, waitingCount } from "~/api/queries";
import { read } from "~/lib/store";
import { toast } from "~/ui/toast";

/** More than these at once are told as one. */
const SINGLE_MAX = 3;

export function Notices() {
  const { slug } = useSession();
  const found = useQuery(pendingApprovals(useApi())).data;
  const pending = found?.items;
  const path = useRouterState({ select: (state) => state.location.pathname });
  const known = useRef<Set<string> | null>(null);
  const count = waitingCount(found);
  useEffect(() => {
    const section = path.split("/")[3] ?? "home";
    const name = section.charAt(0).toUpperCase() + section.slice(1);
    document.title = `${count ? `(${count}) ` : ""}${name} · Executor`;
    document.getElementById("icon")?.setAttribute("href", count ? "/assets/icon-waiting.svg" : "/assets/icon.svg");
  }, [count, path]);
  useEffect(() => {
    if (!pending) return;
    const before = known.current;
    known.current = new Set(pending.map((each) => each.id));
    if (!before) return;
    const fresh = pending.filter((each) => !before.has(each.id));
    if (fresh.length === 0) return;
    const inInbox = path.includes("/approvals");
    const said = fresh.length > SINGLE_MAX ? [`${fresh.length} calls wait for a decision`] : fresh.map((each) => `${each.tool} waits for a decision (${each.risk})`);
    for (const [i, text] of said.entries()) {
      if (!inInbox)
        toast(
          <>
            <span className="text-wait">◆</span> {text}{" "}
            <Link to="/w/$slug/approvals/$id" params={{ slug, id: fresh[i]?.id ?? "" }} className="text-accent underline">
              Review
            </Link>
          </>,
        );
      if (read("notify") === "on" && document.visibilityState === "hidden" && "Notification" in window && Notification.permission === "granted")
        new Notification("Executor", { body: text, tag: fresh[i]?.id ?? "many" });
    }
  }, [pending, path, slug]);
  return null;
}
