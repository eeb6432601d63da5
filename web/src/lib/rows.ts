// Moving by keys in a plain list: the row's own link or control, marked by `data-row`, has the focus.
import { useKeys } from "./keys";

/** J and K go down and up the rows of a page, O opens the one that has the focus. */
export function useRows(what: string): void {
  const go = (by: number) => {
    const rows = [...document.querySelectorAll<HTMLElement>("main [data-row]")];
    const at = rows.findIndex((row) => row === document.activeElement || row.closest("li")?.contains(document.activeElement));
    rows[Math.max(0, Math.min(rows.length - 1, at + by))]?.focus();
  };
  useKeys("List", [
    { keys: "j", label: `Next ${what}`, run: () => go(1) },
    { keys: "k", label: `The ${what} before`, run: () => go(-1) },
    { keys: "o", label: "Open", run: () => document.activeElement instanceof HTMLElement && document.activeElement.matches("[data-row]") && document.activeElement.click() },
  ]);
}
