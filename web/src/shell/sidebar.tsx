// The sidebar, and on a narrow page the bar on top with its menu.
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { signOut } from "~/api/client";
import { addressOf, sessions, useApi, useNeeds, useNeedsMe, useSession, waitingCount } from "~/api/queries";
import { useStored } from "~/lib/store";
import { useLiveState } from "~/live/context";
import { cx, Kbd } from "~/ui/basics";

/** Name, address and the key that leads there after G. */
const GROUPS: [string, string, string?][][] = [
  [["Home", "", "H"], ["Approvals", "approvals", "A"], ["Tasks", "tasks", "T"], ["Run", "run", "R"]],
  [["Tools", "tools", "L"], ["Sources", "sources", "S"], ["Credentials", "credentials"], ["Policies", "policies", "P"]],
  [["Clients", "clients", "C"], ["Audit", "audit"], ["Settings", "settings"]],
];

type Props = { hidden: boolean; menuOpen: boolean; onMenu: () => void; onSearch: () => void; onHelp: () => void };

export function Sidebar({ hidden, menuOpen, onMenu, onSearch, onHelp }: Props) {
  const { slug, me } = useSession();
  const needs = useNeeds("admin");
  const waiting = waitingCount(useNeedsMe());
  return (
    <header className={cx("shrink-0 border-line bg-surface md:flex md:w-52 md:flex-col md:border-r", hidden && "md:hidden")}>
      <div className="flex h-12 items-center gap-2 border-b border-line px-3 md:border-0">
        <Link to="/w/$slug" params={{ slug }} className="flex items-center gap-2 text-item font-semibold">
          <Mark />
          Executor
        </Link>
        {waiting && (
          <Link to="/w/$slug/approvals" params={{ slug }} className="ml-auto px-2 py-2 text-wait md:hidden">
            ◆ {waiting} waiting
          </Link>
        )}
        <button type="button" aria-expanded={menuOpen} aria-controls="nav" onClick={onMenu} className={cx("h-9 rounded-md border border-control px-3 md:hidden", !waiting && "ml-auto")}>
          Menu
        </button>
      </div>
      <div id="nav" className={cx("min-h-0 flex-1 flex-col gap-1 overflow-auto p-2 md:flex", menuOpen ? "flex max-h-[80vh] border-b border-line" : "hidden")}>
        <Workspaces />
        <button type="button" onClick={onSearch} className="mb-1 flex h-8 items-center rounded-md border border-line px-2 text-ink2 hover:bg-sunken">
          Search
          <span className="ml-auto hidden md:inline">
            <Kbd>Ctrl K</Kbd>
          </span>
        </button>
        <nav aria-label="Pages" className="flex flex-col gap-3">
          {GROUPS.map((group, i) => (
            <ul key={i} className="flex flex-col gap-px">
              {group.map(([name, to, key]) => (
                <li key={name}>
                  {to === "audit" && needs ? (
                    <span title={needs} className="flex h-10 items-center px-2 text-ink3 md:h-8">
                      {name}
                      <span className="ml-auto text-meta">{needs.toLowerCase()}</span>
                    </span>
                  ) : (
                    <Link
                      title={key && `G, then ${key}`}
                      to={to === "" ? "/w/$slug" : (`/w/$slug/${to}` as "/w/$slug/tasks")}
                      params={{ slug }}
                      activeOptions={{ exact: to === "" }}
                      className="flex h-10 items-center rounded-md px-2 hover:bg-sunken md:h-8"
                      activeProps={{ className: "bg-select font-semibold" }}
                      inactiveProps={{ className: "text-ink2" }}
                    >
                      {name}
                      {name === "Approvals" && waiting && (
                        <span className="ml-auto font-semibold text-wait" aria-label={`${waiting} waiting`}>
                          ◆ {waiting}
                        </span>
                      )}
                    </Link>
                  )}
                </li>
              ))}
            </ul>
          ))}
        </nav>
        <div className="mt-auto flex flex-col gap-1 border-t border-line pt-2 text-ink2">
          <LiveLight />
          <div className="flex items-center gap-1 px-2">
            <span className="truncate" title={`${me.name}, ${me.role}`}>
              {me.name}
            </span>
            <span className="text-meta text-ink3">{me.role.replaceAll("_", " ")}</span>
          </div>
          <div className="flex flex-wrap gap-1">
            <SignOut />
            <ThemeSwitch />
            <button type="button" onClick={onHelp} className="h-7 rounded-md px-2 hover:bg-sunken">
              Keys <Kbd>?</Kbd>
            </button>
          </div>
        </div>
      </div>
    </header>
  );
}

export function Mark() {
  return (
    <svg width="18" height="18" viewBox="0 0 18 18" aria-hidden className="text-accent">
      <rect x="1" y="1" width="16" height="16" rx="3" fill="none" stroke="currentColor" strokeWidth="2" />
      <path d="M5 9h4m0 0V5m0 4v4" stroke="currentColor" strokeWidth="2" fill="none" />
      <circle cx="13" cy="9" r="1.6" fill="currentColor" />
    </svg>
  );
}

function Workspaces() {
  const { workspaces, slug } = useSession();
  const navigate = useNavigate();
  const current = workspaces.find((w) => addressOf(w, workspaces) === slug) ?? workspaces.find((w) => w.slug === slug || w.id === slug);
  if (workspaces.length < 2) return <p className="truncate px-2 py-1 text-ink2">{current?.name ?? slug}</p>;
  return (
    <select
      aria-label="Workspace"
      className="field mb-1"
      value={current ? addressOf(current, workspaces) : slug}
      onChange={(event) => void navigate({ to: "/w/$slug", params: { slug: event.target.value } })}
    >
      {workspaces.map((w) => (
        <option key={w.id} value={addressOf(w, workspaces)}>
          {new Set(workspaces.map((each) => each.organizationId)).size > 1 ? `${w.organization} / ${w.name}` : w.name}
        </option>
      ))}
    </select>
  );
}

/** Where there is a session to end. */
function SignOut() {
  const all = useQuery(sessions(useApi())).data;
  if (!all?.some((each) => each.current)) return null;
  return (
    <button type="button" className="h-7 rounded-md px-2 hover:bg-sunken" onClick={() => void signOut()}>
      Sign out
    </button>
  );
}

function LiveLight() {
  const { status } = useLiveState();
  const [shape, word] =
    status === "live" ? ["●", "live"] : status === "broken" ? ["○", "reconnecting"] : ["○", "connecting"];
  return (
    <p role="status" className="px-2 text-meta">
      <span aria-hidden className={status === "live" ? "text-good" : "text-ink3"}>
        {shape}
      </span>{" "}
      {word}
    </p>
  );
}

export function applyTheme(choice: string | null): void {
  const dark = choice ? choice === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.theme = dark ? "dark" : "light";
}

function ThemeSwitch() {
  const [theme, setTheme] = useStored("theme");
  const next = theme === null ? "light" : theme === "light" ? "dark" : null;
  return (
    <button
      type="button"
      className="h-7 rounded-md px-2 hover:bg-sunken"
      title={`Switch to ${next ?? "the system's theme"}`}
      onClick={() => {
        setTheme(next);
        applyTheme(next);
      }}
    >
      Theme: {theme ?? "system"}
    </button>
  );
}
