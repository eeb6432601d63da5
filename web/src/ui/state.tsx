// Loading, empty and failed: one way to show each, so that a failed panel never takes the page.
import type { UseQueryResult } from "@tanstack/react-query";
import { type ReactNode, useContext, useEffect, useMemo, useState } from "react";
import { ApiError, Unreachable } from "~/api/client";
import { SessionContext } from "~/api/queries";
import { Button, Skeleton } from "./basics";
import { Seen } from "./text";

export function explain(error: unknown): { title: string; next?: string | undefined; id?: string | undefined } {
  if (error instanceof ApiError) {
    const title = error.status === 404 ? `Not found: ${error.message}` : error.message;
    return { title, next: error.nextStep ?? undefined, id: error.problem.requestId ?? undefined };
  }
  if (error instanceof Unreachable) return { title: "The server cannot be reached", next: "It may be restarting. What you typed stays here." };
  return { title: error instanceof Error ? error.message : String(error) };
}

/** Opens the search over pages, tools and what waits, wherever on the page that is asked for. */
export const SEARCH = "executor:search";

/** Seconds until the server lets the caller in again; zero once it does, or where it said nothing. */
function useLeft(error: unknown): number {
  const seconds = error instanceof ApiError ? (error.retryAfter ?? 0) : 0;
  const since = useMemo(Date.now, [error]);
  const [left, setLeft] = useState(seconds);
  useEffect(() => {
    const look = () => setLeft(Math.max(0, Math.ceil(seconds - (Date.now() - since) / 1000)));
    look();
    if (seconds === 0) return;
    const timer = window.setInterval(look, 250);
    return () => window.clearInterval(timer);
  }, [seconds, since]);
  return left;
}

export function Problem({ error, retry }: { error: unknown; retry?: () => void }) {
  const { title, next, id } = explain(error);
  const left = useLeft(error);
  // The search belongs to the pages of a workspace.
  const isMissing = useContext(SessionContext) !== null && error instanceof ApiError && error.status === 404;
  return (
    <div role="alert" className="flex flex-col items-start gap-1 rounded-md border border-bad p-3">
      <p className="font-semibold text-bad first-letter:uppercase">
        <span aria-hidden>✕ </span>
        <Seen text={title} />
      </p>
      {next && <p className="first-letter:uppercase"><Seen text={next} /></p>}
      {id && <p className="font-mono text-meta text-ink3">request {id}</p>}
      {left > 0 && (
        <p role="timer" aria-live="off">
          Let in again in <span className="font-mono">{left} s</span>
        </p>
      )}
      {(retry || isMissing) && (
        <div className="mt-1 flex flex-wrap gap-2">
          {isMissing && (
            <Button small onClick={() => window.dispatchEvent(new Event(SEARCH))}>
              Search
            </Button>
          )}
          {retry && (
            <Button small onClick={retry} blocked={left > 0 ? `The server lets you in again in ${left} s` : undefined}>
              Retry
            </Button>
          )}
        </div>
      )}
    </div>
  );
}

/** What is shown could not be read again. Where the whole server is out of reach, the page says so once. */
function Stale({ error, retry }: { error: Error; retry: () => void }) {
  const { title, id } = explain(error);
  return (
    <p role="status" className="flex flex-wrap items-center gap-2 border-b border-line bg-sunken px-3 py-1 text-meta">
      <span>
        What you see may be old. It could not be read again: <Seen text={title} />
        {id && <span className="font-mono text-ink3"> request {id}</span>}
      </span>
      <Button small onClick={retry}>
        Retry
      </Button>
    </p>
  );
}

/** Shows what was read; skeletons of its size until then, and why not where it failed. */
export function Loaded<T>({ query, rows, height, children }: {
  query: UseQueryResult<T>;
  rows?: number;
  height?: number;
  children: (data: T) => ReactNode;
}) {
  if (query.data !== undefined)
    return (
      <>
        {query.error && !(query.error instanceof Unreachable) && <Stale error={query.error} retry={() => void query.refetch()} />}
        {children(query.data)}
      </>
    );
  if (query.error)
    return (
      <div className="p-3">
        <Problem error={query.error} retry={() => void query.refetch()} />
      </div>
    );
  return <Skeleton rows={rows ?? 4} height={height ?? 32} />;
}
