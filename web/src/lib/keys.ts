// The keyboard: one listener, bindings by page. Single letters never act in fields, never behind an
// open dialog, and can be switched off.
import { useEffect, useRef } from "react";
import { read } from "./store";

export type Binding = {
  /** Such as `a`, `A` (with Shift), `g t` (one after the other), `mod+k`, `Escape`. */
  keys: string;
  label: string;
  run: (event: KeyboardEvent) => void;
  /** Also in fields and dialogs. */
  everywhere?: boolean;
  /** Again and again while the key is held down. Others act once: a held key decides one thing, not many. */
  repeats?: boolean;
};
export type Group = { name: string; bindings: Binding[] };

const groups: Group[] = [];
let pending = "";
let pendingTimer = 0;

export function allGroups(): Group[] {
  return groups;
}

export function lettersAreOn(): boolean {
  return read("letters") !== "off";
}

function isField(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName)) &&
    !(target instanceof HTMLInputElement && /^(checkbox|radio|button)$/.test(target.type))
  );
}

function named(event: KeyboardEvent): string {
  const mod = event.ctrlKey || event.metaKey;
  return (mod ? "mod+" : "") + (mod ? event.key.toLowerCase() : event.key);
}

function find(wanted: string): Binding | undefined {
  for (let i = groups.length - 1; i >= 0; i--) {
    const found = groups[i]?.bindings.find((b) => b.keys.split(" / ").includes(wanted));
    if (found) return found;
  }
  return undefined;
}

function onKey(event: KeyboardEvent): void {
  if (event.altKey || event.isComposing || event.defaultPrevented) return;
  // Shift alone is no key of a sequence.
  if (/^(Shift|Control|Alt|Meta)$/.test(event.key)) return;
  const key = named(event);
  const inField = isField(event.target);
  const inDialog = document.querySelector("[role=dialog], [role=alertdialog], [role=menu]") !== null;
  const whole = pending ? `${pending} ${key}` : key;
  const alone = pending ? find(key) : undefined;
  // The second key of a sequence that there is not does nothing by itself.
  const binding = find(whole) ?? (alone?.everywhere ? alone : undefined);
  const startsSequence = !pending && groups.some((g) => g.bindings.some((b) => b.keys.startsWith(`${key} `) && !b.keys.startsWith(`${key} /`)));
  if (event.repeat && !binding?.repeats) return;
  pending = "";
  window.clearTimeout(pendingTimer);
  if (binding?.everywhere) {
    event.preventDefault();
    binding.run(event);
    return;
  }
  const isLetter = key.length === 1;
  if (inField || inDialog || (isLetter && !lettersAreOn())) return;
  if (binding) {
    // Enter and Space belong to the button that has the focus.
    if ((key === "Enter" || key === " ") && event.target instanceof Element && event.target.closest("button, a, [role=button], summary")) return;
    event.preventDefault();
    binding.run(event);
  } else if (startsSequence) {
    pending = key;
    pendingTimer = window.setTimeout(() => (pending = ""), 1200);
  }
}

let listening = false;

/** Bindings that hold while the component is there. The newest group wins. */
export function useKeys(name: string, bindings: Binding[]): void {
  const latest = useRef(bindings);
  latest.current = bindings;
  const shape = bindings.map((b) => b.keys).join("|");
  useEffect(() => {
    if (!listening) {
      window.addEventListener("keydown", onKey);
      listening = true;
    }
    const group: Group = {
      name,
      bindings: latest.current.map((binding, i) => ({
        ...binding,
        run: (event) => latest.current[i]?.run(event),
      })),
    };
    groups.push(group);
    return () => void groups.splice(groups.indexOf(group), 1);
  }, [name, shape]);
}
