// The public API, typed by the server's own description. Errors are the server's problems.
import { parse } from "~/lib/json";
import type { components, paths } from "./schema";

export type Schemas = components["schemas"];
export type Problem = Schemas["Problem"];

type Method = "get" | "post" | "put" | "patch" | "delete";
type Routes<M extends Method> = { [P in keyof paths]: paths[P][M] extends { responses: unknown } ? P : never }[keyof paths];
type Json<T> = T extends { content: { "application/json": infer Body } } ? Body : undefined;
type Answer<O> = O extends { responses: infer R }
  ? R extends { 200: infer T } ? Json<T> : R extends { 201: infer T } ? Json<T> : undefined
  : never;
type QueryOf<O> = O extends { parameters: { query?: infer Q } } ? Q : never;
type PathOf<O> = O extends { parameters: { path: infer P } } ? P : undefined;
type BodyOf<O> = O extends { requestBody: Json<infer B> } ? B
  : O extends { requestBody: { content: { "application/json": infer B } } } ? B : undefined;
type Given<O> = {
  path?: PathOf<O>;
  query?: QueryOf<O>;
  body?: BodyOf<O>;
  headers?: Record<string, string>;
  signal?: AbortSignal | undefined;
};

/** What the server answered instead of what was asked for. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly problem: Partial<Problem>,
    readonly retryAfter: number | null = null,
  ) {
    super(problem.title ?? `the server answered ${status}`);
  }
  get code(): string {
    return this.problem.code ?? "";
  }
  get nextStep(): string | undefined {
    return this.problem.nextStep ?? undefined;
  }
}

/** The server did not answer at all. */
export class Unreachable extends Error {
  constructor() {
    super("the server cannot be reached");
  }
}

async function send(method: Method, route: string, given: Given<unknown>): Promise<unknown> {
  let address = route;
  for (const [name, value] of Object.entries((given.path ?? {}) as Record<string, unknown>))
    address = address.replace(`{${name}}`, encodeURIComponent(String(value)));
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries((given.query ?? {}) as Record<string, unknown>))
    if (value !== undefined && value !== null && value !== "") query.set(name, String(value));
  if (query.size > 0) address += `?${query}`;
  const headers: Record<string, string> = { accept: "application/json", ...given.headers };
  const init: RequestInit = { method: method.toUpperCase(), headers };
  if (given.signal) init.signal = given.signal;
  if (given.body !== undefined) {
    headers["content-type"] = "application/json";
    init.body = JSON.stringify(given.body);
  }
  let response: Response;
  try {
    response = await fetch(address, init);
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Unreachable();
  }
  const text = await response.text();
  let value: unknown;
  try {
    value = text === "" ? undefined : parse(text);
  } catch {
    value = undefined;
  }
  if (response.ok) return value;
  const wait = Number(response.headers.get("retry-after"));
  const id = response.headers.get("x-request-id") ?? undefined;
  const problem = { ...(id ? { requestId: id } : {}), ...((value as object | undefined) ?? {}) };
  throw new ApiError(response.status, problem, Number.isFinite(wait) && wait > 0 ? wait : null);
}

/** Ends the session of this browser, and goes where it ends at the provider, too. By a request of the page's own: a form of a page that says nothing of where it comes from is refused. */
export async function signOut(): Promise<void> {
  const ended = await fetch("/sign-out", { method: "POST", headers: { accept: "application/json" } }).catch(() => undefined);
  const told = ended?.ok ? ((await ended.json().catch(() => undefined)) as { next?: string } | undefined) : undefined;
  location.assign(told?.next ?? "/sign-in");
}

/** The page to sign in at, which leads back here. */
export function signInAddress(): string {
  return `/sign-in?next=${encodeURIComponent(location.pathname + location.search)}`;
}

function caller<M extends Method>(method: M, workspace: string | null) {
  return <P extends Routes<M>>(route: P, given: Given<paths[P][M]> = {}): Promise<Answer<paths[P][M]>> => {
    const query = workspace ? { ...(given.query as object | undefined), workspace } : given.query;
    return send(method, route as string, { ...given, query } as Given<unknown>) as Promise<Answer<paths[P][M]>>;
  };
}

/** The API as seen from one workspace; without one, from the caller's first. */
export function apiOf(workspace: string | null) {
  return {
    workspace,
    get: caller("get", workspace),
    post: caller("post", workspace),
    put: caller("put", workspace),
    patch: caller("patch", workspace),
    delete: caller("delete", workspace),
  };
}
export type Api = ReturnType<typeof apiOf>;

export type Approval = Schemas["Approval"];
export type Task = Schemas["Task"];
export type Call = Schemas["Call"];
export type LogLine = Schemas["LogLine"];
export type ToolHit = Schemas["ToolHit"];
export type ToolDescription = Schemas["ToolDescription"];
export type Source = Schemas["Source"];
export type Credential = Schemas["Credential"];
export type Rule = Schemas["Rule"];
export type NewRule = Schemas["NewRule"];
export type Backtest = Schemas["Backtest"];
export type NewBacktest = Schemas["NewBacktest"];
export type PolicySet = Schemas["PolicySet"];
export type SetRule = Schemas["SetRule"];
export type SetAssignment = Schemas["SetAssignment"];
export type Suggestion = Schemas["Suggestion"];
export type Verdict = Schemas["Verdict"];
export type LookedAt = Schemas["LookedAt"];
export type Forecast = Schemas["Forecast"];
export type Finding = Schemas["Finding"];
export type Key = Schemas["Key"];
export type Member = Schemas["Member"];
export type Me = Schemas["Me"];
export type Workspace = Schemas["Workspace"];
export type Webhook = Schemas["Webhook"];
export type AuditEntry = Schemas["AuditEntry"];
export type PolicyVersion = Schemas["PolicyVersion"];
