// What pages read, each under one key, so that an event knows what it makes stale.
import { queryOptions, useQuery } from "@tanstack/react-query";
import { createContext, useContext, useMemo } from "react";
import { type Api, type Approval, apiOf, type Me, type Workspace } from "./client";

export type Session = { me: Me; workspaces: Workspace[]; slug: string; api: Api };

export type Approvals = { items: Approval[]; more: boolean };

export const SessionContext = createContext<Session | null>(null);

export function useSession(): Session {
  const session = useContext(SessionContext);
  if (!session) throw new Error("no session is above this component");
  return session;
}

export const useApi = (): Api => useSession().api;

/** The address of a workspace: its short name, where no other that the person reaches has the same. */
export function addressOf(workspace: Workspace, all: Workspace[]): string {
  return all.some((other) => other.slug === workspace.slug && other.id !== workspace.id) ? workspace.id : workspace.slug;
}

const RANKS = ["member", "billing_admin", "admin", "owner"];

/** Whether the person has at least this role. What the server says counts; this is for showing. */
export function useMay(role: "member" | "admin" | "owner"): boolean {
  return RANKS.indexOf(useSession().me.role) >= RANKS.indexOf(role);
}

/** Why a control is disabled, or undefined where it is not. */
export function useNeeds(role: "admin" | "owner"): string | undefined {
  return useMay(role) ? undefined : `Needs the role ${role}`;
}

/** What stood there before stays while the next is read, unless it is another workspace's. */
const ownBefore =
  (api: Api) =>
  <T>(before: T | undefined, query?: { queryKey: readonly unknown[] }): T | undefined =>
    query?.queryKey[0] === api.workspace ? before : undefined;

export const entry = () =>
  queryOptions({
    queryKey: ["entry"],
    queryFn: async () => {
      const api = apiOf(null);
      const [me, workspaces] = await Promise.all([api.get("/api/v1/me"), api.get("/api/v1/workspaces")]);
      return { me, workspaces: workspaces.items };
    },
    staleTime: 60_000,
  });

export const me = (api: Api) =>
  queryOptions({ queryKey: [api.workspace, "me"], queryFn: () => api.get("/api/v1/me"), staleTime: 60_000 });

/** Approvals that one request reads. */
const PAGE = 200;

/** The first pages of approvals, and whether there are more. */
async function approvalPages(api: Api, query: { status?: string; order?: string; assignee?: string }, pages: number): Promise<Approvals> {
  const items: Approval[] = [];
  let cursor: string | undefined;
  for (let n = 0; n < pages; n++) {
    const page = await api.get("/api/v1/approvals", { query: { ...query, limit: PAGE, cursor } as never });
    items.push(...page.items);
    cursor = page.nextCursor ?? undefined;
    if (cursor === undefined) break;
  }
  return { items, more: cursor !== undefined };
}

/** What waits, the soonest to expire first. */
export const pendingApprovals = (api: Api, pages = 1) =>
  queryOptions({
    queryKey: [api.workspace, "approvals", "pending", pages],
    queryFn: () => approvalPages(api, { status: "pending", order: "soonest" }, pages),
    placeholderData: ownBefore(api),
  });

/** What waits and is assigned to the person, the soonest to expire first. */
export const assignedApprovals = (api: Api, pages: number) =>
  queryOptions({
    queryKey: [api.workspace, "approvals", "assigned", pages],
    queryFn: () => approvalPages(api, { status: "pending", order: "soonest", assignee: "me" }, pages),
    placeholderData: ownBefore(api),
  });

/**
 * Why the person may not answer an approval; undefined where they may. What they answered before is a
 * reason too: another person is needed then.
 */
export function whyNotTheirs(approval: Approval, me: Me, isAdmin: boolean): string | undefined {
  const isOwn = approval.requestedBy === me.accountId;
  if (approval.question === "input") return isOwn ? undefined : "Only the person who runs the task is asked";
  if (!isAdmin && !approval.approvers?.includes(me.accountId)) return "Needs the role admin, or a rule that names you";
  if (isOwn && !approval.requesterMay) return "Whoever runs the task may not answer this one; another person must";
  return approval.answers.some((yes) => yes.by === me.accountId) ? "You said yes already; another person must too" : undefined;
}

/** What waits for this very person: of what they see, what they may answer. */
export function useNeedsMe(): Approvals | undefined {
  const { me, api } = useSession();
  const isAdmin = useMay("admin");
  const found = useQuery(pendingApprovals(api)).data;
  return useMemo(() => found && { ...found, items: found.items.filter((each) => !whyNotTheirs(each, me, isAdmin)) }, [found, me, isAdmin]);
}

/** How many wait, as far as one page tells. */
export function waitingCount(found: Approvals | undefined): string {
  if (!found || found.items.length === 0) return "";
  return `${found.items.length}${found.more ? "+" : ""}`;
}

/** What is not pending any more, by each of the statuses, the newest first. */
export const endedApprovals = (api: Api, statuses: readonly string[], pages: number) =>
  queryOptions({
    queryKey: [api.workspace, "approvals", ...statuses, pages],
    queryFn: async (): Promise<Approvals> => {
      const all = await Promise.all(statuses.map((status) => approvalPages(api, { status }, pages)));
      // Beyond the end of a list that has more, the others would show a gap.
      const from = all.filter((each) => each.more).map((each) => each.items.at(-1)?.createdAt ?? "");
      const oldest = from.sort().at(-1) ?? "";
      const items = all.flatMap((each) => each.items).filter((each) => each.createdAt >= oldest);
      return { items: items.sort((a, b) => b.createdAt.localeCompare(a.createdAt)), more: all.some((each) => each.more) };
    },
    placeholderData: ownBefore(api),
  });

export const approval = (api: Api, id: string) =>
  queryOptions({
    queryKey: [api.workspace, "approval", id],
    queryFn: () => api.get("/api/v1/approvals/{id}", { path: { id } }),
  });

export const task = (api: Api, id: string) =>
  queryOptions({
    queryKey: [api.workspace, "task", id],
    queryFn: () => api.get("/api/v1/tasks/{id}", { path: { id } }),
  });

export const calls = (api: Api, id: string) =>
  queryOptions({
    queryKey: [api.workspace, "calls", id],
    queryFn: async () => (await api.get("/api/v1/tasks/{id}/calls", { path: { id } })).items,
    placeholderData: ownBefore(api),
  });

export const call = (api: Api, id: string, sequence: number) =>
  queryOptions({
    queryKey: [api.workspace, "calls", id, sequence],
    queryFn: () => api.get("/api/v1/tasks/{id}/calls/{sequence}", { path: { id, sequence } }),
  });

export const explanation = (api: Api, id: string, sequence: number) =>
  queryOptions({
    queryKey: [api.workspace, "explain", id, sequence],
    queryFn: () => api.get("/api/v1/tasks/{id}/calls/{sequence}/explain", { path: { id, sequence } }),
    staleTime: Number.POSITIVE_INFINITY,
  });

export const sources = (api: Api) =>
  queryOptions({
    queryKey: [api.workspace, "sources"],
    queryFn: async () => (await api.get("/api/v1/sources")).items,
  });

export const credentials = (api: Api) =>
  queryOptions({
    queryKey: [api.workspace, "credentials"],
    queryFn: async () => (await api.get("/api/v1/credentials")).items,
  });

/** Whose credentials a source looks at, in which order. */
export const credentialOrder = (api: Api, source: string) =>
  queryOptions({
    queryKey: [api.workspace, "credentials", "order", source],
    queryFn: async () => (await api.get("/api/v1/sources/{id}/credential-order", { path: { id: source } })).order,
  });

/** Whether tools count that policy denies: for administrators. */
export type Denied = "too" | "only" | undefined;

export const namespaces = (api: Api, denied?: Denied) =>
  queryOptions({
    queryKey: [api.workspace, "tools", "namespaces", denied],
    queryFn: async () => (await api.get("/api/v1/tools/namespaces", { query: { denied } as never })).namespaces,
  });

/** All tools of one namespace, read page by page. */
export const toolsOf = (api: Api, namespace: string, denied?: Denied) =>
  queryOptions({
    queryKey: [api.workspace, "tools", "of", namespace, denied],
    queryFn: async () => {
      const first = await api.get("/api/v1/tools", { query: { namespace, limit: 200, offset: 0, denied } as never });
      const offsets = [];
      for (let at = 200; at < first.total; at += 200) offsets.push(at);
      const rest = await Promise.all(
        offsets.map((offset) => api.get("/api/v1/tools", { query: { namespace, limit: 200, offset, denied } as never })),
      );
      return [first, ...rest].flatMap((page) => page.results);
    },
    staleTime: 30_000,
  });

/** The same search among denied tools too; `limit` at most 200. */
export const toolSearchDenied = (api: Api, query: string, limit = 50) =>
  queryOptions({
    queryKey: [api.workspace, "tools", "search-denied", query, limit],
    queryFn: ({ signal }) => api.get("/api/v1/tools", { query: { query, limit, denied: "too" } as never, signal }),
    placeholderData: ownBefore(api),
    staleTime: 30_000,
  });

export const toolSearch = (api: Api, query: string, limit = 50) =>
  queryOptions({
    queryKey: [api.workspace, "tools", "search", query, limit],
    queryFn: ({ signal }) => api.get("/api/v1/tools/search", { query: { query, limit }, signal }),
    placeholderData: ownBefore(api),
    staleTime: 30_000,
  });

export const tool = (api: Api, path: string, denied?: Denied) =>
  queryOptions({
    queryKey: [api.workspace, "tools", "one", path, denied],
    queryFn: () => api.get("/api/v1/tools/describe", { query: { path, denied } as never }),
    staleTime: 30_000,
  });

/** Asked again once in a while, and not at each call: thousands may be counted. */
export const toolUsage = (api: Api, path: string) =>
  queryOptions({
    queryKey: [api.workspace, "tool-usage", path],
    queryFn: () => api.get("/api/v1/tools/usage", { query: { path } }),
    refetchInterval: 10_000,
  });

export const policy = (api: Api) =>
  queryOptions({ queryKey: [api.workspace, "policy", "rules"], queryFn: () => api.get("/api/v1/policies") });

export const ruleUsage = (api: Api) =>
  queryOptions({ queryKey: [api.workspace, "policy", "usage"], queryFn: () => api.get("/api/v1/policies/usage"), staleTime: 30_000 });

export const policySets = (api: Api) =>
  queryOptions({ queryKey: [api.workspace, "policy", "sets"], queryFn: async () => (await api.get("/api/v1/policies/sets")).items });

export const policySet = (api: Api, id: string) =>
  queryOptions({ queryKey: [api.workspace, "policy", "set", id], queryFn: () => api.get("/api/v1/policies/sets/{id}", { path: { id } }) });

export const clients = (api: Api) =>
  queryOptions({
    queryKey: [api.workspace, "head", "clients"],
    queryFn: async () => (await api.get("/api/v1/clients")).items,
  });

/** What clients call themselves, to choose from: not read again at each event. */
export const clientNames = (api: Api) =>
  queryOptions({
    queryKey: [api.workspace, "client-names"],
    queryFn: async () => [...new Set((await api.get("/api/v1/clients")).items.map((each) => each.client))].filter(Boolean).sort(),
    staleTime: 60_000,
    retry: false,
  });

export const storage = (api: Api) =>
  queryOptions({ queryKey: [api.workspace, "storage"], queryFn: () => api.get("/api/v1/storage") });

export const policyVersions = (api: Api) =>
  queryOptions({
    queryKey: [api.workspace, "policy", "versions"],
    queryFn: async () => (await api.get("/api/v1/policies/versions", { query: { limit: 100 } })).items,
  });

export const members = (api: Api) =>
  queryOptions({
    queryKey: [api.workspace, "members"],
    queryFn: async () => (await api.get("/api/v1/members")).items,
    staleTime: 60_000,
    retry: false,
  });

export const keys = (api: Api) =>
  queryOptions({
    queryKey: [api.workspace, "keys"],
    queryFn: async () => (await api.get("/api/v1/keys")).items,
  });

/** The browsers that the person is signed in with; none for the owner of the machine and for keys. */
export const sessions = (api: Api) =>
  queryOptions({
    queryKey: ["sessions"],
    queryFn: async () => (await api.get("/api/v1/sessions")).items,
    staleTime: 60_000,
    retry: false,
  });

export const settings = (api: Api) =>
  queryOptions({ queryKey: [api.workspace, "settings"], queryFn: () => api.get("/api/v1/workspace/settings") });

export const webhooks = (api: Api) =>
  queryOptions({
    queryKey: [api.workspace, "webhooks"],
    queryFn: async () => (await api.get("/api/v1/webhooks")).items,
  });

/** The person's own browsers that are told of approvals while they are closed. */
export const browsers = (api: Api) =>
  queryOptions({
    queryKey: [api.workspace, "browsers"],
    queryFn: async () => (await api.get("/api/v1/push/subscriptions")).items,
  });

export const health = (api: Api) =>
  queryOptions({ queryKey: [api.workspace, "health"], queryFn: () => api.get("/api/v1/health"), staleTime: 30_000 });

export const example = (api: Api) =>
  queryOptions({
    queryKey: [api.workspace, "example"],
    queryFn: () => api.get("/api/v1/example"),
    staleTime: Number.POSITIVE_INFINITY,
  });

export const check = (api: Api, code: string) =>
  queryOptions({
    queryKey: [api.workspace, "policy", "check", code],
    queryFn: ({ signal }) =>
      api.post("/api/v1/workspaces/{workspace}/check", {
        path: { workspace: api.workspace ?? "" },
        body: { code },
        signal,
      }),
    staleTime: 10_000,
    retry: false,
  });

/** The name of a person, where the caller may see it; else the identifier. */
export function useNames(): (id: string | null | undefined) => string {
  const { api, me: self } = useSession();
  const { data } = useQuery(members(api));
  return (id) => {
    if (!id) return "the server";
    if (id === self.accountId) return self.name;
    return data?.find((member) => member.id === id)?.name ?? id;
  };
}
