// Short notes in a corner. They name the thing, and never hold the only copy of anything.
import { type ReactNode, useSyncExternalStore } from "react";

type Toast = { id: number; text: ReactNode; key: string | undefined };
let toasts: Toast[] = [];
let next = 1;
const watchers = new Set<() => void>();

function set(list: Toast[]): void {
  toasts = list;
  for (const watcher of watchers) watcher();
}

/** Shows a note; one with a key takes the place of the one before it with that key. */
export function toast(text: ReactNode, key?: string): void {
  const id = next++;
  const others = key === undefined ? toasts : toasts.filter((each) => each.key !== key);
  set([...others.slice(-2), { id, text, key }]);
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
