// Search and go: pages, tools, what waits, one thing by its identifier.
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useDeferredValue, useEffect, useRef, useState } from "react";
import { addressOf, pendingApprovals, toolSearch, useApi, useSession } from "~/api/queries";
import { useStored } from "~/lib/store";
import { cx } from "~/ui/basics";
import { Dialog } from "~/ui/dialog";
import { applyTheme } from "./sidebar";

type Item = { name: string; kind: string; go: () => void };

const PAGES: [string, string][] = [
  ["Home", ""], ["Approvals", "/approvals"], ["Tasks", "/tasks"], ["Run a program", "/run"], ["Tools", "/tools"],
  ["Sources", "/sources"], ["Add a source", "/sources/new"], ["Credentials", "/credentials"], ["Policies", "/policies"],
  ["Test a policy", "/policies/test"], ["History of policies", "/policies/history"], ["Connect a client", "/clients"],
  ["Audit", "/audit"], ["Settings of the workspace", "/settings/workspace"], ["Members", "/settings/members"], ["Organization", "/settings/organization"],
  ["API keys", "/settings/keys"], ["Notifications", "/settings/notifications"], ["Appearance and keys", "/settings/browser"], ["Storage", "/settings/storage"],
];

export function Palette({ open, onClose }: { open: boolean; onClose: () => void }) {
  const input = useRef<HTMLInputElement>(null);
  return (
    <Dialog open={open} onClose={onClose} title="Search and go" initialFocus={input}>
      {open && <Search input={input} onClose={onClose} />}
    </Dialog>
  );
}

function Search({ input, onClose }: { input: React.RefObject<HTMLInputElement | null>; onClose: () => void }) {
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);
  const items = useItems(useDeferredValue(text.trim()), onClose);
  const list = useRef<HTMLUListElement>(null);
  const chosen = Math.min(at, items.length - 1);
  useEffect(() => {
    list.current?.children[chosen]?.scrollIntoView({ block: "nearest" });
  }, [chosen]);
  const onKeyDown = (event: React.KeyboardEvent) => {
    if (event.key === "ArrowDown") setAt(Math.min(chosen + 1, items.length - 1));
    else if (event.key === "ArrowUp") setAt(Math.max(chosen - 1, 0));
    else if (event.key === "Enter") items[chosen]?.go();
    else return;
    event.preventDefault();
  };
  return (
    <>
      <input
        ref={input}
        role="combobox"
        aria-expanded
        aria-controls="palette-list"
        aria-activedescendant={items[chosen] ? `palette-${chosen}` : undefined}
        aria-label="Search pages, tools and what waits"
        className="field mb-3 w-full"
        placeholder="A page, a tool, an identifier"
        value={text}
        onChange={(event) => {
          setText(event.target.value);
          setAt(0);
        }}
        onKeyDown={onKeyDown}
      />
      <ul id="palette-list" role="listbox" aria-label="Found" ref={list} className="max-h-[46vh] overflow-auto">
        {items.map((item, i) => (
          <li
            key={`${item.kind}:${item.name}`}
            id={`palette-${i}`}
            role="option"
            aria-selected={i === chosen}
            onClick={item.go}
            className={cx("flex min-h-8 items-center gap-3 rounded-md px-2", i === chosen && "bg-select")}
          >
            <span className="min-w-0 truncate">{item.name}</span>
            <span className="ml-auto text-meta text-ink3">{item.kind}</span>
          </li>
        ))}
      </ul>
      {items.length === 0 && <p className="text-ink2">Nothing is called so.</p>}
    </>
  );
}

function useItems(text: string, onClose: () => void): Item[] {
  const { slug, workspaces } = useSession();
  const api = useApi();
  const navigate = useNavigate();
  const [, setTheme] = useStored("theme");
  const found = useQuery({ ...toolSearch(api, text, 8), enabled: text.length > 1 });
  const pending = useQuery(pendingApprovals(api));
  const base = `/w/${encodeURIComponent(slug)}`;
  const to = (href: string) => () => {
    onClose();
    void navigate({ href });
  };
  const theme = (name: string | null) => () => {
    onClose();
    setTheme(name);
    applyTheme(name);
  };
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const fits = (name: string) => words.every((word) => name.toLowerCase().includes(word));
  const things: Item[] = [];
  if (/^task_\w+$/.test(text)) things.push({ name: text, kind: "task", go: to(`${base}/tasks/${text}`) });
  if (/^appr_\w+$/.test(text)) things.push({ name: text, kind: "approval", go: to(`${base}/approvals/${text}`) });
  if (/^src_\w+$/.test(text)) things.push({ name: text, kind: "source", go: to(`${base}/sources/${text}`) });
  const pages: Item[] = [
    ...PAGES.map(([name, path]) => ({ name, kind: "page", go: to(base + path) })),
    ...workspaces.filter((w) => addressOf(w, workspaces) !== slug).map((w) => ({ name: `Switch to ${w.name}`, kind: "workspace", go: to(`/w/${encodeURIComponent(addressOf(w, workspaces))}`) })),
    { name: "Dark theme", kind: "look", go: theme("dark") },
    { name: "Light theme", kind: "look", go: theme("light") },
    { name: "Theme of the system", kind: "look", go: theme(null) },
  ].filter((item) => fits(item.name));
  const waiting = (pending.data?.items ?? [])
    .filter((each) => fits(each.tool))
    .slice(0, 5)
    .map((each) => ({ name: `${each.tool} · ${each.id.slice(-6)}`, kind: "waits", go: to(`${base}/approvals/${each.id}`) }));
  const tools = (text.length > 1 ? (found.data?.results ?? []) : []).map((hit) => ({
    name: hit.path,
    kind: "tool",
    go: to(`${base}/tools/${encodeURIComponent(hit.path)}`),
  }));
  return [...things, ...waiting, ...pages, ...tools];
}
