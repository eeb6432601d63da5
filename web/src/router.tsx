// Which address shows which page. Pages are loaded when they are first opened.
import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
  Outlet,
  redirect,
} from "@tanstack/react-router";
import { read } from "~/lib/store";
import { Crash, NotFound } from "~/shell/fallbacks";
import { Layout } from "~/shell/layout";
import { Entry, Forward } from "~/shell/entry";
import { ApprovalsPage } from "~/pages/approvals/page";

const text = (value: unknown): string | undefined =>
  typeof value === "string" && value !== "" ? value : typeof value === "number" ? String(value) : undefined;

/** Search parameters that are plain texts; what is not named is dropped. */
function texts<K extends string>(...names: K[]) {
  return (search: Record<string, unknown>): { [N in K]?: string } => {
    const out: { [N in K]?: string } = {};
    for (const name of names) {
      const value = text(search[name]);
      if (value !== undefined) out[name] = value;
    }
    return out;
  };
}

const root = createRootRoute({ component: Outlet, notFoundComponent: NotFound });
const index = createRoute({ getParentRoute: () => root, path: "/", component: Entry });
const welcome = createRoute({
  getParentRoute: () => root,
  path: "/welcome",
  component: lazyRouteComponent(() => import("~/pages/welcome"), "WelcomePage"),
});
const short = createRoute({ getParentRoute: () => root, path: "/a/$id", component: () => <Forward to="approvals" /> });
const approvalLink = createRoute({ getParentRoute: () => root, path: "/approvals/$id", component: () => <Forward to="approvals" /> });
const taskLink = createRoute({ getParentRoute: () => root, path: "/tasks/$id", component: () => <Forward to="tasks" /> });

/** Bare addresses lead to the workspace that was open last. */
const bare = ["approvals", "tasks", "run", "tools", "sources", "credentials", "policies", "clients", "audit", "settings", "home"].map(
  (page) =>
    createRoute({
      getParentRoute: () => root,
      path: `/${page}` as string,
      component: Entry,
      beforeLoad: () => {
        const last = read("workspace");
        if (last) throw redirect({ href: `/w/${encodeURIComponent(last)}${page === "home" ? "" : `/${page}`}` });
      },
    }),
);

const workspace = createRoute({ getParentRoute: () => root, path: "/w/$slug", component: Layout, notFoundComponent: NotFound });
const at = <P extends string>(path: P) => ({ getParentRoute: () => workspace, path }) as const;

const home = createRoute({ ...at("/"), component: lazyRouteComponent(() => import("~/pages/home"), "HomePage") });
const approvals = createRoute({ ...at("/approvals"), component: ApprovalsPage, validateSearch: texts("tab", "filter") });
const approval = createRoute({ ...at("/approvals/$id"), component: ApprovalsPage, validateSearch: texts("tab", "filter") });
const tasks = createRoute({
  ...at("/tasks"),
  component: lazyRouteComponent(() => import("~/pages/tasks/list"), "TasksPage"),
  validateSearch: texts("status", "mine", "client", "tool", "time", "q", "at"),
});
const task = createRoute({
  ...at("/tasks/$id"),
  component: lazyRouteComponent(() => import("~/pages/tasks/detail"), "TaskPage"),
  validateSearch: texts("tab", "call"),
});
const run = createRoute({
  ...at("/run"),
  component: lazyRouteComponent(() => import("~/pages/run/page"), "RunPage"),
  validateSearch: texts("from", "call", "task", "tool"),
});
const tools = createRoute({
  ...at("/tools"),
  component: lazyRouteComponent(() => import("~/pages/tools/page"), "ToolsPage"),
  validateSearch: texts("q", "denied"),
});
const tool = createRoute({
  ...at("/tools/$path"),
  component: lazyRouteComponent(() => import("~/pages/tools/page"), "ToolsPage"),
  validateSearch: texts("q", "tab", "task", "call", "denied"),
});
const sources = createRoute({ ...at("/sources"), component: lazyRouteComponent(() => import("~/pages/sources/list"), "SourcesPage") });
const addSource = createRoute({ ...at("/sources/new"), component: lazyRouteComponent(() => import("~/pages/sources/add"), "AddSourcePage"), validateSearch: texts("source") });
const source = createRoute({ ...at("/sources/$id"), component: lazyRouteComponent(() => import("~/pages/sources/one"), "SourcePage") });
const credentials = createRoute({
  ...at("/credentials"),
  component: lazyRouteComponent(() => import("~/pages/credentials"), "CredentialsPage"),
  validateSearch: texts("source"),
});
const policies = createRoute({ ...at("/policies"), component: lazyRouteComponent(() => import("~/pages/policies/page"), "PoliciesPage"), validateSearch: texts("tab") });
const policyTest = createRoute({ ...at("/policies/test"), component: lazyRouteComponent(() => import("~/pages/policies/test"), "PolicyTestPage"), validateSearch: texts("tool", "task", "call") });
const policyHistory = createRoute({ ...at("/policies/history"), component: lazyRouteComponent(() => import("~/pages/policies/history"), "PolicyHistoryPage"), validateSearch: texts("version") });
const policySets = createRoute({ ...at("/policies/sets"), component: lazyRouteComponent(() => import("~/pages/policies/sets"), "PolicySetsPage") });
const policySet = createRoute({ ...at("/policies/sets/$set"), component: lazyRouteComponent(() => import("~/pages/policies/sets"), "PolicySetPage"), validateSearch: texts("rule") });
const policyRule = createRoute({ ...at("/policies/$id"), component: lazyRouteComponent(() => import("~/pages/policies/page"), "PoliciesPage"), validateSearch: texts("tab") });
const clients = createRoute({ ...at("/clients"), component: lazyRouteComponent(() => import("~/pages/clients/page"), "ClientsPage") });
const audit = createRoute({ ...at("/audit"), component: lazyRouteComponent(() => import("~/pages/audit"), "AuditPage"), validateSearch: texts("action", "subject", "actor", "channel", "from", "to", "text") });
const settingsIndex = createRoute({ ...at("/settings"), component: lazyRouteComponent(() => import("~/pages/settings/page"), "SettingsPage") });
const settings = createRoute({ ...at("/settings/$section"), component: lazyRouteComponent(() => import("~/pages/settings/page"), "SettingsPage") });

const tree = root.addChildren([
  index,
  welcome,
  short,
  approvalLink,
  taskLink,
  ...bare,
  workspace.addChildren([
    home, approvals, approval, tasks, task, run, tools, tool, sources, addSource, source, credentials,
    policies, policyTest, policyHistory, policySets, policySet, policyRule, clients, audit, settingsIndex, settings,
  ]),
]);

export const router = createRouter({ routeTree: tree, defaultErrorComponent: Crash, defaultPreload: "intent", scrollRestoration: true });

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
