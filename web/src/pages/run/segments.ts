// What may stand after a dot of a tool's path: the groups and tools right below it.
import type { ToolHit } from "~/api/client";

export type Segment = { name: string; path: string; tool: ToolHit | null; count: number };

/** The next segments below a prefix, tools of a source in the order of their paths. */
export function segmentsBelow(prefix: string, tools: ToolHit[]): Segment[] {
  const found = new Map<string, Segment>();
  const start = `${prefix.toLowerCase()}.`;
  for (const tool of tools) {
    if (!tool.path.toLowerCase().startsWith(start)) continue;
    const rest = tool.path.slice(start.length);
    const dot = rest.indexOf(".");
    const name = dot < 0 ? rest : rest.slice(0, dot);
    const before = found.get(name);
    found.set(name, { name, path: `${tool.path.slice(0, start.length)}${name}`, tool: dot < 0 ? tool : (before?.tool ?? null), count: (before?.count ?? 0) + (dot < 0 ? 0 : 1) });
  }
  return [...found.values()];
}
