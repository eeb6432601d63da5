// One stream of events per browser: the tab that holds the lock reads it and passes it on to the
// others. Where locks are missing (plain HTTP by name), only visible tabs read. It begins after the
// number that the first read of the workspace came with, so nothing falls between the two.
import type { QueryClient } from "@tanstack/react-query";
import type { Schemas } from "~/api/client";

export type LiveEvent = Omit<Schemas["Event"], "data"> & { data: Record<string, unknown> };
export type LiveState = { status: "starting" | "live" | "broken"; since: number; last: number };

type Passed = { event: LiveEvent } | { state: LiveState["status"] } | { ask: true };
type Kind = Schemas["EventType"];

/** Which reads an event makes stale, for each kind. Lines of logs come on the stream of their task. */
const STALE: Record<Exclude<Kind, "log">, (event: LiveEvent) => string[]> = {
  task: ({ taskId }) => [`task:${taskId}`, "head"],
  call: ({ taskId }) => [`calls:${taskId}`, "head"],
  progress: () => [],
  approval: ({ taskId, data }) => ["approvals", `approval:${String(data.approvalId)}`, `task:${taskId}`, "head"],
  source: () => ["sources", "tools", "credentials"],
  credential: () => ["credentials", "sources"],
  client: () => ["head", "keys"],
  policy: () => ["policy", "tools", "explain"],
  settings: () => ["settings"],
  webhook: () => ["webhooks"],
  sandbox: () => ["health"],
};
const HIDDEN_MS = 30_000;
/** How soon a stream that the server refused is asked for again: it was restarting, or the session ended. */
const AGAIN_MS = 2_000;
const REFUSED_MS = 30_000;
/** What arrives within this time after something was applied is applied together. */
const BATCH_MS = 120;

export class Live {
  state: LiveState = { status: "starting", since: Date.now(), last: Date.now() };
  private readonly watchers = new Set<() => void>();
  private readonly listeners = new Set<(event: LiveEvent) => void>();
  private readonly stop = new AbortController();
  private readonly channel: BroadcastChannel | null;
  private source: EventSource | null = null;
  private leads = false;
  private stale = new Set<string>();
  private batch = 0;
  private applied = 0;

  constructor(
    private readonly workspace: string,
    private readonly client: QueryClient,
    /** The number of the last event that is known; what is read from now on is no older. */
    private last: number,
  ) {
    const name = `executor-live-${workspace}`;
    this.channel = "BroadcastChannel" in window ? new BroadcastChannel(name) : null;
    if (this.channel) this.channel.onmessage = (message: MessageEvent<Passed>) => this.passed(message.data);
    if (this.channel && "locks" in navigator) {
      void navigator.locks
        .request(name, { signal: this.stop.signal }, () => this.lead())
        .catch(() => undefined);
      this.channel.postMessage({ ask: true } satisfies Passed);
    } else {
      this.readWhileVisible();
    }
  }

  close(): void {
    this.stop.abort();
    this.source?.close();
    this.channel?.close();
    window.clearTimeout(this.batch);
  }

  /** Called at each change of the state. */
  watch = (changed: () => void): (() => void) => {
    this.watchers.add(changed);
    return () => void this.watchers.delete(changed);
  };

  snapshot = (): LiveState => this.state;

  /** Called with each event, once. */
  on(listener: (event: LiveEvent) => void): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  /** Reads until the tab ends; the lock is held as long. */
  private lead(): Promise<void> {
    this.leads = true;
    this.open();
    return new Promise((resolve) => this.stop.signal.addEventListener("abort", () => resolve()));
  }

  private readWhileVisible(): void {
    let timer = 0;
    const look = () => {
      window.clearTimeout(timer);
      if (document.visibilityState === "visible") {
        if (!this.source) this.open();
      } else {
        timer = window.setTimeout(() => {
          this.source?.close();
          this.source = null;
        }, HIDDEN_MS);
      }
    };
    this.leads = true;
    document.addEventListener("visibilitychange", look, { signal: this.stop.signal });
    look();
  }

  private get address(): string {
    const after = this.last > 0 ? `&after=${this.last}` : "";
    return `/api/v1/workspaces/${encodeURIComponent(this.workspace)}/events?logs=false${after}`;
  }

  private open(): void {
    const isAnew = this.last === 0;
    const source = new EventSource(this.address);
    this.source = source;
    source.onopen = () => {
      this.set("live");
      // Without a number to resume from, what happened meanwhile is unknown.
      if (isAnew && this.last === 0) this.everything();
    };
    source.onerror = () => {
      if (source.readyState === EventSource.CLOSED) void this.refused();
      else this.set("broken");
    };
    for (const kind of Object.keys(STALE)) {
      source.addEventListener(kind, (message) => {
        const event = JSON.parse((message as MessageEvent<string>).data) as LiveEvent;
        this.channel?.postMessage({ event } satisfies Passed);
        this.take(event);
      });
    }
  }

  /** The browser gave up: the server refuses the stream, or it is gone. */
  private async refused(): Promise<void> {
    this.source?.close();
    this.source = null;
    const stop = new AbortController();
    const status = await fetch(this.address, { signal: stop.signal }).then((answer) => answer.status, () => 0);
    stop.abort();
    if (this.stop.signal.aborted) return;
    const isRefused = status >= 400 && status < 500;
    // Events that were missed are gone, or the person may not read here any more: the reads tell.
    if (isRefused) this.everything();
    if (status === 410) this.last = 0;
    this.set("broken");
    window.setTimeout(() => {
      if (!this.stop.signal.aborted && !this.source) this.open();
    }, isRefused && status !== 410 ? REFUSED_MS : AGAIN_MS);
  }

  private passed(message: Passed): void {
    if ("event" in message) this.take(message.event);
    else if ("state" in message) this.set(message.state, false);
    else if (this.leads) this.channel?.postMessage({ state: this.state.status } satisfies Passed);
  }

  private take(event: LiveEvent): void {
    if (event.sequence <= this.last) return;
    const gap = this.last > 0 && (event.previous ?? 0) > this.last;
    this.last = event.sequence;
    this.state = { ...this.state, last: Date.now() };
    if (gap) this.everything();
    for (const key of STALE[event.type as keyof typeof STALE]?.(event) ?? []) this.stale.add(key);
    for (const listener of this.listeners) listener(event);
    this.batch ||= window.setTimeout(() => {
      // A page out of sight draws no frames, but its title and notes must tell of what waits.
      if (document.visibilityState === "hidden") this.apply();
      else requestAnimationFrame(() => this.apply());
    }, Math.max(0, this.applied + BATCH_MS - performance.now()));
  }

  private apply(): void {
    this.batch = 0;
    this.applied = performance.now();
    const stale = this.stale;
    this.stale = new Set();
    void this.client.invalidateQueries({
      predicate: ({ queryKey: [workspace, kind, id] }) =>
        workspace === this.workspace && (stale.has(String(kind)) || stale.has(`${String(kind)}:${String(id)}`)),
    });
  }

  private everything(): void {
    void this.client.invalidateQueries();
  }

  private set(status: LiveState["status"], tell = true): void {
    if (this.state.status !== status) this.state = { status, since: Date.now(), last: this.state.last };
    if (tell && this.leads) this.channel?.postMessage({ state: status } satisfies Passed);
    for (const watcher of this.watchers) watcher();
  }
}
