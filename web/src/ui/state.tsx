// Loading, empty and failed: one way to show each, so that a failed panel never takes the page.
import type { UseQueryResult } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { ApiError, Unreachable } from "~/api/client";
import { Button, Skeleton } from "./basics";
import { Seen } from "./text";

export function explain(error: unknown): { title: string; next?: string | undefined; id?: string | undefined } {
  if (error instanceof ApiError) {
    const title = error.status === 404 ? `Not found: ${error.message}` : error.message;
    const wait = error.retryAfter ? `Try again in ${error.retryAfter} s.` : undefined;
    return { title, next: error.nextStep ?? wait, id: error.problem.requestId ?? undefined };
  }
  if (error instanceof Unreachable) return { title: "The server cannot be reached", next: "It may be restarting. What you typed stays here." };
  return { title: error instanceof Error ? error.message : String(error) };
}

export function Problem({ error, retry }: { error: unknown; retry?: () => void }) {
  const { title, next, id } = explain(error);
  return (
    <div role="alert" className="flex flex-col items-start gap-1 rounded-md border border-bad p-3">
      <p className="font-semibold text-bad first-letter:uppercase">
        <span aria-hidden>✕ </span>
        <Seen text={title} />
      </p>
      {next && <p className="first-letter:uppercase"><Seen text={next} /></p>}
      {id && <p className="font-mono text-meta text-ink3">request {id}</p>}
      {retry && (
        <Button small className="mt-1" onClick={retry}>
          Retry
        </Button>
      )}
    </div>
  );
}

/** Shows what was read; skeletons of its size until then, and why not where it failed. */
export function Loaded<T>({ query, rows, height, children }: {
  query: UseQueryResult<T>;
  rows?: number;
  height?: number;
  children: (data: T) => ReactNode;
}) {
  if (query.data !== undefined) return <>{children(query.data)}</>;
  if (query.error)
    return (
      <div className="p-3">
        <Problem error={query.error} retry={() => void query.refetch()} />
      </div>
    );
  return <Skeleton rows={rows ?? 4} height={height ?? 32} />;
}
