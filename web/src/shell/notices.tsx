// Tells that somebody is needed: the title, a note in the corner, the system's note where allowed. What
// comes too fast becomes one note, and in quiet hours only the title and the icon tell.
import { Link, useNavigate, useRouterState } from "@tanstack/react-router";
import { type ReactNode, useEffect, useRef, useState } from "react";
import type { Approval } from "~/api/client";
import { useApi, useNeedsMe, useSession, waitingCount } from "~/api/queries";
import { codeOf, pieces } from "~/lib/hidden";
import { compact } from "~/lib/json";
import { isQuiet, readQuiet } from "~/lib/quiet";
import { read, useStored } from "~/lib/store";
import { toast } from "~/ui/toast";

/** More than these at once are told as one. */
const SINGLE_MAX = 3;
/** More than these within a minute are told as one. */
const MINUTE_MAX = 5;
const MINUTE_MS = 60_000;
/** Characters of arguments in a notice. */
const ARGUMENTS_MAX = 120;
/** How often it is seen whether quiet hours have ended. */
const LOOK_MS = 10_000;

export function Notices() {
  const { slug, me } = useSession();
  const navigate = useNavigate();
  const found = useNeedsMe();
  const pending = found?.items;
  const path = useRouterState({ select: (state) => state.location.pathname });
  const known = useRef<Set<string> | null>(null);
  /** What was not told of yet, because it came in quiet hours. */
  const held = useRef<Set<string>>(new Set());
  /** When single calls were told of. */
  const told = useRef<number[]>([]);
  const quiet = useQuietNow();
  const count = waitingCount(found);
  const api = useApi();
  const pushed = read(`push.${me.workspace.id}`) !== null;
  useEffect(() => {
    // The browser may have been given another address, or the person a new session, meanwhile.
    if (pushed) void import("~/lib/push").then((push) => push.renew(api, me.workspace.id));
  }, [pushed, api, me.workspace.id]);
  useEffect(() => {
    if (pushed && found && !found.more) void import("~/lib/push").then((push) => push.clear(me.workspace.id, new Set(found.items.map((each) => each.id))));
  }, [pushed, found, me.workspace.id]);
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
    if (!before) {
      // A page that is opened in quiet hours does not know what was told before them: when they end, it
      // tells once what waits still.
      if (quiet) held.current = new Set(known.current);
      return;
    }
    const fresh = pending.filter((each) => !before.has(each.id) || held.current.has(each.id));
    const isOver = held.current.size > 0;
    held.current = new Set(quiet ? fresh.map((each) => each.id) : []);
    if (quiet || fresh.length === 0) return;
    const now = Date.now();
    told.current = told.current.filter((at) => now - at < MINUTE_MS);
    const isDigest = fresh.length > (isOver ? 1 : SINGLE_MAX) || told.current.length + fresh.length > MINUTE_MAX;
    told.current.push(...fresh.map(() => now));
    const inInbox = path.includes("/approvals");
    const inbox = `/w/${encodeURIComponent(slug)}/approvals`;
    const tell = (...[isHere, text, key, href, link]: [boolean, string, string, string, ReactNode]) => announce(isHere, !pushed, text, key, () => void navigate({ href }), link);
    if (isDigest) {
      const text = pending.length === 1 ? "1 call waits for a decision" : `${count} calls wait for a decision`;
      tell(inInbox, text, "digest", inbox, <Link to="/w/$slug/approvals" params={{ slug }} className="text-accent underline">Review</Link>);
    } else for (const each of fresh) tell(inInbox, sentence(each), each.id, `${inbox}/${each.id}`, <Link to="/w/$slug/approvals/$id" params={{ slug, id: each.id }} className="text-accent underline">Review</Link>);
  }, [pending, path, slug, quiet, count, navigate, pushed]);
  return null;
}

/** The tool, the client and the risk; arguments only where the person wants them in notices. */
function sentence(of: Approval): string {
  const client = of.client ? ` of ${plain(of.client)}` : "";
  const values = read("notify-arguments") === "on" ? `: ${plain(compact(of.arguments)).slice(0, ARGUMENTS_MAX)}` : "";
  return `${plain(of.tool)}${client} waits for a decision (${of.risk})${values}`;
}

/** A text for where no chips can be drawn: what is hidden in it is written out. */
const plain = (text: string) => pieces(text).map((piece) => (piece.kind === "hidden" ? [...piece.text].map((each) => `[${codeOf(each)}]`).join("") : piece.text)).join("");

/** One note here, and one of the system's where the person wants it, looks elsewhere, and is sent none by the server. */
function announce(inInbox: boolean, alone: boolean, text: string, key: string, open: () => void, link: ReactNode): void {
  if (!inInbox)
    toast(
      <>
        <span className="text-wait">◆</span> {text} {link}
      </>,
      key,
    );
  if (alone && read("notify") === "on" && document.visibilityState === "hidden" && "Notification" in window && Notification.permission === "granted") {
    const note = new Notification("Executor", { body: text, tag: key });
    // It leads to the call; it decides nothing.
    note.onclick = () => {
      window.focus();
      open();
      note.close();
    };
  }
}

/** Whether nothing is told at the moment. */
function useQuietNow(): boolean {
  const [kept] = useStored("quiet");
  const [now, setNow] = useState(() => new Date());
  useEffect(() => {
    setNow(new Date());
    if (kept === null) return;
    const timer = window.setInterval(() => setNow(new Date()), LOOK_MS);
    return () => window.clearInterval(timer);
  }, [kept]);
  return isQuiet(readQuiet(kept), now);
}
