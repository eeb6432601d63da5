// What this browser remembers: choices and drafts. Nothing secret goes here.
import { useSyncExternalStore } from "react";

const listeners = new Set<() => void>();
const PREFIX = "executor.";

export function read(name: string): string | null {
  try {
    return localStorage.getItem(PREFIX + name);
  } catch {
    return null;
  }
}

export function write(name: string, value: string | null): void {
  try {
    if (value === null) localStorage.removeItem(PREFIX + name);
    else localStorage.setItem(PREFIX + name, value);
  } catch {
    // A browser that keeps nothing forgets it with the page.
  }
  for (const listener of listeners) listener();
}

export function useStored(name: string): [string | null, (value: string | null) => void] {
  const value = useSyncExternalStore(
    (changed) => {
      listeners.add(changed);
      window.addEventListener("storage", changed);
      return () => {
        listeners.delete(changed);
        window.removeEventListener("storage", changed);
      };
    },
    () => read(name),
  );
  return [value, (next) => write(name, next)];
}

/** A draft of this tab: it outlives a reload of the page, and ends with the tab. */
export const drafts = {
  read(name: string): string | null {
    try {
      return sessionStorage.getItem(PREFIX + name);
    } catch {
      return null;
    }
  },
  write(name: string, value: string | null): void {
    try {
      if (value === null) sessionStorage.removeItem(PREFIX + name);
      else sessionStorage.setItem(PREFIX + name, value);
    } catch {
      // As above.
    }
  },
};
