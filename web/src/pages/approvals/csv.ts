// What was decided, as a table for other programs.
import type { Api, Approval } from "~/api/client";
import { compact } from "~/lib/json";

/** Approvals that one request reads. */
const PAGE = 200;

/** All approvals with these statuses, the newest first, however many there are. */
export async function everyApproval(api: Api, statuses: readonly string[], onRead: (count: number) => void): Promise<Approval[]> {
  const all: Approval[] = [];
  for (const status of statuses) {
    let cursor: string | undefined;
    do {
      const page = await api.get("/api/v1/approvals", { query: { status, limit: PAGE, cursor } as never });
      all.push(...page.items);
      onRead(all.length);
      cursor = page.nextCursor ?? undefined;
    } while (cursor !== undefined);
  }
  return all.sort((a, b) => b.createdAt.localeCompare(a.createdAt));
}

/** A field that no spreadsheet takes for a formula. */
function cell(text: string): string {
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return `"${safe.replaceAll('"', '""')}"`;
}

export function asCsv(approvals: Approval[], names: (id: string) => string): string {
  const head = [
    "approval", "task", "call", "tool", "risk", "risk reasons", "client", "requested by", "asked", "why", "rule", "status", "answer",
    "decided by", "via", "decided", "seconds", "reason", "edited by", "call then", "arguments",
  ];
  const rows = approvals.map((each) => [
    each.id, each.taskId, String(each.sequence), each.tool, each.risk, (each.riskReasons ?? []).join("; "), each.client ?? "", names(each.requestedBy),
    each.createdAt, each.why, each.rule ?? "", each.status, each.answer ?? "",
    each.decidedBy ? names(each.decidedBy) : "", each.decidedVia ?? "", each.decidedAt ?? "",
    each.decidedAt ? String(Math.round((Date.parse(each.decidedAt) - Date.parse(each.createdAt)) / 1000)) : "",
    each.reason ?? "", each.edited ? names(each.edited.by) : "", each.callStatus ?? "", compact(each.arguments),
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
