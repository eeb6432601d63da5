// The stream as components see it.
import { createContext, useContext, useEffect, useRef, useSyncExternalStore } from "react";
import type { Live, LiveEvent, LiveState } from "./stream";

export const LiveContext = createContext<Live | null>(null);

const NONE: LiveState = { status: "starting", since: 0, last: 0 };

export function useLiveState(): LiveState {
  const live = useContext(LiveContext);
  return useSyncExternalStore(live?.watch ?? (() => () => undefined), live?.snapshot ?? (() => NONE));
}

export function useLiveEvents(listener: (event: LiveEvent) => void): void {
  const live = useContext(LiveContext);
  const latest = useRef(listener);
  latest.current = listener;
  useEffect(() => live?.on((event) => latest.current(event)), [live]);
}
