// What was decided, as a table for other programs.
import type { Approval } from "~/api/client";
import { compact } from "~/lib/json";

/** A field that no spreadsheet takes for a formula. */
function cell(text: string): string {
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return `"${safe.replaceAll('"', '""')}"`;
}

export function asCsv(approvals: Approval[], names: (id: string) => string): string {
  const head = ["approval", "task", "tool", "risk", "requested by", "asked", "status", "decided by", "via", "decided", "seconds", "reason", "arguments"];
  const rows = approvals.map((each) => [
    each.id, each.taskId, each.tool, each.risk, names(each.requestedBy), each.createdAt, each.status,
    each.decidedBy ? names(each.decidedBy) : "", each.decidedVia ?? "", each.decidedAt ?? "",
    each.decidedAt ? String(Math.round((Date.parse(each.decidedAt) - Date.parse(each.createdAt)) / 1000)) : "",
    each.reason ?? "", compact(each.arguments),
  ]);
  return [head, ...rows].map((row) => row.map(cell).join(",")).join("\r\n");
}

export function download(name: string, text: string, kind = "text/csv"): void {
  const address = URL.createObjectURL(new Blob([text], { type: `${kind};charset=utf-8` }));
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  window.setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
