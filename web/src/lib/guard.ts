// Keys and clicks that were meant for what stood there before decide nothing.
import { useLayoutEffect, useRef } from "react";

/** How long after a change of what a person looks at keys and clicks are swallowed. */
const GUARD_MS = 400;

/**
 * Whether what is looked at, known by `of`, has only just taken the place of something else. Asked when
 * a key or a click arrives; everything that decides asks it.
 */
export function useGuard(...of: string[]): () => boolean {
  const since = useRef(performance.now());
  // Before it is painted: no moment at which it stands there unguarded.
  useLayoutEffect(() => {
    since.current = performance.now();
  }, of);
  return () => performance.now() - since.current < GUARD_MS;
}
