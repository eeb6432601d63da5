// Short notes in a corner. They name the thing, and never hold the only copy of anything.
import { type ReactNode, useSyncExternalStore } from "react";

type Toast = { id: number; text: ReactNode };
let toasts: Toast[] = [];
let next = 1;
const watchers = new Set<() => void>();

function set(list: Toast[]): void {
  toasts = list;
  for (const watcher of watchers) watcher();
}

export function toast(text: ReactNode): void {
  const id = next++;
  set([...toasts.slice(-2), { id, text }]);
  window.setTimeout(() => set(toasts.filter((each) => each.id !== id)), 6000);
}

export function Toasts() {
  const list = useSyncExternalStore(
    (changed) => {
      watchers.add(changed);
      return () => watchers.delete(changed);
    },
    () => toasts,
  );
  return (
    <div role="status" aria-live="polite" className="pointer-events-none fixed right-3 bottom-3 z-50 flex flex-col gap-2">
      {list.map((each) => (
        <div key={each.id} className="pointer-events-auto max-w-sm rounded-md border border-control bg-raised px-3 py-2 shadow-float">
          {each.text}
        </div>
      ))}
    </div>
  );
}
